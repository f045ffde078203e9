"""The gateway's side of the plans in Redis: reads only."""

from collections.abc import Sequence
from typing import cast

import redis.asyncio

from shared.stores.connection import redis_faults
from shared.stores.plan_records import (
    INDEX,
    LISTED,
    MAX_LISTED,
    ListedPlan,
    StoredPlan,
    plan_key,
    read_listed,
    read_stored,
)


class PlanView:
    """Plans as Redis says they are; whoever reads one checks its seal."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def load(self, plan_id: str) -> StoredPlan | None:
        """Returns a plan, or None if there is none.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            raw = cast("dict[bytes, bytes]", await self._redis.hgetall(plan_key(plan_id)))
        return read_stored(plan_id, raw)

    async def states(self, plan_ids: Sequence[str]) -> dict[str, str]:
        """Returns the states of those plans that are there, by id; as Redis says.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            async with self._redis.pipeline(transaction=False) as pipe:
                for plan_id in plan_ids:
                    pipe.hget(plan_key(plan_id), "state")
                rows = cast("list[bytes | None]", await pipe.execute())
        found = zip(plan_ids, rows, strict=True)
        return {plan_id: raw.decode() for plan_id, raw in found if raw is not None}

    async def newest(self, count: int = MAX_LISTED) -> tuple[ListedPlan, ...]:
        """Returns the newest plans first, at most `count`, without their documents.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            ids = cast("list[bytes]", await self._redis.zrevrange(INDEX, 0, count - 1))
            async with self._redis.pipeline(transaction=False) as pipe:
                for plan_id in ids:
                    pipe.hmget(plan_key(plan_id.decode()), LISTED)
                rows = cast("list[list[bytes | None]]", await pipe.execute())
        plans = (read_listed(plan_id.decode(), row) for plan_id, row in zip(ids, rows, strict=True))
        return tuple(plan for plan in plans if plan is not None)

    async def listed(self, plan_id: str) -> ListedPlan | None:
        """Returns a plan without its document, or None if there is none.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            row = cast("list[bytes | None]", await self._redis.hmget(plan_key(plan_id), LISTED))
        return read_listed(plan_id, row)
