"""The queues: Redis lists `q:<cluster>.<role>`, filled by the gateway, emptied by the workers.

Key and list ends are those of kombu's Redis transport. Taking a message removes it: whoever asked
has a deadline and asks again, and what must not be lost lies in plans and in the cluster.
"""

from collections.abc import Sequence
from typing import Final, cast

import redis
import redis.asyncio

from shared.errors import QueueFull
from shared.stores.connection import redis_faults

PREFIX: Final = "q:"
KEEP_S: Final = 15 * 60
"""A queue that nobody fills or empties is forgotten; every call in it has expired long before."""

_PUT: Final = """
local waiting = redis.call('LLEN', KEYS[1])
if waiting >= tonumber(ARGV[2]) then return 0 end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


def take(
    client: redis.Redis, queues: Sequence[str], *, at_most: int, wait_s: float
) -> tuple[str, list[bytes]] | None:
    """Takes the oldest messages of the first of `queues` that has any; waits up to `wait_s`.

    Returns the queue's name as Redis says it, whatever a message claims, and 1 to `at_most`
    messages, oldest first. Needs Redis 7 (BLMPOP).

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    keys = [PREFIX + queue for queue in queues]
    with redis_faults():
        taken = cast(
            "tuple[bytes, list[bytes]] | None",
            client.blmpop(wait_s, len(keys), *keys, direction="RIGHT", count=at_most),
        )
    return (taken[0].decode().removeprefix(PREFIX), taken[1]) if taken else None


def lengths(client: redis.Redis, queues: Sequence[str]) -> dict[str, int]:
    """Returns how many messages wait in each queue.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults(), client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.llen(PREFIX + queue)
        return dict(zip(queues, cast("list[int]", pipe.execute()), strict=True))


def oldest(client: redis.Redis, queue: str) -> bytes | None:
    """Returns the message that is taken next from a queue, and leaves it there; None: empty.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults():
        return cast("bytes | None", client.lindex(PREFIX + queue, -1))


class QueueMouth:
    """The gateway's end of the queues: puts in, never takes out."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._put = client.register_script(_PUT)

    async def put(self, queue: str, message: bytes, *, longest: int) -> None:
        """Appends a message, unless `longest` are waiting already.

        Raises:
            QueueFull: it was not appended.
            RedisUnavailable: it was not appended, or nobody knows.
        """
        with redis_faults():
            accepted = await self._put(keys=[PREFIX + queue], args=[message, longest, KEEP_S])
        if not accepted:
            raise QueueFull("The workers have more to do than they can answer in time.")
