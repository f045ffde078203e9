"""Which plans an MCP session follows, and what it was last told of each; written by api only."""

from collections.abc import Mapping
from typing import Final, cast

import redis.asyncio

from shared.stores.connection import redis_faults
from shared.stores.mcp_sessions import IDLE_S, follows_key, session_key
from shared.stores.mcp_wire import CHANNEL, Told

MAX_FOLLOWED: Final = 50


class McpFollowStore:
    """Plans by session, with the state that the client knows."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def follow(self, session_id: str, plan_id: str, state: str) -> bool:
        """Follows a plan from this state on; says False when the session follows too many.

        Raises:
            RedisUnavailable: nobody follows it.
        """
        key = follows_key(session_key(session_id))
        news = Told(session=session_key(session_id), kind="news").model_dump_json()
        with redis_faults():
            if await self._redis.hlen(key) >= MAX_FOLLOWED:
                return False
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, plan_id, state)
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

    async def followed(self, session_id: str) -> dict[str, str]:
        """Returns the states that the client knows, by plan.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            raw = await self._redis.hgetall(follows_key(session_key(session_id)))
        rows = cast("dict[bytes, bytes]", raw)
        return {plan.decode(): state.decode() for plan, state in rows.items()}

    async def told(self, session_id: str, states: Mapping[str, str]) -> None:
        """Notes that the client knows these states now.

        Raises:
            RedisUnavailable: it may be told once more.
        """
        key = follows_key(session_key(session_id))
        with redis_faults():
            async with self._redis.pipeline(transaction=True) as pipe:
                for plan_id, state in states.items():
                    pipe.hset(key, plan_id, state)
                pipe.expire(key, IDLE_S)
                await pipe.execute()
