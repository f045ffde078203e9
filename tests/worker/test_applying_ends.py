"""How an apply ends when writes go wrong, answers are lost or the applier dies."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.errors import ClusterFault, ClusterTimeout, Invalid
from shared.outcomes import Outcome
from shared.plans import Operation, Plan, State
from tests.worker.applying_stage import Stage, make_stage, mark, results
from tests.worker.worlds import Clock
from worker import settling
from worker.cluster import ApplyConflict, FieldConflict, NotSent
from worker.notices import Event, Notice


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = make_stage(redis_url, tmp_path)
    yield made
    made.world.redis.close()


def failing(stage: Stage, fault: Exception) -> tuple[Plan, str, Outcome]:
    """Applies a plan of two objects, of which the first one's write ends in a fault."""
    plan = stage.approve(stage.plan("one", "two"))
    original = stage.cluster.create

    def create(kind: str, namespace: str, body: Any, *, dry_run: bool) -> Any:
        if not dry_run and body["metadata"]["name"] == "one":
            raise fault
        return original(kind, namespace, body, dry_run=dry_run)

    stage.cluster.create = create  # type: ignore[method-assign]
    return plan, *stage.apply(plan)


@pytest.mark.parametrize("fault", [Invalid("too long", status=422), NotSent("no route")])
def test_the_first_refused_write_stops_the_rest(stage: Stage, fault: ClusterFault) -> None:
    plan, state, outcome = failing(stage, fault)

    assert (state, outcome.code) == ("failed", "write_refused")
    assert results(outcome) == ["refused", "not_tried"]
    assert [item.message for item in outcome.objects] == [fault.message, ""]
    assert outcome.message == (
        f"0 of 2 objects written, then the API server refused: {fault.message}"
    )
    assert stage.state(plan) is State.FAILED
    assert stage.events()[-1] == "apply.failed"
    assert stage.cluster.objects == {}


def test_a_second_write_that_is_refused_is_told_with_its_reason(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one", "two"))
    stage.seen["adopt ConfigMap/one"] = lambda: stage.cluster.put("ConfigMap", "two")

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("failed", ["written", "refused"])
    assert outcome.message == "1 of 2 objects written, then the API server refused: two exists"


@pytest.mark.promise("unknown-is-said")
def test_a_write_that_may_have_happened_stops_the_rest_and_is_said_to_be_unknown(
    stage: Stage,
) -> None:
    plan, state, outcome = failing(stage, ClusterTimeout("slow"))

    assert (state, outcome.code) == ("outcome_unknown", "outcome_unknown")
    assert results(outcome) == ["unknown", "not_tried"]
    assert outcome.objects[0].message == "slow"
    assert outcome.message == (
        "0 of 2 objects written; of one it is not known. A person must look."
    )
    assert stage.state(plan) is State.OUTCOME_UNKNOWN
    assert stage.events()[-1] == "apply.unknown"


def test_a_lost_answer_to_a_write_that_shows_is_no_failure(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.seen["create ConfigMap/one"] = ClusterTimeout("slow")

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("applied", ["written"])


def test_a_version_that_moves_right_before_the_write_does_not_fail_it(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))

    def twice() -> None:
        stage.cluster.touch("ConfigMap", "one")
        stage.seen["apply ConfigMap/one"] = lambda: stage.cluster.touch("ConfigMap", "one")

    stage.seen["apply ConfigMap/one"] = twice

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("applied", ["written"])
    assert stage.written() == [("apply", "one")]


def test_a_version_that_keeps_moving_is_a_refused_write(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))

    def always() -> None:
        stage.cluster.touch("ConfigMap", "one")
        stage.seen["apply ConfigMap/one"] = always

    stage.seen["apply ConfigMap/one"] = always

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("failed", ["refused"])
    assert stage.written() == []


@pytest.mark.parametrize("change", ["changed", "replaced", "unreadable"])
def test_an_object_that_changes_right_before_the_write_is_not_written(
    stage: Stage, change: str
) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))

    def changed() -> None:
        if change == "replaced":
            stage.cluster.remove("ConfigMap", "one")
        stage.cluster.put(
            "ConfigMap",
            "one",
            apiVersion="v1",
            data={"key": "theirs" if change == "changed" else "old"},
        )
        if change == "unreadable":
            stage.seen["get ConfigMap/one"] = ClusterTimeout("slow")

    stage.seen["apply ConfigMap/one"] = changed

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("failed", ["refused"])
    assert stage.written() == []


def test_fields_that_others_took_right_before_the_write_are_not_fought_for(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one"))
    cause = FieldConflict(manager="helm", field=".data.key")

    def taken() -> None:
        stage.cluster.conflicts.append(ApplyConflict("helm owns it", causes=(cause,)))

    stage.seen["apply ConfigMap/one"] = taken

    state, outcome = stage.apply(plan)

    assert (state, outcome.objects[0].message) == ("failed", "helm owns it")
    assert stage.written() == []


def test_a_change_right_after_the_write_is_told(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))

    def others() -> None:
        stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={})

    stage.seen["adopt ConfigMap/one"] = others

    state, outcome = stage.apply(plan)

    assert state == "applied"
    assert "somebody has changed it again" in outcome.objects[0].message


