"""What is remembered of decided plans: what an applier did itself, under its signature."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.closings import Closing, SignedClosing, read_signed_closing
from shared.errors import RedisUnavailable
from shared.messages import CancelCall, DenyCall
from shared.outcomes import Outcome, Rollout, Verdict
from shared.plans import Identity, State
from shared.stores.history import CLOSINGS, ENDS, HistoryStore
from tests.worker.worlds import ADA, NOW, ROB, World, a_plan, make_world
from worker import remembering, settling, withdrawing


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(redis_url, tmp_path)
    yield made
    made.redis.close()


def remembered(world: World, plan_id: str = "plan-1") -> Closing | None:
    """The closing in Redis, which an applier must have signed."""
    document: Any = world.redis.hget(CLOSINGS, plan_id)
    if document is None:
        return None
    signed = read_signed_closing(document)
    assert isinstance(signed, SignedClosing)
    assert signed.holds(world.context.keys.receipt_public)
    return signed.closing


def approve(world: World) -> None:
    answer = world.prove(world.challenge())
    assert isinstance(answer, dict)


def test_an_approval_is_remembered_with_who_gave_it(world: World) -> None:
    world.store()
    world.clock.now = NOW + 90
    approve(world)

    closing = remembered(world)

    assert closing is not None
    assert (closing.state, closing.approvers) == (State.APPROVED, (ADA,))
    assert (closing.requester, closing.decided_at) == (ROB, NOW + 90)
    assert closing.summary == a_plan().summary


def test_a_denial_is_remembered_with_who_and_why(world: World) -> None:
    world.store()
    withdrawing.deny(DenyCall(plan_id="plan-1", approver=ADA, reason="not now"), world.context)

    closing = remembered(world)

    assert closing is not None
    assert (closing.state, closing.decided_by, closing.reason) == (State.DENIED, ADA, "not now")


def test_how_it_ended_takes_the_place_of_how_it_was_decided(world: World) -> None:
    world.store()
    approve(world)
    world.clock.now = NOW + 30

    ended = Outcome(objects=(), message="1 of 1 objects written.")
    settling.end(world.load(), a_plan(), State.APPLIED, ended, world.context)
    closing = remembered(world)

    assert closing is not None
    assert (closing.state, closing.approvers) == (State.APPLIED, (ADA,))
    assert (closing.decided_at, closing.ended_at) == (NOW, NOW + 30)
    assert world.redis.zcard(ENDS) == 1


def test_the_worst_rollout_is_remembered(world: World) -> None:
    world.store()
    approve(world)
    stored = replace(world.load(), state=State.APPLIED)
    rollouts = tuple(
        Rollout(deployment=name, verdict=verdict)
        for name, verdict in (("a", Verdict.COMPLETE), ("b", Verdict.FAILED))
    )
    outcome = Outcome(objects=(), rollouts=rollouts)
    result: Any = {"state": "applied", "outcome": outcome.model_dump(mode="json")}

    remembering.rolled_out(stored, a_plan(), result, world.context)
    closing = remembered(world)

    assert closing is not None
    assert closing.rollout == "failed"


@pytest.mark.promise("history-is-an-appliers-word")
def test_a_receipt_that_no_applier_signed_makes_nobody_an_approver(world: World) -> None:
    """Whoever owns Redis puts somebody's name beside a plan that is denied then."""
    world.store()
    approve(world)
    receipt: Any = world.redis.hget("wk:plan:plan-1", "receipt")
    forged = receipt.decode().replace('"sub":"ada"', '"sub":"eve"', 1)
    world.redis.hset("wk:plan:plan-1", "receipt", forged)

    withdrawing.deny(DenyCall(plan_id="plan-1", approver=ADA, reason=""), world.context)
    closing = remembered(world)

    assert closing is not None
    assert (closing.state, closing.approvers) == (State.REVOKED, ())


def test_a_request_that_nobody_decided_leaves_nothing(world: World) -> None:
    """Who asks and cancels all day must not push out what people decided."""
    world.store()
    requester = Identity(iss=ROB.iss, sub=ROB.sub)
    withdrawing.cancel(CancelCall(plan_id="plan-1", requester=requester), world.context)

    assert remembered(world) is None


def test_no_values_of_objects_are_remembered(world: World) -> None:
    world.store()
    approve(world)

    text: Any = world.redis.hget(CLOSINGS, "plan-1")
    body = a_plan().objects[0].intent.body

    assert str(body) not in text.decode()
    assert "intent" not in text.decode()


def test_redis_that_takes_nothing_holds_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store()

    def away(*_: object, **__: object) -> None:
        raise RedisUnavailable("gone")

    monkeypatch.setattr(HistoryStore, "keep", away)
    answer = withdrawing.deny(DenyCall(plan_id="plan-1", approver=ADA, reason=""), world.context)

    assert answer == {"state": "denied"}
