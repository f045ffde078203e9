"""Which workers live: each announces itself under a key that expires when it stops doing so."""

from collections.abc import Iterable
from typing import Final, cast

import redis
import redis.asyncio
from pydantic import ValidationError

from shared.messages import Announcement
from shared.stores.connection import redis_faults

INDEX: Final = "wk:workers"
HEARTBEAT_S: Final = 1
"""As often as a gateway asks. A Redis that comes back empty knows no worker for that long."""

EXPIRE_S: Final = 16
"""A host may pause for that long. Redis's own clock decides: hosts need not agree on the time."""


def announce(client: redis.Redis, announcement: Announcement) -> None:
    """Says for `EXPIRE_S` seconds that this worker lives.

    Raises:
        RedisUnavailable: nobody heard it.
    """
    with redis_faults(), client.pipeline(transaction=True) as pipe:
        pipe.set(_key(announcement.worker), announcement.model_dump_json(), ex=EXPIRE_S)
        pipe.sadd(INDEX, announcement.worker)
        pipe.execute()


def withdraw(client: redis.Redis, worker: str) -> None:
    """Says that this worker has stopped.

    Raises:
        RedisUnavailable: the announcement expires by itself instead.
    """
    with redis_faults(), client.pipeline(transaction=True) as pipe:
        pipe.delete(_key(worker))
        pipe.srem(INDEX, worker)
        pipe.execute()


async def announced(client: redis.asyncio.Redis) -> tuple[Announcement, ...]:
    """Returns the live workers, ordered by cluster and id. What cannot be read is left out.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults():
        keys = _keys(cast("set[bytes]", await client.smembers(INDEX)))
        rows = cast("list[bytes | None]", await client.mget(keys)) if keys else []
    return _live(rows)


def announced_now(client: redis.Redis) -> tuple[Announcement, ...]:
    """Returns the same as `announced`, for threads.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults():
        keys = _keys(cast("set[bytes]", client.smembers(INDEX)))
        rows = cast("list[bytes | None]", client.mget(keys)) if keys else []
    return _live(rows)


def _keys(workers: set[bytes]) -> list[str]:
    return [_key(worker.decode()) for worker in sorted(workers)]


def _live(rows: Iterable[bytes | None]) -> tuple[Announcement, ...]:
    found = (_read(row) for row in rows if row is not None)
    live = (announcement for announcement in found if announcement is not None)
    return tuple(sorted(live, key=lambda a: (a.cluster, a.worker)))


def _read(row: bytes) -> Announcement | None:
    try:
        return Announcement.model_validate_json(row)
    except ValidationError:
        return None


def _key(worker: str) -> str:
    return f"wk:worker:{worker}"
