"""A plan of unknown outcome is ended by a person's word, on record, and by nothing else."""

import json
from pathlib import Path

import pytest

from shared.audit import AuditLog
from shared.errors import AuditUnavailable, Refusal
from shared.plans import Plan, State
from tests.worker.applying_stage import Stage, make_stage, mark, results
from worker.resolving import MAX_TEXT, Sighting, Verdict, look, resolve

HELD = Verdict(state=State.APPLIED, by="ada", why="both are there")
LOST = Verdict(state=State.FAILED, by="ada", why="only one is there")


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Stage:
    return make_stage(redis_url, tmp_path)


def unknown(stage: Stage) -> Plan:
    """A plan of two ConfigMaps of which one shows the write and one does not."""
    plan = stage.approve(stage.plan("one", "two"))
    stage.claim(plan)
    mark(stage, plan, "one")
    stage.world.clock.now += 300
    assert stage.apply(plan)[0] == State.OUTCOME_UNKNOWN.value
    return plan


def seen(stage: Stage, plan: Plan) -> Sighting:
    found = look(plan.id, stage.world.context)
    assert isinstance(found, Sighting), found
    return found


def test_looking_says_which_objects_show_the_write_and_changes_nothing(stage: Stage) -> None:
    plan = unknown(stage)
    before = stage.world.load(plan.id), stage.events()

    assert seen(stage, plan).shown == (True, False)

    assert (stage.world.load(plan.id), stage.events()) == before


@pytest.mark.promise("claim-before-history")
@pytest.mark.parametrize("claim", ["", "revoke"])
def test_what_only_redis_calls_unknown_is_no_matter_for_a_persons_word(
    stage: Stage, claim: str
) -> None:
    """Or its owner could have somebody sign that a plan was applied which nobody approved."""
    plan = stage.plan("one")
    if claim:
        stage.claim(plan, claim)
    stage.forge(plan, state="outcome_unknown")

    found = look(plan.id, stage.world.context)

    assert isinstance(found, Refusal)
    assert found.code == "claim_missing"


@pytest.mark.parametrize(
    ("verdict", "state", "result"),
    [(HELD, "applied", ["written", "written"]), (LOST, "failed", ["written", "not_tried"])],
)
@pytest.mark.promise("unknown-is-resolved-by-name")
def test_a_persons_word_ends_the_plan_and_stands_on_record_with_their_name(
    stage: Stage, verdict: Verdict, state: str, result: list[str]
) -> None:
    plan = unknown(stage)
    writes = stage.written()

    resolve(seen(stage, plan), verdict, stage.world.context)

    told, outcome = stage.apply(plan)
    assert (told, results(outcome)) == (state, result)
    assert outcome.message == f"Resolved by ada: {verdict.why}"
    record = next(one for one in stage.world.audit_events() if one["event"] == "apply.resolved")
    assert (record["by"], record["why"], record["state"]) == ("ada", verdict.why, state)
    evidence = stage.world.context.settings.evidence_root / f"{plan.id}.json"
    assert json.loads(evidence.read_text("utf-8"))["state"] == state
    assert stage.written() == writes


def test_a_plan_whose_outcome_is_known_is_not_resolved(stage: Stage) -> None:
    plan = stage.approve(stage.plan("one"))
    stage.apply(plan)

    found = look(plan.id, stage.world.context)

    assert isinstance(found, Refusal)
    assert found.code == "outcome_known"


def test_of_two_people_who_resolve_at_once_the_second_is_told_to_look_again(stage: Stage) -> None:
    plan = unknown(stage)
    first, second = seen(stage, plan), seen(stage, plan)
    resolve(first, HELD, stage.world.context)

    late = resolve(second, LOST, stage.world.context)

    assert isinstance(late, Refusal)
    assert late.code == "already_decided"
    assert stage.state(plan) is State.APPLIED


@pytest.mark.parametrize("text", ["", "  ", "x" * (MAX_TEXT + 1)])
def test_a_verdict_without_a_name_and_a_reason_is_refused(stage: Stage, text: str) -> None:
    plan = unknown(stage)
    for verdict in (
        Verdict(state=State.APPLIED, by=text, why="seen"),
        Verdict(state=State.APPLIED, by="ada", why=text),
    ):
        refusal = resolve(seen(stage, plan), verdict, stage.world.context)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "verdict_unfounded"
    assert stage.state(plan) is State.OUTCOME_UNKNOWN


def test_what_cannot_be_recorded_is_not_resolved(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = unknown(stage)
    found = seen(stage, plan)

    def full(*_: object, **__: object) -> None:
        raise AuditUnavailable("no space left")

    monkeypatch.setattr(AuditLog, "record", full)
    with pytest.raises(AuditUnavailable):
        resolve(found, HELD, stage.world.context)
    assert stage.state(plan) is State.OUTCOME_UNKNOWN
