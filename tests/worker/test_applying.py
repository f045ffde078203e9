"""Applying an approved plan: what is written, recorded and said, and what is not applied."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.approvals import SignedReceipt, read_signed_receipt
from shared.approver_rules import Required
from shared.errors import Refusal
from shared.messages import ApplyCall, DenyCall
from shared.outcomes import Outcome
from shared.plans import DIGEST_ANNOTATION, Operation, State
from shared.seals import RECEIPT_DOMAIN, sign
from tests.worker.applying_stage import Stage, make_stage, results
from tests.worker.test_remembering import remembered
from tests.worker.worlds import ADA, RULE
from worker import applying, claims, settling, withdrawing


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = make_stage(redis_url, tmp_path)
    yield made
    made.world.redis.close()


def test_an_approved_plan_is_written_recorded_and_said(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one", "two"))
    digest = stage.world.load(plan.id).sealed.digest

    state, outcome = stage.apply(plan)

    assert state == "applied"
    assert results(outcome) == ["written", "written"]
    assert [(item.kind, item.name, item.action.value) for item in outcome.objects] == [
        ("ConfigMap", "one", "create"),
        ("ConfigMap", "two", "create"),
    ]
    assert (outcome.code, outcome.message) == ("", "2 of 2 objects written.")
    assert outcome.applied_at == outcome.finished_at == int(stage.world.clock())
    assert stage.written() == [("create", "one"), ("create", "two")]
    live = stage.cluster.objects["ConfigMap", "one"]
    assert live["metadata"]["annotations"] == {DIGEST_ANNOTATION: digest}
    assert stage.state(plan) is State.APPLIED
    assert stage.events()[-4:] == [
        "apply.started",
        "apply.object",
        "apply.object",
        "apply.succeeded",
    ]
    assert stage.reports == [
        (0, 3, "Checked: nothing has changed since the approval."),
        (1, 3, "ConfigMap/one: written"),
        (2, 3, "ConfigMap/two: written"),
    ]


def test_the_claim_names_the_applier_and_the_plan(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))

    stage.apply(plan)

    (lease,) = stage.cluster.plan_claims.values()
    assert lease["spec"]["holderIdentity"] == "local-applier"
    assert lease["metadata"]["annotations"] == {
        claims.PLAN_ANNOTATION: plan.id,
        claims.PURPOSE_ANNOTATION: "apply",
        claims.EXPIRES_ANNOTATION: str(plan.expires_at),
    }


def test_the_audit_log_says_who_approved_what_before_anything_is_claimed(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.seen["create Lease"] = lambda: stage.seen.update(before=stage.events())

    stage.apply(plan)

    assert stage.seen["before"][-1] == "apply.started"
    started, written = (
        next(event for event in stage.world.audit_events() if event["event"] == name)
        for name in ("apply.started", "apply.object")
    )
    digest = stage.world.load(plan.id).sealed.digest
    assert (started["plan"], started["digest"]) == (plan.id, digest)
    assert (started["iss"], started["sub"]) == (ADA.iss, ADA.sub)
    assert (written["plan"], written["object"], written["result"]) == (
        plan.id,
        "ConfigMap/one",
        "written",
    )


def test_the_evidence_file_tells_the_whole_change(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))

    stage.apply(plan)

    root = stage.world.context.settings.evidence_root
    evidence = json.loads((root / f"{plan.id}.json").read_text("utf-8"))
    assert evidence["state"] == "applied"
    assert evidence["receipt"]["receipt"]["approver"] == ADA.model_dump()


@pytest.mark.promise("one-write-per-plan")
def test_a_second_call_says_the_same_and_writes_nothing(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    first = stage.apply(plan)

    assert stage.apply(plan) == first
    assert stage.written() == [("create", "one")]


def test_an_update_and_a_delete_are_written_as_such(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    stage.cluster.put("ConfigMap", "two", apiVersion="v1", data={"key": "old"})

    updated, _ = stage.apply(stage.approve(stage.plan("one")))
    deleted, _ = stage.apply(stage.approve(stage.plan("two", operation=Operation.DELETE)))

    assert (updated, deleted) == ("applied", "applied")
    assert stage.written() == [("apply", "one"), ("delete", "two")]


def test_what_is_already_as_wanted_is_left_alone(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "new"})
    plan = stage.approve(stage.plan("one", "two"))

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("applied", ["unchanged", "written"])
    assert outcome.message == "1 of 1 objects written."
    assert stage.written() == [("create", "two")]


def test_a_plan_that_is_not_there_is_refused(stage: Stage) -> None:
    answer = applying.apply(ApplyCall(plan_id="none"), stage.world.context, lambda *_: None)

    assert isinstance(answer, Refusal)
    assert answer.code == "no_such_plan"


@pytest.mark.promise("seal-checked")
def test_a_sealed_plan_under_another_ones_name_is_none(stage: Stage) -> None:
    first, second = stage.approve(stage.plan("one")), stage.plan("two")
    key = f"wk:plan:{first.id}"
    dump = stage.world.redis.dump(key)
    assert isinstance(dump, bytes)
    stage.world.redis.restore(f"wk:plan:{second.id}", 0, dump, replace=True)

    assert stage.code(second) == "plan_seal_broken"


@pytest.mark.parametrize(("after", "said"), [(0, "pending"), (3599, "pending"), (3600, "expired")])
def test_a_plan_nobody_approved_is_only_reported(stage: Stage, after: int, said: str) -> None:
    plan = stage.plan("one")
    stage.world.clock.now += after

    answer = stage.call(plan)

    assert answer == {"state": said, "outcome": None, "reason": None}
    assert stage.written() == []


def test_a_denied_plan_is_reported_with_the_reason(stage: Stage) -> None:
    plan = stage.plan("one")
    withdrawing.deny(DenyCall(plan_id=plan.id, approver=ADA, reason="no"), stage.world.context)

    assert stage.call(plan) == {"state": "denied", "outcome": None, "reason": "no"}


def test_redis_alone_approves_nothing(stage: Stage) -> None:
    plan = stage.plan("one")
    stage.forge(plan, state="approved")

    assert stage.code(plan) == "approval_required"
    assert stage.cluster.plan_claims == {}


def test_a_garbled_receipt_is_none(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.forge(plan, receipt="{")

    assert stage.code(plan) == "approval_required"


@pytest.mark.promise("receipt-signed")
def test_a_receipt_that_an_applier_did_not_sign_is_none(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    signed = read_signed_receipt(stage.world.load(plan.id).receipt or "")
    assert isinstance(signed, SignedReceipt)
    key = Ed25519PrivateKey.generate()
    forged = signed.model_copy(
        update={"signature": sign(key, RECEIPT_DOMAIN, signed.receipt.document())}
    )
    stage.forge(plan, receipt=forged.model_dump_json())

    assert stage.code(plan) == "receipt_forged"


def test_a_receipt_for_another_plan_is_none(stage: Stage) -> None:
    first, second = stage.approve(stage.plan("one")), stage.plan("two")
    stage.forge(second, state="approved", receipt=stage.world.load(first.id).receipt)

    assert stage.code(second) == "receipt_of_another_plan"


@pytest.mark.parametrize(("waited", "code"), [(15 * 60 - 1, None), (15 * 60, "approval_expired")])
def test_an_approval_lasts_fifteen_minutes(stage: Stage, waited: int, code: str | None) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.world.clock.now += waited

    answer = stage.call(plan)

    assert (answer.code if isinstance(answer, Refusal) else None) == code


def test_no_approval_outlives_its_plan(stage: Stage) -> None:
    plan = stage.plan("one")
    stage.world.clock.now += 3500
    stage.approve(plan)
    stage.world.clock.now = plan.expires_at

    assert stage.code(plan) == "plan_expired"


def test_a_policy_that_now_wants_somebody_else_is_obeyed(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.world.with_rules()

    assert stage.code(plan) == "not_an_approver"


def test_a_policy_that_now_wants_two_people_is_obeyed(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.world.with_rules(RULE.model_copy(update={"required": Required(low=2, medium=2, high=2)}))

    assert stage.code(plan) == "approvals_missing"
    assert stage.cluster.plan_claims == {}


@pytest.mark.parametrize("garbled", ["{", "[1]", ""])
def test_earlier_receipts_that_nobody_can_read_are_none(stage: Stage, garbled: str) -> None:
    plan = stage.plan("one")
    stage.forge(plan, co_receipts=garbled)
    stage.approve(plan)

    assert stage.apply(plan)[0] == "applied"


def test_a_namespace_that_is_no_longer_served_is_refused(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.world.context = replace(stage.world.context, namespaces=("other",))

    assert stage.code(plan) == "namespace_not_allowed"
    assert stage.cluster.plan_claims == {}


def deployment(stage: Stage, *, replicas: int = 2) -> None:
    stage.cluster.put(
        "Deployment",
        "web",
        apiVersion="apps/v1",
        spec={"replicas": replicas, "template": {"spec": {"containers": []}}},
        status={"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3},
    )


def test_a_scaled_deployment_is_patched_and_followed(stage: Stage) -> None:
    deployment(stage)
    plan = stage.approve(stage.scale(3))

    state, outcome = stage.apply(plan)

    assert state == "applied"
    assert stage.written() == [("patch", "web")]
    assert stage.cluster.objects["Deployment", "web"]["spec"]["replicas"] == 3
    assert [(item.deployment, item.verdict.value) for item in outcome.rollouts] == [
        ("web", "complete")
    ]
    stored = Outcome.model_validate_json(stage.world.load(plan.id).outcome or "")
    assert stored == outcome


def test_how_the_rollout_went_is_remembered_with_the_apply(stage: Stage) -> None:
    deployment(stage)
    plan = stage.approve(stage.scale(3))

    stage.apply(plan)
    closing = remembered(stage.world, plan.id)

    assert closing is not None
    assert (closing.state, closing.rollout) == (State.APPLIED, "complete")


def test_a_status_that_moves_does_not_make_a_scale_stale(stage: Stage) -> None:
    deployment(stage)
    plan = stage.approve(stage.scale(3))
    stage.cluster.objects["Deployment", "web"]["status"]["collisionCount"] = 1
    stage.cluster.touch("Deployment", "web")

    assert stage.apply(plan)[0] == "applied"


def test_the_window_of_a_write_and_the_patience_of_the_next_fit_together(stage: Stage) -> None:
    plan = stage.plan("one", "two")

    assert settling.write_window(plan, stage.world.context) == 60.0
