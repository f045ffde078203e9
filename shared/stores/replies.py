"""Replies of workers to the replica that asked: one list for each replica, one reader for it."""

from typing import Final, cast

import redis
import redis.asyncio

from shared.foreign_json import foreign_json
from shared.messages import REPLIES, Answer, Failed, Progress, Refused, reply_json
from shared.stores.connection import redis_faults

KEEP_S: Final = 120
"""A reply that nobody fetched for two minutes belongs to a replica that is gone."""

MAX_REPLY_BYTES: Final = 4 * 1024 * 1024

MAX_TAKEN: Final = 64
"""Replies taken at once: one round trip for all of them when many calls end together."""


def reply_key(replica: str) -> str:
    """Returns the list that the replica with this random id reads."""
    return f"r:{replica}"


def push(client: redis.Redis, key: str, reply: Answer | Refused | Failed | Progress) -> None:
    """Pushes one reply.

    Raises:
        RedisUnavailable: it did not arrive, or may not have.
        ValueError: `key` is no reply list, or the reply is too large to send.
    """
    document = reply_json(reply)
    if not key.startswith("r:") or len(document) > MAX_REPLY_BYTES:
        raise ValueError("not a reply list, or too large a reply")
    with redis_faults(), client.pipeline(transaction=True) as pipe:
        pipe.rpush(key, document)
        pipe.expire(key, KEEP_S)
        pipe.execute()


async def next_replies(
    client: redis.asyncio.Redis, key: str, *, wait_s: float
) -> list[Answer | Refused | Failed | Progress]:
    """Takes the replies that are there, oldest first, or waits up to `wait_s` for the first.

    Returns at most `MAX_TAKEN`; what is unreadable is left out.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults():
        taken = cast(
            "tuple[bytes, list[bytes]] | None",
            await client.blmpop(wait_s, 1, key, direction="LEFT", count=MAX_TAKEN),
        )
    replies = (_read(row) for row in taken[1]) if taken else ()
    return [reply for reply in replies if reply is not None]


def _read(row: bytes) -> Answer | Refused | Failed | Progress | None:
    try:
        return REPLIES.validate_python(foreign_json(row))
    except ValueError:  # pydantic's are some, too
        return None
