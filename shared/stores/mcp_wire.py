"""What gateway replicas tell each other about MCP sessions, over one channel that all hear.

A message is for whoever it concerns: most replicas drop it. Nothing is repeated: who was away looks
into Redis afterwards.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

import redis.asyncio
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.stores.channels import said_on
from shared.stores.connection import redis_faults

CHANNEL: Final = "gw:mcp:wire"


class Told(BaseModel):
    """One message about a session, named by its `session_key`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session: str
    kind: Literal["said", "news", "ended"]
    """said: the client sent `body`, for the request that waits for it. news: there are new events
    to fetch. ended: the client has closed the session."""
    body: str = ""


async def tell(client: redis.asyncio.Redis, told: Told) -> None:
    """Tells all replicas, this one too.

    Raises:
        RedisUnavailable: nobody heard it, or nobody knows.
    """
    with redis_faults():
        await client.publish(CHANNEL, told.model_dump_json())


async def heard(client: redis.asyncio.Redis) -> AsyncGenerator[Told | None]:
    """Yields None as soon as it listens, then every message; what is unreadable is left out.

    Raises:
        RedisUnavailable: the connection was lost; what is said meanwhile is not heard.
    """
    async with aclosing(said_on(client, CHANNEL)) as messages:
        async for said in messages:
            told = None if said is None else _read(said)
            if said is None or told is not None:
                yield told


def _read(raw: bytes) -> Told | None:
    try:
        return Told.model_validate_json(raw)
    except ValidationError:
        return None
