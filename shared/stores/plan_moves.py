"""Hearing which plans moved. Workers say so in the script that moves; nobody else may.

A message is a plan's id and no more than a hint: whoever hears it reads the plan.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import redis.asyncio

from shared.stores.channels import said_on
from shared.stores.plan_records import MAX_ID_LENGTH, MOVED


async def moved(client: redis.asyncio.Redis) -> AsyncGenerator[str | None]:
    """Yields None as soon as it listens, then ids of plans; what can be no id is left out.

    Raises:
        RedisUnavailable: the connection was lost; what moves meanwhile is not heard.
    """
    async with aclosing(said_on(client, MOVED)) as messages:
        async for said in messages:
            if said is None:
                yield None
            elif len(said) <= MAX_ID_LENGTH and said.isascii():
                yield said.decode("ascii")
