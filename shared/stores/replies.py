"""Replies of workers to the replica that asked: one list for each replica, one reader for it."""

import json
from typing import Final, cast

import redis
import redis.asyncio
from pydantic import ValidationError

from shared.messages import REPLIES, Answer, Failed, Progress, Refused, reply_json
from shared.stores.connection import redis_faults

KEEP_S: Final = 120
"""A reply that nobody fetched for two minutes belongs to a replica that is gone."""

MAX_REPLY_BYTES: Final = 4 * 1024 * 1024


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


async def next_reply(
    client: redis.asyncio.Redis, key: str, *, wait_s: float
) -> Answer | Refused | Failed | Progress | None:
    """Returns the next reply, or None when none came within `wait_s` or it was unreadable.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults():
        popped = cast("list[bytes] | None", await client.blpop([key], timeout=wait_s))
    if popped is None:
        return None
    try:
        return REPLIES.validate_python(json.loads(popped[1]))
    except (ValidationError, ValueError):
        return None
