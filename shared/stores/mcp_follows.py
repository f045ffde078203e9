"""Which plans an MCP session follows, and what it was last told of each; written by api only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, cast

import redis.asyncio

from shared.stores.connection import redis_faults
from shared.stores.mcp_sessions import IDLE_S, follows_key, session_key
from shared.stores.mcp_wire import CHANNEL, Told

MAX_FOLLOWED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What somebody knows of a plan: its state, and when it expires (epoch seconds)."""

    state: str
    expires_at: int

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Returns what `written` made; of anything else only that it is not known yet."""
        state, _, expires_at = raw.decode(errors="replace").partition(" ")
        return cls(state=state, expires_at=int(expires_at) if expires_at.isdecimal() else 0)

    def written(self) -> str:
        """Returns one line, for Redis."""
        return f"{self.state} {self.expires_at}"


class McpFollowStore:
    """Plans by session, with what the client knows of them."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def follow(self, session_id: str, plan_id: str, known: Followed) -> bool:
        """Follows a plan from here on; says False when the session follows too many.

        Raises:
            RedisUnavailable: nobody follows it.
        """
        key = follows_key(session_key(session_id))
        news = Told(session=session_key(session_id), kind="news").model_dump_json()
        with redis_faults():
            if await self._redis.hlen(key) >= MAX_FOLLOWED:
                return False
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, plan_id, known.written())
                pipe.expire(key, IDLE_S)
                pipe.publish(CHANNEL, news)  # so that whoever feeds its stream begins to look
                await pipe.execute()
        return True

    async def unfollow(self, session_id: str, plan_id: str) -> None:
        """Follows a plan no longer.

        Raises:
            RedisUnavailable: it may still be followed.
        """
        with redis_faults():
            await self._redis.hdel(follows_key(session_key(session_id)), plan_id)

    async def followed(self, session_id: str) -> dict[str, Followed]:
        """Returns what the client knows, by plan.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            raw = await self._redis.hgetall(follows_key(session_key(session_id)))
        rows = cast("dict[bytes, bytes]", raw)
        return {plan.decode(): Followed.read(known) for plan, known in rows.items()}

    async def told(self, session_id: str, known: Mapping[str, Followed]) -> None:
        """Notes that the client knows this now.

        Raises:
            RedisUnavailable: it may be told once more.
        """
        key = follows_key(session_key(session_id))
        with redis_faults():
            async with self._redis.pipeline(transaction=True) as pipe:
                for plan_id, one in known.items():
                    pipe.hset(key, plan_id, one.written())
                pipe.expire(key, IDLE_S)
                await pipe.execute()