def test_an_applier_that_was_held_up_stops_writing(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))

    def held_up() -> None:
        stage.world.clock.now += 30

    stage.seen["create Lease"] = held_up

    state, outcome = stage.apply(plan)

    assert (state, outcome.code, results(outcome)) == ("failed", "held_up", ["not_tried"])
    assert outcome.message == "The worker was held up for too long and stopped writing."
    assert stage.written() == []


def test_the_time_to_write_grows_with_the_objects_and_stops_in_between(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one", "two"))

    def wait(seconds: int) -> None:
        stage.world.clock.now += seconds

    stage.seen["create Lease"] = lambda: wait(59)
    stage.seen["adopt ConfigMap/one"] = lambda: wait(1)

    state, outcome = stage.apply(plan)

    assert (state, outcome.code) == ("failed", "held_up")
    assert results(outcome) == ["written", "not_tried"]
    assert stage.written() == [("create", "one")]


def crashed(stage: Stage, *names: str, state: str = "applying") -> Plan:
    """A plan whose applier died after its claim and, where named so, its mark."""
    plan = stage.approve(stage.plan(*(names or ("one",))))
    stage.claim(plan)
    stage.forge(plan, state=state)
    return plan


PATIENCE = 60 + 3 * 10 + 4 * 10 + 3 * 2
"""One object: in flight, its write window, the retries of a write that met a newer version, and
three tries that the server has put off."""


@pytest.mark.parametrize("before", ["applying", "approved"])
@pytest.mark.parametrize(("waited", "said"), [(PATIENCE - 1, "applying"), (PATIENCE, "failed")])
def test_a_claim_without_a_trace_has_failed_once_no_write_can_land_any_more(
    stage: Stage, before: str, waited: int, said: str
) -> None:
    plan = crashed(stage, state=before)
    stage.world.clock.now += waited

    answer = stage.call(plan)

    assert answer["state"] == said
    if said == "failed":
        assert answer["outcome"]["code"] == "interrupted"
        assert answer["outcome"]["objects"][0]["result"] == "not_tried"
        assert answer["outcome"]["applied_at"] is None
        assert "interrupted" in answer["outcome"]["message"]
        assert stage.state(plan) is State.FAILED
        assert stage.events()[-1] == "apply.failed"
        root = stage.world.context.settings.evidence_root
        assert json.loads((root / f"{plan.id}.json").read_text("utf-8"))["state"] == "failed"
    assert stage.written() == []


@pytest.mark.parametrize("minutes", [5, -5])
def test_whether_an_apply_is_over_is_judged_by_the_clusters_clock_alone(
    stage: Stage, minutes: int
) -> None:
    cluster = Clock(stage.world.clock.now)
    stage.cluster.clock = cluster
    plan = crashed(stage)
    stage.world.clock.now += 60 * minutes

    cluster.now += PATIENCE - 1
    early = stage.call(plan)["state"]
    cluster.now += 1

    assert (early, stage.call(plan)["state"]) == ("applying", "failed")


def test_without_the_clusters_clock_nothing_is_concluded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = crashed(stage)
    stage.world.clock.now += PATIENCE
    monkeypatch.setattr(stage.cluster, "server_date", lambda: "")

    with pytest.raises(ClusterFault):
        stage.call(plan)

    assert stage.state(plan) is State.APPLYING


def test_a_claim_whose_objects_all_carry_the_mark_was_applied(stage: Stage) -> None:
    plan = crashed(stage, "one", "two")
    mark(stage, plan, "one")
    mark(stage, plan, "two")
    stage.world.clock.now += PATIENCE + 30

    state, outcome = stage.apply(plan)

    assert (state, outcome.code, results(outcome)) == ("applied", "", ["written", "written"])
    assert outcome.applied_at == int(stage.world.clock())
    assert stage.state(plan) is State.APPLIED


@pytest.mark.promise("unknown-is-said")
def test_a_claim_with_some_of_its_objects_written_is_unknown_until_all_are_seen(
    stage: Stage,
) -> None:
    plan = crashed(stage, "one", "two")
    mark(stage, plan, "one")
    stage.world.clock.now += PATIENCE + 30

    state, outcome = stage.apply(plan)
    again, same = stage.apply(plan)
    mark(stage, plan, "two")
    seen, _ = stage.apply(plan)

    assert (state, results(outcome)) == ("outcome_unknown", ["written", "unknown"])
    assert (again, same) == (state, outcome)
    assert seen == "applied"
    assert stage.written() == []


def test_what_was_no_change_does_not_count_as_a_trace(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "new"})
    plan = crashed(stage, "one", "two")
    stage.world.clock.now += PATIENCE + 30

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("failed", ["unchanged", "not_tried"])


