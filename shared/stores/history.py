"""What is remembered of decided plans: closings of an applier, and copies of audit records.

`wk:history` holds closings by plan, `wk:history:ends` their order, `wk:story:<plan>` the copies.
Nothing here is believed without its signature; what is missing here is in the audit log.
"""

from collections.abc import Sequence
from typing import Final, cast

import redis
import redis.asyncio

from shared.plans import KEEP_S, PLAN_LIFETIME_S
from shared.stores.connection import redis_faults

KEEP_HISTORY_S: Final = 30 * 24 * 60 * 60
KEEP_STORY_S: Final = PLAN_LIFETIME_S + KEEP_S
"""Copies about a plan that nobody decided are kept no longer than the plan."""
MAX_CLOSINGS: Final = 10_000
MAX_RECORDS: Final = 200
"""Copies of one plan; the first of more are dropped."""
_TRIMMED: Final = 100
"""Closings that one new closing pushes out at most: what stands over goes with the next ones."""

CLOSINGS: Final = "wk:history"
ENDS: Final = "wk:history:ends"


class HistoryStore:
    """The workers' side: writes."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def keep(self, plan_id: str, document: str, *, at: float) -> None:
        """Keeps the closing of one plan, in place of an earlier one. `at` is in epoch seconds.

        Raises:
            RedisUnavailable: it may not be kept.
        """
        with redis_faults():
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(CLOSINGS, plan_id, document)
                pipe.zadd(ENDS, {plan_id: at})
                pipe.expire(CLOSINGS, KEEP_HISTORY_S)
                pipe.expire(ENDS, KEEP_HISTORY_S)
                pipe.zrange(ENDS, 0, -MAX_CLOSINGS - 1)
                pipe.zrangebyscore(ENDS, "-inf", at - KEEP_HISTORY_S, 0, _TRIMMED)
                *_, many, old = pipe.execute()
            gone = [*many[:_TRIMMED], *old]
            if gone:
                with self._redis.pipeline(transaction=True) as pipe:
                    pipe.hdel(CLOSINGS, *gone)
                    pipe.zrem(ENDS, *gone)
                    pipe.execute()

    def tell(self, plan_id: str, document: str, *, keep_s: int) -> None:
        """Adds a copy of one record to a plan's story.

        Raises:
            RedisUnavailable: it may not be there.
        """
        key = _story(plan_id)
        with redis_faults(), self._redis.pipeline(transaction=True) as pipe:
            pipe.rpush(key, document)
            pipe.ltrim(key, -MAX_RECORDS, -1)
            pipe.expire(key, keep_s, nx=True)
            pipe.expire(key, keep_s, gt=True)  # a planner's word cuts no applier's short
            pipe.execute()


class HistoryView:
    """The pages' side: reads only."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def before(self, at: float | None, count: int) -> tuple[tuple[str, bytes, float], ...]:
        """Returns the newest closings that ended before `at` (None: of all): plan, record, when.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        top = "+inf" if at is None else f"({at!r}"
        with redis_faults():
            rows = cast(
                "list[tuple[bytes, float]]",
                await self._redis.zrevrangebyscore(
                    ENDS, top, "-inf", start=0, num=count, withscores=True
                ),
            )
        ids = [plan_id.decode() for plan_id, _ in rows]
        found = zip(ids, await self._closings(ids), rows, strict=True)
        return tuple(
            (plan_id, document, score)
            for plan_id, document, (_, score) in found
            if document is not None
        )

    async def closing(self, plan_id: str) -> bytes | None:
        """Returns the closing of one plan.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        [found] = await self._closings([plan_id])
        return found

    async def story(self, plan_id: str) -> tuple[bytes, ...]:
        """Returns the copies about one plan, oldest first.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            rows = cast("list[bytes]", await self._redis.lrange(_story(plan_id), 0, -1))
        return tuple(rows)

    async def _closings(self, plan_ids: Sequence[str]) -> list[bytes | None]:
        if not plan_ids:
            return []
        with redis_faults():
            return cast("list[bytes | None]", await self._redis.hmget(CLOSINGS, list(plan_ids)))


def _story(plan_id: str) -> str:
    return f"wk:story:{plan_id}"
