"""Pages that say why something was not done: with what became of it, who is there, what to do."""

from collections.abc import Iterator

import pytest

from shared.errors import NoWorker, RedisUnavailable
from shared.plans import Plan, State
from tests.api.stage import ADA, ISSUER, NOW, Stage, make_plan, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        stage.sign_in()
        yield stage


@pytest.fixture
def plan(stage: Stage) -> Plan:
    return stage.workers.add(make_plan())


def denied(stage: Stage, plan: Plan) -> None:
    stage.workers.record(
        plan.id,
        State.DENIED,
        decided_by=f'{{"iss": "{ISSUER}", "sub": "boss"}}',
        decided_reason="not before the freeze ends",
        decided_at=str(NOW - 5),
    )


def test_who_comes_too_late_is_told_who_decided_what_when_and_why(stage: Stage, plan: Plan) -> None:
    page = stage.browser.form(f"/approvals/{plan.id}", "/approve")
    denied(stage, plan)

    answer = stage.browser.post(page.action, page.fields)

    assert answer.status_code == 409
    for shown in ("Denied", "boss", "5 seconds ago", "UTC", "not before the freeze ends"):
        assert shown in answer.text, shown


def test_who_decided_while_no_worker_ran_is_led_back_to_the_plan(stage: Stage, plan: Plan) -> None:
    for action in ("approve", "deny"):
        page = stage.browser.form(f"/approvals/{plan.id}", f"/{action}")
        stage.workers.fault = NoWorker("No applier is running.")

        answer = stage.browser.post(page.action, page.fields)

        assert answer.status_code == 503
        assert "No worker is running" in answer.text
        assert f'href="/approvals/{plan.id}">Back to the plan' in answer.text
        stage.workers.fault = None


def test_who_may_no_longer_look_is_told_nothing_of_it(stage: Stage, plan: Plan) -> None:
    page = stage.browser.form(f"/approvals/{plan.id}", "/deny")
    denied(stage, plan)
    stage.workers.approvers = set()

    answer = stage.browser.post(page.action, page.fields)

    assert answer.status_code == 403
    assert "boss" not in answer.text


def test_who_may_not_look_is_told_as_whom_they_are_signed_in(stage: Stage, plan: Plan) -> None:
    stage.sign_in("dev-outsider")

    answer = stage.browser.get(f"/approvals/{plan.id}")

    assert answer.status_code == 403
    assert "You are signed in as <strong>dev-outsider</strong>" in answer.text
    assert ADA not in answer.text


def test_an_old_page_says_so_and_leads_back_to_its_plan(stage: Stage, plan: Plan) -> None:
    answer = stage.browser.post(f"/approvals/{plan.id}/deny", {"form_token": "of yesterday"})

    assert answer.status_code == 403
    assert "The page was too old" in answer.text
    assert f'href="/approvals/{plan.id}"' in answer.text


def test_a_fault_offers_to_try_the_same_page_again(
    stage: Stage, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise RedisUnavailable("Redis does not answer.")

    monkeypatch.setattr("shared.stores.plan_view.PlanView.load", away)

    answer = stage.browser.get(f"/approvals/{plan.id}")

    assert answer.status_code == 503
    assert f'href="/approvals/{plan.id}">Try again' in answer.text
