"""Plans in Redis: workers write and move them, the gateway only reads.

One hash for each plan (`wk:plan:<id>`), an index by age (`wk:plans`), and the logins that were
spent (`wk:spent:<sha256>`). A move is compare-and-set on state, digest and version, in one script.
Whatever changes about a plan is said on the channel `wk:moved` in the same script, by the plan's id
alone: nothing is stored unheard, and nothing is believed for being heard.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis
import redis.asyncio

from shared.approvals import SignedReceipt, read_signed_receipt
from shared.errors import Refusal
from shared.plans import (
    KEEP_S,
    PLAN_LIFETIME_S,
    Plan,
    SealedPlan,
    State,
    read_head,
    read_plan,
    state_at,
)
from shared.stores.connection import redis_faults

INDEX: Final = "wk:plans"
MAX_LISTED: Final = 500
MAX_ID_LENGTH: Final = 64
"""Twice the length of our ids."""
MOVED: Final = "wk:moved"
"""The channel on which workers say which plan changed."""

_PREFIX: Final = "wk:plan:"
_TEXTS: Final = (
    "receipt",
    "co_receipts",
    "outcome",
    "check",
    "decided_by",
    "decided_reason",
    "undone_by",
)
_LISTED: Final = ("digest", "seal", "state", "version", "decided_at", *_TEXTS)
_SAY: Final = f"redis.call('PUBLISH', '{MOVED}', string.sub(KEYS[1], {len(_PREFIX) + 1}))"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """What Redis claims about a plan, beside the sealed document."""

    id: str
    state: State
    version: int
    receipt: str | None = None
    """A signed receipt, JSON; believed only after its signature was checked."""
    co_receipts: str | None = None
    """The earlier receipts of a plan that needs several approvals, JSON list."""
    outcome: str | None = None
    """What applying did, JSON of `shared.outcomes.Outcome`."""
    check: str | None = None
    """Whether the cluster still is as planned on, JSON of `shared.outcomes.Check`."""
    decided_by: str | None = None
    """JSON of an `Identity`: who denied, cancelled or revoked."""
    decided_reason: str | None = None
    decided_at: int | None = None
    undone_by: str | None = None
    """Id of the plan that was last asked for to undo this one; that plan itself says whether."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPlan(PlanRecord):
    """A plan in a list, without its document: good for recognising one that was checked before."""

    digest: str
    seal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan(PlanRecord):
    """A plan as it lies in Redis. Only `sealed` can be checked; the rest is what Redis claims."""

    sealed: SealedPlan

    def plan(self) -> Plan | Refusal:
        """Returns the plan in the sealed bytes; the seal is the caller's to check."""
        return read_plan(self.sealed.document)

    def head(self) -> Plan | Refusal:
        """Returns as much of the plan as lists show, as `plan` does."""
        return read_head(self.sealed.document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a plan stands, as Redis claims; times are epoch seconds."""

    id: str
    state: State
    created_at: int
    apply_before: int | None = None
    """Of an approved plan: until when its approval is good."""

    @property
    def ends_at(self) -> int:
        """Until when it can go on, if it waits for somebody."""
        expires_at = self.created_at + PLAN_LIFETIME_S
        return expires_at if self.apply_before is None else min(expires_at, self.apply_before)

    def at(self, now: float) -> State:
        """Returns the state as it is at `now`."""
        return state_at(
            self.state,
            now=int(now),
            expires_at=self.created_at + PLAN_LIFETIME_S,
            apply_before=self.apply_before,
        )


def standings(client: redis.Redis, count: int = MAX_LISTED) -> tuple[Standing, ...]:
    """Returns where the newest plans stand, newest first, at most `count`.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults(), client.pipeline(transaction=False) as pipe:
        newest = cast(
            "list[tuple[bytes, float]]", client.zrevrange(INDEX, 0, count - 1, withscores=True)
        )
        created = {plan_id.decode(): int(at) for plan_id, at in newest}
        states = _field(pipe, created, "state")
        approved = [plan_id for plan_id in created if states[plan_id] == State.APPROVED]
        receipts = _field(pipe, approved, "receipt")
    return tuple(
        Standing(
            id=plan_id,
            state=State(state),
            created_at=created[plan_id],
            apply_before=_apply_before(receipts.get(plan_id)),
        )
        for plan_id, state in states.items()
        if state in _STATES
    )


_STATES: Final = frozenset(state.value for state in State)


def _field(
    pipe: "redis.client.Pipeline", plan_ids: Iterable[str], name: str
) -> dict[str, str | None]:
    ids = list(plan_ids)
    for plan_id in ids:
        pipe.hget(_key(plan_id), name)
    found = cast("list[bytes | None]", pipe.execute())
    return {
        plan_id: None if raw is None else raw.decode()
        for plan_id, raw in zip(ids, found, strict=True)
    }


def _apply_before(receipt: str | None) -> int | None:
    signed = read_signed_receipt(receipt) if receipt is not None else None
    return signed.receipt.apply_before if isinstance(signed, SignedReceipt) else None


class PlanStore:
    """The workers' side: adds plans and moves them."""

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
            pipe.hset(_key(plan.id), mapping=fields)  # type: ignore[arg-type]  # invariant mapping
            pipe.expire(_key(plan.id), PLAN_LIFETIME_S + KEEP_S)
            pipe.zadd(INDEX, {plan.id: plan.created_at})
            pipe.zremrangebyscore(INDEX, "-inf", plan.created_at - PLAN_LIFETIME_S - KEEP_S)
            pipe.publish(MOVED, plan.id)
            if plan.undoes:
                pipe.hset(_key(plan.undoes), "undone_by", plan.id)
                pipe.expire(_key(plan.undoes), PLAN_LIFETIME_S + KEEP_S, nx=True)
                pipe.publish(MOVED, plan.undoes)
            pipe.execute()

    def load(self, plan_id: str) -> StoredPlan | None:
        """Returns a plan, or None if there is none (or its fields make no sense).

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            raw = cast("dict[bytes, bytes]", self._redis.hgetall(_key(plan_id)))
        return _stored(plan_id, raw)

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
            return bool(self._move(keys=[_key(stored.id)], args=arguments))

    def note(self, plan_id: str, fields: Mapping[str, str]) -> None:
        """Sets fields that are no state (progress, outcome details) on a plan that is still there.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            self._note(
                keys=[_key(plan_id)], args=[item for pair in fields.items() for item in pair]
            )

    def spend(self, session: str, *, keep_s: int) -> bool:
        """Spends one login for one approval; says False if it was spent before.

        Raises:
            RedisUnavailable: treat the login as spent.
        """
        key = "wk:spent:" + hashlib.sha256(session.encode()).hexdigest()
        with redis_faults():
            return bool(self._redis.set(key, "1", nx=True, ex=keep_s))


class PlanView:
    """The gateway's side: reads only."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def load(self, plan_id: str) -> StoredPlan | None:
        """Returns a plan, or None if there is none.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            raw = cast("dict[bytes, bytes]", await self._redis.hgetall(_key(plan_id)))
        return _stored(plan_id, raw)

    async def states(self, plan_ids: Sequence[str]) -> dict[str, str]:
        """Returns the states of those plans that are there, by id; as Redis says.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            async with self._redis.pipeline(transaction=False) as pipe:
                for plan_id in plan_ids:
                    pipe.hget(_key(plan_id), "state")
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
                    pipe.hmget(_key(plan_id.decode()), _LISTED)
                rows = cast("list[list[bytes | None]]", await pipe.execute())
        plans = (_listed(plan_id.decode(), row) for plan_id, row in zip(ids, rows, strict=True))
        return tuple(plan for plan in plans if plan is not None)

    async def listed(self, plan_id: str) -> ListedPlan | None:
        """Returns a plan without its document, or None if there is none.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            row = cast("list[bytes | None]", await self._redis.hmget(_key(plan_id), _LISTED))
        return _listed(plan_id, row)


def _key(plan_id: str) -> str:
    return _PREFIX + plan_id


def _stored(plan_id: str, raw: Mapping[bytes, bytes]) -> StoredPlan | None:
    try:
        sealed = SealedPlan(document=raw[b"document"], seal=raw[b"seal"].decode("ascii"))
        return StoredPlan(sealed=sealed, **_record(plan_id, raw))
    except (KeyError, ValueError):
        return None


def _listed(plan_id: str, row: Sequence[bytes | None]) -> ListedPlan | None:
    fields = zip(_LISTED, row, strict=True)
    raw = {name.encode(): value for name, value in fields if value is not None}
    try:
        digest, seal = raw[b"digest"].decode("ascii"), raw[b"seal"].decode("ascii")
        return ListedPlan(digest=digest, seal=seal, **_record(plan_id, raw))
    except (KeyError, ValueError):
        return None


def _record(plan_id: str, raw: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The fields of a `PlanRecord`."""
    decided_at = raw.get(b"decided_at")
    return {
        "id": plan_id,
        "state": State(raw[b"state"].decode()),
        "version": int(raw[b"version"]),
        "decided_at": int(decided_at) if decided_at else None,
        **{name: _text(raw, name.encode()) for name in _TEXTS},
    }


def _text(raw: Mapping[bytes, bytes], field: bytes) -> str | None:
    value = raw.get(field)
    return None if value is None else value.decode()
