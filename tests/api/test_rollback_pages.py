"""Undoing an applied plan: who is offered it, what is asked of whom, and what the pages say."""

from collections.abc import Iterator

import pytest

from api.cookies import Cookies
from api.forms import TOKEN_FIELD, form_token
from shared.errors import QueueFull, Refusal
from shared.messages import ApplyCall, RollbackCall
from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import Action, Identity, Operation, Plan, State
from tests.api.stage import ADA, BASE, ISSUER, Stage, make_plan, staged

BUTTON = "Request rollback"
MADE = "/approvals/R0llback"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        stage.sign_in()
        yield stage


def outcome(written: Written = Written.WRITTEN, verdict: Verdict = Verdict.COMPLETE) -> str:
    one = ObjectOutcome(kind="Deployment", name="nginx", action=Action.UPDATE, result=written)
    rollout = Rollout(deployment="nginx", verdict=verdict)
    return Outcome(objects=(one,), rollouts=(rollout,)).model_dump_json()


def applied(stage: Stage, state: State = State.APPLIED, **facts: str) -> Plan:
    plan = stage.workers.add(make_plan())
    stage.workers.record(plan.id, state, **({"outcome": outcome()} | facts))
    return plan


def page(stage: Stage, plan_id: str) -> str:
    answer = stage.browser.get(f"/approvals/{plan_id}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_pressing_the_button_asks_a_planner_and_leads_to_the_new_plan(stage: Stage) -> None:
    plan = applied(stage)

    answer = stage.browser.press(f"/approvals/{plan.id}", "/rollback")

    assert stage.workers.calls[-1] == RollbackCall(
        plan_id=plan.id, approver=Identity(iss=ISSUER, sub=ADA)
    )
    assert stage.browser.location(answer).endswith(MADE)
    assert stage.workers.sent == []


def test_both_plans_link_to_each_other_and_the_new_one_names_no_agent(stage: Stage) -> None:
    plan = applied(stage)
    stage.browser.press(f"/approvals/{plan.id}", "/rollback")

    old, new = page(stage, plan.id), page(stage, "R0llback")

    assert f'A rollback was requested: <a href="{MADE}">' in old
    assert f'Somebody asked for its <a href="{MADE}">rollback</a>.' in old
    assert f'This plan undoes <a href="/approvals/{plan.id}">' in new
    assert "approval pages" in new
    assert "No agent asked." in new
    assert "Your agent must name" not in new


def test_a_link_that_only_redis_claims_is_not_shown(stage: Stage) -> None:
    plan = applied(stage, undone_by="elsewhere")
    other = stage.workers.add(make_plan(id="0ther"))
    stage.workers.record(plan.id, State.APPLIED, undone_by=other.id)

    old = page(stage, plan.id)
    assert "A rollback was requested" not in old
    assert "Somebody asked for its" not in old


def test_after_a_rollout_that_failed_the_button_stands_out(stage: Stage) -> None:
    plan = applied(stage, outcome=outcome(verdict=Verdict.FAILED))

    shown = page(stage, plan.id)

    assert "This did not go well." in shown
    assert f'<button class="primary">{BUTTON}' in shown


@pytest.mark.parametrize(
    ("state", "written", "offered"),
    [
        (State.APPLIED, Written.WRITTEN, True),
        (State.FAILED, Written.WRITTEN, True),
        (State.FAILED, Written.REFUSED, False),
        (State.OUTCOME_UNKNOWN, Written.UNKNOWN, True),
        (State.STALE, Written.NOT_TRIED, False),
        (State.PENDING, Written.NOT_TRIED, False),
        (State.DENIED, Written.NOT_TRIED, False),
    ],
)
def test_a_rollback_is_offered_where_something_was_written(
    stage: Stage, state: State, written: Written, offered: bool
) -> None:
    plan = applied(stage, state, outcome=outcome(written))

    assert (BUTTON in page(stage, plan.id)) == offered


def test_who_may_not_decide_the_plan_is_not_offered_its_rollback(stage: Stage) -> None:
    plan = applied(stage)
    stage.sign_in("dev-requester")

    assert BUTTON not in page(stage, plan.id)


def test_a_restart_is_said_to_leave_nothing_to_undo(stage: Stage) -> None:
    plan = stage.workers.add(make_plan(operation=Operation.RESTART))
    stage.workers.record(plan.id, State.APPLIED, outcome=outcome())

    shown = page(stage, plan.id)

    assert "No rollback can be planned: a restart leaves nothing to undo." in shown
    assert BUTTON not in shown


def test_why_no_rollback_can_be_planned_is_a_page_that_says_so(stage: Stage) -> None:
    plan = applied(stage)
    stage.workers.no_rollback = Refusal(
        code="rollback_overtaken", message="Deployment/nginx: spec.replicas changed since."
    )

    answer = stage.browser.press(f"/approvals/{plan.id}", "/rollback")

    assert answer.status_code == 409
    assert "No rollback can be planned" in answer.text
    assert "Deployment/nginx: spec.replicas changed since." in answer.text


@pytest.mark.parametrize("ending", ["rollback", "apply"])
def test_a_form_from_elsewhere_asks_for_nothing(stage: Stage, ending: str) -> None:
    plan = stage.workers.add(make_plan(undoes="before"))
    state = State.APPLIED if ending == "rollback" else State.APPROVED
    stage.workers.record(plan.id, state, outcome=outcome())
    path = f"/approvals/{plan.id}/{ending}"

    foreign = stage.browser.post(path, {}, {"origin": "https://evil.example"})
    forged = stage.browser.post(path, {"form_token": "guessed"})

    assert (foreign.status_code, forged.status_code) == (403, 403)
    assert stage.workers.calls == stage.workers.sent == []


@pytest.mark.promise("pages-apply-what-is-approved")
def test_a_rollback_is_applied_as_soon_as_it_is_approved_and_never_before(stage: Stage) -> None:
    rollback = stage.workers.add(make_plan(undoes="before"))
    page(stage, rollback.id)
    assert stage.workers.sent == []

    answer = stage.approve(rollback)

    assert stage.browser.location(answer).endswith(f"/approvals/{rollback.id}")
    assert stage.workers.sent == [ApplyCall(plan_id=rollback.id)]


def test_a_plan_of_an_agent_is_left_to_its_agent(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())

    stage.approve(plan)

    assert stage.workers.sent == []
    assert "Apply it" not in page(stage, plan.id)


def approved_rollback(stage: Stage) -> Plan:
    rollback = stage.workers.add(make_plan(undoes="before"))
    stage.approve(rollback)
    stage.workers.sent.clear()
    return rollback


def test_an_approved_rollback_can_be_asked_for_again(stage: Stage) -> None:
    rollback = approved_rollback(stage)

    answer = stage.browser.press(f"/approvals/{rollback.id}", "/apply")

    assert answer.status_code == 303
    assert stage.workers.sent == [ApplyCall(plan_id=rollback.id)]


def test_that_nobody_could_be_asked_takes_no_approval_back(stage: Stage) -> None:
    rollback = stage.workers.add(make_plan(undoes="before"))
    departure = stage.browser.press(f"/approvals/{rollback.id}", "/approve")
    back = stage.provider.sign_in(stage.browser.location(departure))
    stage.workers.unsent = QueueFull("Too many calls.")

    answer = stage.browser.get(back)

    assert answer.status_code == 303
    assert stage.workers.state(rollback) is State.APPROVED
    assert "<button>Apply</button>" in page(stage, rollback.id)


@pytest.mark.promise("pages-apply-what-is-approved")
@pytest.mark.parametrize("undoes", [None, "before"])
def test_nothing_else_is_asked_of_the_applier(stage: Stage, undoes: str | None) -> None:
    """Neither a plan that an agent asked for, nor a rollback that nobody approved."""
    plan = stage.workers.add(make_plan(undoes=undoes))
    if undoes is None:
        stage.approve(plan)
    path = f"/approvals/{plan.id}/apply"
    cookie = stage.browser.http.cookies[Cookies(BASE).session("").name]

    answer = stage.browser.post(path, {TOKEN_FIELD: form_token(cookie, path)})

    assert answer.status_code == 409
    assert stage.workers.sent == []


def test_an_approved_rollback_says_that_no_agent_is_needed(stage: Stage) -> None:
    shown = page(stage, approved_rollback(stage).id)

    assert "The worker applies exactly this plan, once, when it is asked to." in shown
    assert "The agent may apply" not in shown
