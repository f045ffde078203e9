"""The workers' side of the plans in Redis: adds them and moves them; the gateway only reads.

A move is compare-and-set on state, digest and version, in one script. Whatever changes about a plan
is said on the channel `wk:moved` in the same script, by the plan's id alone: nothing is stored
unheard, and nothing is believed for being heard. The logins that were spent lie beside the plans
(`wk:spent:<sha256>`).
"""

import hashlib
from collections.abc import Mapping
from typing import Final, cast

import redis

from shared.plans import KEEP_S, PLAN_LIFETIME_S, Plan, SealedPlan, State
from shared.stores.connection import redis_faults
from shared.stores.plan_records import INDEX, MOVED, PREFIX, StoredPlan, plan_key, read_stored

_SAY: Final = f"redis.call('PUBLISH', '{MOVED}', string.sub(KEYS[1], {len(PREFIX) + 1}))"
_MOVE: Final = f"""
local now = redis.call('HMGET', KEYS[1], 'state', 'digest', 'version')
if now[1] ~= ARGV[1] or now[2] ~= ARGV[2] or now[3] ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[4], 'version', ARGV[5])
for i = 6, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
{_SAY}
return 1
"""
_NOTE: Final = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
{_SAY}
return 1
"""


class PlanStore:
    """Plans by id."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._move = client.register_script(_MOVE)
        self._note = client.register_script(_NOTE)

    def add(self, plan: Plan, sealed: SealedPlan) -> None:
        """Stores a fresh plan as pending, and beside the one that it undoes that it does.

        Raises:
            RedisUnavailable: it was not stored.
        """
        fields: dict[str | bytes, bytes | str | int | float] = {
            "document": sealed.document,
            "digest": sealed.digest,
            "seal": sealed.seal,
            "state": State.PENDING.value,
            "version": 1,
        }
        with redis_faults(), self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(plan_key(plan.id), mapping=fields)  # type: ignore[arg-type]  # invariant mapping
            pipe.expire(plan_key(plan.id), PLAN_LIFETIME_S + KEEP_S)
            pipe.zadd(INDEX, {plan.id: plan.created_at})
            pipe.zremrangebyscore(INDEX, "-inf", plan.created_at - PLAN_LIFETIME_S - KEEP_S)
            pipe.publish(MOVED, plan.id)
            if plan.undoes:
                pipe.hset(plan_key(plan.undoes), "undone_by", plan.id)
                pipe.expire(plan_key(plan.undoes), PLAN_LIFETIME_S + KEEP_S, nx=True)
                pipe.publish(MOVED, plan.undoes)
            pipe.execute()

    def load(self, plan_id: str) -> StoredPlan | None:
        """Returns a plan, or None if there is none (or its fields make no sense).

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            raw = cast("dict[bytes, bytes]", self._redis.hgetall(plan_key(plan_id)))
        return read_stored(plan_id, raw)

    def move(
        self, stored: StoredPlan, target: State, fields: Mapping[str, str] | None = None
    ) -> bool:
        """Moves a plan if nobody moved it since it was loaded; says whether it did.

        Raises:
            RedisUnavailable: whether it moved is unknown; load it again.
        """
        flat = [item for pair in (fields or {}).items() for item in pair]
        arguments = [
            stored.state.value,
            stored.sealed.digest,
            str(stored.version),
            target.value,
            str(stored.version + 1),
            *flat,
        ]
        with redis_faults():
            return bool(self._move(keys=[plan_key(stored.id)], args=arguments))

    def note(self, plan_id: str, fields: Mapping[str, str]) -> None:
        """Sets fields that are no state (progress, outcome details) on a plan that is still there.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            self._note(
                keys=[plan_key(plan_id)], args=[item for pair in fields.items() for item in pair]
            )

    def spend(self, session: str, *, keep_s: int) -> bool:
        """Spends one login for one approval; says False if it was spent before.

        Raises:
            RedisUnavailable: treat the login as spent.
        """
        key = "wk:spent:" + hashlib.sha256(session.encode()).hexdigest()
        with redis_faults():
            return bool(self._redis.set(key, "1", nx=True, ex=keep_s))
