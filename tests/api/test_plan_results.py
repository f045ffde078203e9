"""What an agent reads of a plan: both faces redacted alike, compact, with what to do next."""

import json
from typing import Any

import pytest

from api import plan_results
from api.plan_results import APPLY_SCHEMA, PLAN_SCHEMA, applied_text
from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import (
    Action,
    Note,
    Plan,
    PlannedChange,
    PlannedObject,
    RiskNote,
    SealedPlan,
    State,
)
from tests.api.contract import validate
from tests.worker.worlds import NOW, a_plan

CANARY = "kTq8xWv3Zr5Yb1Nc7Md2"
URL = "http://127.0.0.1:3001/approvals/plan-1"
RLO = "\N{RIGHT-TO-LEFT OVERRIDE}"


def _object(kind: str, *changes: PlannedChange) -> PlannedObject:
    base = a_plan().objects[0]
    return base.model_copy(update={"kind": kind, "name": "web", "changes": changes})


def _faces(plan: Plan) -> tuple[dict[str, Any], str]:
    digest = SealedPlan(document=plan.document(), seal="s").digest
    told = plan_results.planned(plan, digest=digest, state=State.PENDING, url=URL)
    validate(PLAN_SCHEMA, told)
    return told, plan_results.planned_text(plan, digest=digest, url=URL)


def test_a_plan_is_told_whole() -> None:
    plan = a_plan(
        findings=(Note(code="probe", message="no readiness probe", severity="warning"),),
        warnings=("v1 Endpoints is deprecated",),
        risk=RiskNote(level="high", reasons=(Note(code="r", message="all replicas restart"),)),
    )

    told, text = _faces(plan)

    assert {name: told[name] for name in ("planId", "status", "operation", "namespace")} == {
        "planId": "plan-1",
        "status": "pending",
        "operation": "scale",
        "namespace": "demo",
    }
    assert told["objects"] == [{"kind": "Deployment", "name": "web", "action": "update"}]
    assert told["findings"][0]["message"] == "no readiness probe"
    assert told["warnings"] == ["v1 Endpoints is deprecated"]
    assert told["risk"] == {"level": "high", "reasons": ["all replicas restart"]}
    assert told["digest"].startswith("sha256:")
    assert len(told["words"].split()) == 6
    assert told["expiresAt"] == "2027-01-15T09:00:00Z"
    assert told["approvalUrl"] == URL
    for said in ("risk high", "no readiness probe", "deprecated", told["words"], URL, "2 → 4"):
        assert said in text


@pytest.mark.promise("configmap-values-hidden")
@pytest.mark.parametrize(
    "change",
    [
        PlannedChange(path="data.greeting", op="change", old=CANARY, new=CANARY + "2"),
        PlannedChange(path="data.greeting", op="add", new=CANARY),
        PlannedChange(path="data.greeting", op="remove", old=CANARY),
        PlannedChange(path="binaryData.blob", op="add", new=CANARY),
    ],
    ids=lambda change: f"{change.op} {change.path}",
)
def test_values_of_a_config_map_are_told_as_changed_keys_only(change: PlannedChange) -> None:
    told, text = _faces(a_plan(objects=(_object("ConfigMap", change),)))

    key = change.path.partition(".")[2]
    assert CANARY not in json.dumps(told) + text
    assert key in json.dumps(told["diff"])
    assert key in text


@pytest.mark.promise("env-values-hidden")
@pytest.mark.parametrize("op", ["add", "change", "remove"])
def test_values_of_environment_variables_are_not_told(op: Any) -> None:
    path = "spec.template.spec.containers[name=app].env[name=TOKEN].value"
    change = PlannedChange(path=path, op=op, old=CANARY, new=CANARY + "2")

    told, text = _faces(a_plan(objects=(_object("Deployment", change),)))

    assert CANARY not in json.dumps(told) + text


@pytest.mark.promise("env-values-hidden")
def test_a_whole_container_that_is_added_shows_no_values() -> None:
    container = {"name": "app", "image": "a:1", "env": [{"name": "TOKEN", "value": CANARY}]}
    change = PlannedChange(path="spec.template.spec.containers[name=app]", op="add", new=container)

    told, text = _faces(a_plan(objects=(_object("Deployment", change),)))

    assert CANARY not in json.dumps(told) + text