def test_what_was_no_change_needs_no_trace(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "new"})
    plan = crashed(stage, "one", "two")
    mark(stage, plan, "two")
    stage.world.clock.now += PATIENCE + 30

    state, outcome = stage.apply(plan)

    assert (state, results(outcome)) == ("applied", ["unchanged", "written"])


@pytest.mark.promise("claim-before-history")
@pytest.mark.parametrize("operation", [Operation.APPLY, Operation.DELETE])
def test_a_mark_in_redis_without_a_claim_puts_nothing_on_record(
    stage: Stage, operation: Operation
) -> None:
    """Not even where the objects look as if the plan had been applied."""
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.plan("one", operation=operation)
    stage.cluster.remove("ConfigMap", "one")
    if operation is Operation.APPLY:
        mark(stage, plan, "one")
    before = stage.events()
    stage.forge(plan, state="applying")

    assert stage.code(plan) == "claim_missing"
    stage.forge(plan, state="outcome_unknown")
    assert stage.call(plan)["state"] == "outcome_unknown"

    assert stage.events() == before
    assert not (stage.world.context.settings.evidence_root / f"{plan.id}.json").exists()


def test_what_was_no_change_does_not_keep_an_outcome_unknown(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "new"})
    plan = crashed(stage, "one", "two", state="outcome_unknown")
    mark(stage, plan, "two")
    stage.world.clock.now += PATIENCE + 30

    state, outcome = stage.apply(plan)

    assert (state, outcome.code, results(outcome)) == ("applied", "", ["unchanged", "written"])


@pytest.mark.parametrize("overtaken", [False, True])
def test_an_end_is_told_and_returned_as_it_is_in_redis_then(stage: Stage, overtaken: bool) -> None:
    told: list[Notice] = []
    plan = crashed(stage)
    stored = stage.world.load(plan.id)
    if overtaken:
        stage.forge(plan, version=9)
    context = replace(stage.world.context, notices=cast("Any", SimpleNamespace(tell=told.append)))

    ended = settling.end(stored, plan, State.FAILED, Outcome(objects=(), code="x"), context)

    assert [(one.event, one.plan_id, one.digest) for one in told] == [
        (Event.FAILED, plan.id, stored.sealed.digest)
    ]
    assert (ended.state, ended.version) == (State.FAILED, stored.version + (not overtaken))
    assert (stage.world.load(plan.id) == ended) is not overtaken


def test_a_cluster_that_cannot_be_read_shows_nothing(stage: Stage) -> None:
    plan = crashed(stage)
    mark(stage, plan, "one")
    stage.world.clock.now += PATIENCE
    stage.seen["get ConfigMap/one"] = ClusterTimeout("slow")

    assert stage.apply(plan)[0] == "failed"


def test_a_plan_that_moves_while_it_is_settled_is_looked_at_again(stage: Stage) -> None:
    plan = crashed(stage, state="approved")
    stage.world.clock.now += PATIENCE
    stage.seen["get ConfigMap/one"] = lambda: None

    def moved() -> None:
        stage.seen["get ConfigMap/one"] = lambda: stage.forge(plan, version=9)

    stage.seen["create Lease"] = moved

    assert stage.code(plan) == "already_decided"


@pytest.mark.parametrize("gone", ["deleted", "replaced", "being deleted"])
def test_a_deleted_object_shows_that_the_delete_happened(stage: Stage, gone: str) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one", operation=Operation.DELETE))
    stage.claim(plan)
    stage.forge(plan, state="applying")
    stage.world.clock.now += PATIENCE
    if gone == "being deleted":
        stage.cluster.objects["ConfigMap", "one"]["metadata"]["deletionTimestamp"] = "now"
    else:
        stage.cluster.remove("ConfigMap", "one")
    if gone == "replaced":
        stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})

    assert stage.apply(plan)[0] == "applied"


def test_an_object_that_is_still_there_was_not_deleted(stage: Stage) -> None:
    stage.cluster.put("ConfigMap", "one", apiVersion="v1", data={"key": "old"})
    plan = stage.approve(stage.plan("one", operation=Operation.DELETE))
    stage.claim(plan)
    stage.forge(plan, state="applying")
    stage.world.clock.now += PATIENCE

    assert stage.apply(plan)[0] == "failed"


@pytest.mark.parametrize("state", ["applied", "failed", "applying"])
@pytest.mark.parametrize("outcome", ["{", "[]", '{"objects": 1}'])
def test_an_outcome_that_nobody_can_read_is_none(stage: Stage, state: str, outcome: str) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.claim(plan)
    stage.forge(plan, state=state, outcome=outcome)

    assert stage.call(plan) == {"state": state, "outcome": None, "reason": None}


def test_garbled_receipts_are_kept_as_evidence(stage: Stage) -> None:
    plan = crashed(stage)
    stage.forge(plan, receipt="{", co_receipts="[")
    stage.world.clock.now += PATIENCE

    assert stage.apply(plan)[0] == "failed"
    root = stage.world.context.settings.evidence_root
    evidence = json.loads((root / f"{plan.id}.json").read_text("utf-8"))
    assert (evidence["receipt"], evidence["co_receipts"]) == ("{", "[")
