"""Calls for which nobody waits any more: a note of the gateway, which workers look for."""

from typing import Final

import redis
import redis.asyncio

from shared.stores.connection import redis_faults

KEEP_S: Final = 60
"""Longer than a read or a plan takes."""


async def give_up(client: redis.asyncio.Redis, call_id: str) -> None:
    """Leaves the note.

    Raises:
        RedisUnavailable: it is not there, or nobody knows.
    """
    with redis_faults():
        await client.set(_key(call_id), b"", ex=KEEP_S)


def is_given_up(client: redis.Redis, call_id: str) -> bool:
    """Says whether there is a note about this call.

    Raises:
        RedisUnavailable: nobody knows.
    """
    with redis_faults():
        return bool(client.exists(_key(call_id)))


def _key(call_id: str) -> str:
    return f"gw:left:{call_id}"