@pytest.mark.parametrize(
    "plan",
    [
        a_plan(summary=f"web: password={CANARY}"),
        a_plan(warnings=(f"password={CANARY}",)),
        a_plan(findings=(Note(code="c", message=f"password={CANARY}"),)),
        a_plan(risk=RiskNote(level="low", reasons=(Note(code="c", message=f"password={CANARY}"),))),
    ],
    ids=["summary", "warning", "finding", "risk"],
)
def test_secrets_in_what_the_cluster_said_are_cut_from_both_faces(plan: Plan) -> None:
    told, text = _faces(plan)

    assert CANARY not in json.dumps(told) + text


def test_characters_that_deceive_the_eye_are_cut_from_both_faces() -> None:
    told, text = _faces(a_plan(warnings=(f"a{RLO}b\x1b[31mred",)))

    for bad in (RLO, "\x1b"):
        assert bad not in json.dumps(told, ensure_ascii=False) + text


def test_the_agents_own_reason_is_not_repeated_to_it() -> None:
    told, text = _faces(a_plan(reason="because I say so"))

    assert "because I say so" not in json.dumps(told) + text


def test_no_change_is_told_with_what_was_looked_at() -> None:
    told = plan_results.unchanged(["Deployment/web"])

    validate(PLAN_SCHEMA, told)
    assert told["objects"] == [{"kind": "Deployment", "name": "web", "action": "no-op"}]
    assert "No plan was made" in told["next"]


@pytest.mark.parametrize("state", State)
def test_every_state_says_what_to_do_next(state: State) -> None:
    told = plan_results.applied(a_plan(), state=state, outcome=None, reason=None, url=URL)

    validate(APPLY_SCHEMA, told)
    assert told["next"]
    assert told["next"] in applied_text(told)
    assert ("approvalUrl" in told) is (state is State.PENDING)
    assert (f"expires {told.get('expiresAt')}" in applied_text(told)) is (state is State.PENDING)


@pytest.mark.parametrize("where", ["message", "finding", "object", "rollout", "changed", "reason"])
def test_an_outcome_is_redacted_in_both_faces(where: str) -> None:
    leak = f"password={CANARY}"
    outcome = Outcome(
        objects=(
            ObjectOutcome(
                kind="Deployment",
                name="web",
                action=Action.UPDATE,
                result=Written.REFUSED,
                message=leak if where == "object" else "",
            ),
        ),
        rollouts=(
            Rollout(
                deployment="web",
                verdict=Verdict.FAILED,
                message=leak if where == "rollout" else "",
            ),
        ),
        findings=(Note(code="c", message=leak if where == "finding" else "m"),),
        changed_since=(leak if where == "changed" else "spec.replicas",),
        message=leak if where == "message" else "",
        applied_at=NOW,
    )
    reason = leak if where == "reason" else None

    told = plan_results.applied(
        a_plan(), state=State.FAILED, outcome=outcome, reason=reason, url=URL
    )

    validate(APPLY_SCHEMA, told)
    assert CANARY not in json.dumps(told) + applied_text(told)


def test_an_outcome_is_told_object_by_object() -> None:
    outcome = Outcome(
        objects=(
            ObjectOutcome(kind="Service", name="a", action=Action.CREATE, result=Written.WRITTEN),
            ObjectOutcome(
                kind="Service",
                name="b",
                action=Action.CREATE,
                result=Written.REFUSED,
                message="forbidden",
            ),
            ObjectOutcome(kind="Service", name="c", action=Action.CREATE, result=Written.NOT_TRIED),
        )
    )

    told = plan_results.applied(a_plan(), state=State.FAILED, outcome=outcome, reason=None, url=URL)

    lines = applied_text(told).splitlines()
    assert lines[1:4] == [
        "  Service/a: create written",
        "  Service/b: create refused forbidden",
        "  Service/c: create not_tried",
    ]


def test_a_rollout_that_goes_on_says_to_ask_again() -> None:
    outcome = Outcome(
        objects=(), rollouts=(Rollout(deployment="web", verdict=Verdict.PROGRESSING),)
    )

    told = plan_results.applied(
        a_plan(), state=State.APPLIED, outcome=outcome, reason=None, url=URL
    )

    assert told["next"] == "The rollout goes on; call apply_approved_plan again to follow it."


@pytest.mark.parametrize(
    ("epoch", "text"), [(0, "1970-01-01T00:00:00Z"), (NOW, "2027-01-15T08:00:00Z")]
)
def test_times_are_rfc_3339_in_utc(epoch: int, text: str) -> None:
    assert plan_results.timestamp(epoch) == text
