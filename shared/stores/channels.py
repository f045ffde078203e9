"""Listening to one channel of Redis: what is said while nobody listens is lost."""

from collections.abc import AsyncGenerator
from typing import Final

import redis.asyncio

from shared.errors import RedisUnavailable
from shared.stores.connection import redis_faults

WAIT_S: Final = 5.0


async def said_on(client: redis.asyncio.Redis, channel: str) -> AsyncGenerator[bytes | None]:
    """Yields None as soon as it listens, then every message.

    A further None says that the connection broke and redis-py has made another without a word:
    what was said meanwhile was not heard. redis-py (8.1) does not notice that a connection is
    half-open, so a silent one is asked whether it is there.

    Raises:
        RedisUnavailable: the connection was lost, or is silent for twice `WAIT_S`.
    """
    with redis_faults():
        async with client.pubsub() as subscribed:
            await subscribed.subscribe(channel)
            asked = False
            while True:
                message = await subscribed.get_message(timeout=WAIT_S)
                if message is None and asked:
                    raise RedisUnavailable("Redis does not answer (a subscription is silent).")
                if message is None:
                    await subscribed.ping()
                asked = message is None
                if message is not None and message["type"] != "pong":
                    yield message["data"] if message["type"] == "message" else None
