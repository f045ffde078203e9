"""The recorded result of an apply: what is written is what is read."""

import pytest
from pydantic import ValidationError

from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import Action, Note

OUTCOME = Outcome(
    objects=(
        ObjectOutcome(kind="Deployment", name="web", action=Action.UPDATE, result=Written.WRITTEN),
    ),
    rollouts=(Rollout(deployment="web", verdict=Verdict.COMPLETE, desired=2),),
    findings=(Note(code="c", message="m", severity="critical"),),
    changed_since=("spec.replicas",),
    applied_at=1,
    finished_at=2,
)


def test_an_outcome_survives_its_storage() -> None:
    assert Outcome.model_validate_json(OUTCOME.model_dump_json()) == OUTCOME


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Outcome.model_validate({**OUTCOME.model_dump(), "raw": "x"})


def test_an_outcome_is_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        OUTCOME.message = "it went well"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("result", ["applied", "", "WRITTEN"])
def test_an_unknown_result_is_refused(result: str) -> None:
    document = OUTCOME.model_dump(mode="json")
    document["objects"][0]["result"] = result

    with pytest.raises(ValidationError):
        Outcome.model_validate(document)
