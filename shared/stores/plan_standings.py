"""Where plans stand, for those who watch over all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

import redis

from shared.approvals import SignedReceipt, read_signed_receipt
from shared.plans import PLAN_LIFETIME_S, State, state_at
from shared.stores.connection import redis_faults
from shared.stores.plan_records import INDEX, MAX_LISTED, plan_key


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
        pipe.hget(plan_key(plan_id), name)
    found = cast("list[bytes | None]", pipe.execute())
    return {
        plan_id: None if raw is None else raw.decode()
        for plan_id, raw in zip(ids, found, strict=True)
    }


def _apply_before(receipt: str | None) -> int | None:
    signed = read_signed_receipt(receipt) if receipt is not None else None
    return signed.receipt.apply_before if isinstance(signed, SignedReceipt) else None
