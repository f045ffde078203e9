"""apply_approved_plan through the real SDK: whose plan, which state, waiting, progress."""

import json
from dataclasses import replace
from typing import Any

import pytest

from api.plan_results import _NEXT
from shared.errors import Refusal, WorkerTimeout
from shared.messages import ApplyCall
from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import Action, Note, State
from tests.api.contract import declared
from tests.api.desk_stage import Office, Shelf, Workers, text_of
from tests.api.test_tools import EACH_ERA, assert_refused, call, run
from tests.worker.worlds import NOW, a_plan

DONE = Outcome(
    objects=(
        ObjectOutcome(kind="Deployment", name="web", action=Action.UPDATE, result=Written.WRITTEN),
    ),
    rollouts=(
        Rollout(deployment="web", verdict=Verdict.COMPLETE, desired=4, updated=4, available=4),
    ),
    applied_at=NOW,
    finished_at=NOW + 2,
)


def _said(state: State, outcome: Outcome | None = None, reason: str | None = None) -> Any:
    body = {
        "state": state.value,
        "outcome": outcome.model_dump(mode="json") if outcome is not None else None,
        "reason": reason,
    }
    return lambda _call: body


@EACH_ERA
def test_a_pending_plan_says_where_a_person_decides_and_asks_no_worker(era: str) -> None:
    office = Office()
    plan = office.planned()

    result = call(office, "apply_approved_plan", era, planId=plan.id)

    told = declared("apply_approved_plan", result)
    assert told["status"] == "approval_required"
    assert told["approvalUrl"] == "http://127.0.0.1:3001/approvals/plan-1"
    assert told["expiresAt"] == "2027-01-15T09:00:00Z"
    assert told["approvalUrl"] in text_of(result)
    assert office.workers.calls == []


@EACH_ERA
def test_an_approved_plan_is_applied_by_its_id_alone(era: str) -> None:
    office = Office(workers=Workers(does=_said(State.APPLIED, DONE)))
    plan = office.planned(State.APPROVED)

    result = call(office, "apply_approved_plan", era, planId=plan.id)

    told = declared("apply_approved_plan", result)
    assert told["status"] == "applied"
    assert told["objects"][0]["result"] == "written"
    assert told["rollouts"][0]["verdict"] == "complete"
    assert "rollout web: complete" in text_of(result)
    assert office.workers.calls == [ApplyCall(plan_id=plan.id)]


@pytest.mark.parametrize("state", sorted(set(State) - {State.PENDING}), ids=str)
def test_every_other_state_is_the_workers_to_tell(state: State) -> None:
    reason = "because of the weather"
    office = Office(workers=Workers(does=_said(state, reason=reason)))
    plan = office.planned(state)

    result = call(office, "apply_approved_plan", planId=plan.id)

    told = declared("apply_approved_plan", result)
    assert told["status"] == state.value
    assert told["message"] == reason
    assert told["next"] == _NEXT[state]
    assert "approvalUrl" not in told
    assert reason in text_of(result)


def test_a_pending_plan_whose_time_is_up_is_not_pending() -> None:
    office = Office(workers=Workers(does=_said(State.EXPIRED)), now=NOW + 3600)
    plan = office.planned()

    result = call(office, "apply_approved_plan", planId=plan.id)

    assert declared("apply_approved_plan", result)["status"] == "expired"


@pytest.mark.promise("plans-are-private")
@pytest.mark.parametrize("wait", [0, 1])
def test_another_users_plan_and_an_unknown_one_are_answered_identically(wait: int) -> None:
    office = Office()
    theirs = office.planned(requester=a_plan().requester.model_copy(update={"sub": "eve"}))
    unreadable = office.planned(id="plan-2")
    stored = office.shelf.plans["plan-2"]
    bent = stored.sealed.document.replace(b"rob", b"bob")
    sealed = replace(stored.sealed, document=bent + b" ", seal="seal")
    office.shelf.plans["plan-2"] = replace(stored, sealed=sealed)

    answers = [
        call(office, "apply_approved_plan", planId=plan_id, waitSeconds=wait)
        for plan_id in (theirs.id, "unknown", unreadable.id, "", "x" * 65, "../plan-1", "\0")
    ]

    assert len({json.dumps(answer.model_dump(mode="json")) for answer in answers}) == 1
    assert_refused(answers[0], "There is no such plan of yours.", "no_such_plan")
    assert office.workers.calls == []


def test_the_same_subject_of_another_issuer_is_another_user() -> None:
    office = Office()
    plan = office.planned(
        requester=a_plan().requester.model_copy(update={"iss": "http://127.0.0.1:3011/"})
    )

    result = call(office, "apply_approved_plan", planId=plan.id)

    assert_refused(result, "There is no such plan of yours.", "no_such_plan")


