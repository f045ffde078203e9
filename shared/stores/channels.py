"""Listening to one channel of Redis: what is said while nobody listens is lost."""

from collections.abc import AsyncGenerator
from typing import Final

import redis.asyncio

from shared.stores.connection import redis_faults

WAIT_S: Final = 5.0


async def said_on(client: redis.asyncio.Redis, channel: str) -> AsyncGenerator[bytes | None]:
    """Yields None as soon as it listens, then every message.

    A further None says that the connection broke and redis-py has made another without a word:
    what was said meanwhile was not heard.

    Raises:
        RedisUnavailable: the connection was lost.
    """
    with redis_faults():
        async with client.pubsub() as subscribed:
            await subscribed.subscribe(channel)
            while True:
                message = await subscribed.get_message(timeout=WAIT_S)
                if message is not None:
                    yield message["data"] if message["type"] == "message" else None
