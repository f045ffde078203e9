"""Applying when the cluster changed since the approval, or others are at the same plan."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ClusterTimeout
from shared.messages import DenyCall
from shared.plans import Operation, Plan, State
from tests.worker.applying_stage import Stage, make_stage, results
from tests.worker.worlds import ADA
from worker import withdrawing
from worker.cluster import ApplyConflict, FieldConflict


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = make_stage(redis_url, tmp_path)
    yield made
    made.world.redis.close()


def drifted(stage: Stage, plan: Plan) -> tuple[str, ...]:
    state, outcome = stage.apply(plan)
    assert (state, outcome.code) == ("stale", "stale")
    assert set(results(outcome)) == {"not_tried"}
    assert outcome.finished_at == int(stage.world.clock())
    assert stage.state(plan) is State.STALE
    assert stage.written() == []
    assert stage.cluster.plan_claims == {}
    assert stage.events()[-1] == "apply.stale"
    return outcome.changed_since


def test_an_object_that_appeared_makes_a_create_stale(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={})

    assert drifted(stage, plan) == ("ConfigMap/one: appeared",)


def test_an_object_that_appears_between_reading_and_preview_makes_it_stale_too(
    stage: Stage,
) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.seen["preview create ConfigMap/one"] = lambda: stage.cluster.put("ConfigMap", "one")

    assert drifted(stage, plan) == ("ConfigMap/one: appeared",)


def test_an_object_that_is_deleted_between_reading_and_preview_makes_it_stale_too(
    stage: Stage,
) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one", operation=Operation.DELETE))
    stage.seen["preview delete ConfigMap/one"] = lambda: stage.cluster.remove("ConfigMap", "one")

    assert drifted(stage, plan) == ("ConfigMap/one: was deleted",)


def test_an_object_that_was_deleted_makes_an_update_stale(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))
    stage.cluster.remove("ConfigMap", "one")

    assert drifted(stage, plan) == ("ConfigMap/one: was deleted",)


def test_an_object_of_the_same_name_is_not_the_same_object(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))
    stage.cluster.remove("ConfigMap", "one")
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})

    assert drifted(stage, plan) == ("ConfigMap/one: was deleted and created anew",)


def test_an_object_that_somebody_changed_makes_it_stale(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "theirs"})

    assert drifted(stage, plan) == ("ConfigMap/one: changed since the plan was made",)


def test_a_version_that_moved_without_a_change_is_no_drift(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))
    stage.cluster.touch("ConfigMap", "one")

    assert stage.apply(plan)[0] == "applied"


def test_a_server_that_would_now_make_something_else_of_it_makes_it_stale(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))
    original = stage.cluster.apply

    def mutating(kind: str, namespace: str, name: str, body: Any, **how: Any) -> Any:
        changed = {**body, "data": {**body["data"], "injected": "x"}}
        return original(kind, namespace, name, changed, **how)

    stage.cluster.apply = mutating  # type: ignore[method-assign]  # a webhook that came later

    assert drifted(stage, plan) == ("ConfigMap/one: data.injected, data.key",)


def test_fields_that_somebody_else_owns_by_now_make_it_stale(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))
    cause = FieldConflict(manager="helm", field=".data.key")
    stage.cluster.conflicts.append(ApplyConflict("helm owns .data.key", causes=(cause,)))

    assert drifted(stage, plan) == ("ConfigMap/one: helm owns .data.key",)


def test_what_was_no_change_is_not_previewed_again(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "new"})
    plan = stage.approve(stage.plan("one", "two"))
    stage.seen["preview apply ConfigMap/one"] = ClusterTimeout("slow")

    assert stage.apply(plan)[0] == "applied"


def test_a_delete_is_previewed_and_then_carried_out(stage: Stage) -> None:
    for name in ("one", "two"):
        stage.cluster.put("ConfigMap", name, apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one", "two", operation=Operation.DELETE))
    stage.cluster.put("ConfigMap", "two", apiVersion="v1", data={"key": "theirs"})

    assert drifted(stage, plan) == ("ConfigMap/two: changed since the plan was made",)


@pytest.mark.promise("one-write-per-plan")
def test_who_finds_the_claim_taken_writes_nothing(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.claim(plan)

    answer = stage.call(plan)

    assert answer == {"state": "applying", "outcome": None, "reason": None}
    assert stage.written() == []
    assert stage.state(plan) is State.APPROVED


@pytest.mark.promise("revoked-stays-revoked")
def test_who_finds_the_claim_taken_by_a_revocation_says_revoked(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.claim(plan, "revoke")

    assert stage.call(plan)["state"] == "revoked"
    assert stage.state(plan) is State.REVOKED
    assert stage.written() == []


@pytest.mark.promise("revoked-stays-revoked")
@pytest.mark.parametrize("withdrawn", ["pending", "approved"])
def test_a_plan_that_was_withdrawn_is_never_written_whatever_redis_is_made_to_say(
    stage: Stage, withdrawn: str
) -> None:
    plan = stage.approve(stage.plan("one"))
    key = f"wk:plan:{plan.id}"
    backup = stage.world.redis.dump(key)
    assert isinstance(backup, bytes)
    stage.forge(plan, state=withdrawn)
    withdrawing.deny(DenyCall(plan_id=plan.id, approver=ADA), stage.world.context)
    stage.world.redis.restore(key, 0, backup, replace=True)

    assert stage.call(plan)["state"] == "revoked"
    assert stage.written() == []


@pytest.mark.promise("revoked-stays-revoked")
def test_a_proof_that_was_kept_back_does_not_revive_a_denied_plan(stage: Stage) -> None:
    plan = stage.plan("one")
    signed = stage.world.challenge(plan_id=plan.id)
    token = stage.world.provider.id_token(**stage.world.claims(signed))
    withdrawing.deny(DenyCall(plan_id=plan.id, approver=ADA), stage.world.context)
    stage.forge(plan, state="pending")
    stage.world.prove(signed, token, plan_id=plan.id)

    assert stage.call(plan)["state"] == "revoked"
    assert stage.written() == []


def test_a_withdrawal_that_was_interrupted_can_be_repeated(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.claim(plan, "revoke")

    answer = withdrawing.deny(DenyCall(plan_id=plan.id, approver=ADA), stage.world.context)

    assert answer == {"state": "revoked"}


def test_who_meets_the_write_of_another_applier_does_not_say_stale(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))

    def another() -> None:
        assert stage.apply(plan)[0] == "applied"

    stage.seen["preview create ConfigMap/one"] = another

    answer = stage.call(plan)

    assert answer["state"] == "applying"
    assert stage.state(plan) is State.APPLIED
    assert stage.written() == [("create", "one")]


def test_a_plan_that_moved_while_it_was_claimed_is_not_written(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.seen["create Lease"] = lambda: stage.forge(plan, version=7)

    assert stage.code(plan) == "already_decided"
    assert stage.written() == []
    last = stage.world.audit_events()[-1]
    assert (last["event"], last["code"], last["plan"]) == ("apply.failed", "plan_moved", plan.id)