@EACH_ERA
def test_waiting_reports_and_goes_on_when_a_person_decides(era: str) -> None:
    def on_look(shelf: Shelf) -> None:
        shelf.stir()
        if shelf.looks == 3:
            shelf.put(a_plan(), State.APPROVED)

    workers = Workers(
        does=_said(State.APPLIED, DONE), reports=((0, 2, "checked"), (1, 2, "written"))
    )
    office = Office(workers=workers, shelf=Shelf(on_look=on_look))
    plan = office.planned()
    seen: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async def main() -> None:
        async with office.client(era) as client:
            result = await client.call_tool(
                "apply_approved_plan",
                {"planId": plan.id, "waitSeconds": 10},
                progress_callback=note,
            )
            assert declared("apply_approved_plan", result)["status"] == "applied"

    run(main)
    assert [message for _, _, message in seen][-2:] == ["checked", "written"]
    assert seen[0][2] == ("Waiting for a person to decide: http://127.0.0.1:3001/approvals/plan-1")
    numbers = [done for done, _, _ in seen]
    assert numbers == sorted(set(numbers)), "progress must rise with each notification"
    assert all(total is not None and done <= total for done, total, _ in seen)


def test_waiting_ends_when_its_time_is_up() -> None:
    office = Office()
    plan = office.planned()

    result = call(office, "apply_approved_plan", planId=plan.id, waitSeconds=1)

    assert declared("apply_approved_plan", result)["status"] == "approval_required"
    assert 2 <= office.shelf.looks <= 4


def test_waiting_ends_when_a_person_says_no() -> None:
    def on_look(shelf: Shelf) -> None:
        shelf.stir()
        if shelf.looks == 2:
            shelf.put(a_plan(), State.DENIED)

    office = Office(
        workers=Workers(does=_said(State.DENIED, reason="not on a Friday")),
        shelf=Shelf(on_look=on_look),
    )
    plan = office.planned()

    result = call(office, "apply_approved_plan", planId=plan.id, waitSeconds=60)

    told = declared("apply_approved_plan", result)
    assert (told["status"], told["message"]) == ("denied", "not on a Friday")


def test_waiting_ends_when_the_plan_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.desk.LOOK_S", 3600)
    office = Office(workers=Workers(does=_said(State.EXPIRED)))

    def on_look(shelf: Shelf) -> None:
        if shelf.looks == 2:
            office.now += 1

    office.shelf.on_look = on_look
    plan = office.planned(expires_at=NOW + 1)

    result = call(office, "apply_approved_plan", planId=plan.id, waitSeconds=300)

    assert declared("apply_approved_plan", result)["status"] == "expired"


def test_a_failed_rollout_says_what_is_wrong_and_what_to_do() -> None:
    failed = DONE.model_copy(
        update={
            "rollouts": (Rollout(deployment="web", verdict=Verdict.FAILED, message="stuck"),),
            "findings": (Note(code="image_pull", message="no such image", severity="critical"),),
        }
    )
    office = Office(workers=Workers(does=_said(State.APPLIED, failed)))
    plan = office.planned(State.APPROVED)

    result = call(office, "apply_approved_plan", planId=plan.id)

    told = declared("apply_approved_plan", result)
    assert told["findings"] == [
        {"code": "image_pull", "severity": "critical", "message": "no such image"}
    ]
    assert told["next"].startswith("The rollout failed;")
    assert "finding: no such image" in text_of(result)


def test_a_stale_plan_says_what_changed() -> None:
    stale = Outcome(objects=(), changed_since=("Deployment/web: spec.replicas",), code="drift")
    office = Office(workers=Workers(does=_said(State.STALE, stale)))
    plan = office.planned(State.APPROVED)

    result = call(office, "apply_approved_plan", planId=plan.id)

    assert declared("apply_approved_plan", result)["changedSince"] == [
        "Deployment/web: spec.replicas"
    ]
    assert "changed: Deployment/web: spec.replicas" in text_of(result)


def test_a_workers_refusal_reaches_the_agent() -> None:
    refusal = Refusal(code="receipt_of_another_plan", message="The approval is for another plan.")
    office = Office(workers=Workers(does=lambda _call: refusal))
    plan = office.planned(State.APPROVED)

    result = call(office, "apply_approved_plan", planId=plan.id)

    assert_refused(result, "The approval is for another plan.", "receipt_of_another_plan")


def test_a_late_worker_is_a_fault_that_says_to_call_again() -> None:
    def does(_call: object) -> Any:
        raise WorkerTimeout("The worker did not answer within 55 seconds.")

    office = Office(workers=Workers(does=does))
    plan = office.planned(State.APPROVED)

    result = call(office, "apply_approved_plan", planId=plan.id)

    first_line = "The worker did not answer within 55 seconds. Try again in 5 s."
    assert_refused(result, first_line, "worker_timeout")
