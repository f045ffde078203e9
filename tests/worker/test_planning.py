"""What a fresh plan is called, that none is made for nobody, and what is asked at once."""

from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from shared.errors import CallerLeft, Refusal
from shared.messages import PlanCall
from shared.plans import Operation
from tests.worker.applying_stage import Stage, config, make_stage
from tests.worker.worlds import ROB
from worker import errands, planning
from worker.errands import Errand

PATIENCE_S = 60
"""Until a test gives up on calls that should meet."""


def test_a_plans_id_is_no_option_to_a_command_line(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = ["-dashed", "--help", "plain"]
    monkeypatch.setattr("worker.planning.secrets.token_urlsafe", lambda _bytes: drawn.pop(0))

    plan = make_stage(redis_url, tmp_path).plan("one")

    assert plan.id == "plain"


@pytest.mark.promise("leaving-stops-no-apply")
def test_a_plan_for_which_nobody_waits_any_more_is_not_sealed(
    redis_url: str, tmp_path: Path
) -> None:
    stage = make_stage(redis_url, tmp_path)

    with errands.on(Errand(is_given_up=lambda: True)), pytest.raises(CallerLeft):
        stage.plan("one")

    assert stage.world.redis.keys("wk:plan*") == []
    assert not stage.world.context.audit.path.exists()


@pytest.mark.parametrize("missing", [("c", "f"), ("b", "e"), ("f", "g"), ("d", "a")])
def test_of_several_refusals_that_of_the_first_document_is_told(
    redis_url: str, tmp_path: Path, missing: tuple[str, str]
) -> None:
    stage = make_stage(redis_url, tmp_path)
    for name in set("abcdefg") - set(missing):
        stage.cluster.put("ConfigMap", name, data={"key": "old"})
    manifest = "\n---\n".join(config(name, "old") for name in "abcdefg")
    call = PlanCall(operation=Operation.DELETE, namespace="demo", manifest=manifest, requester=ROB)

    answer = planning.make_plan(call, stage.world.context)

    assert isinstance(answer, Refusal)
    assert f"'{min(missing)}'" in answer.message


def test_objects_of_a_plan_are_read_at_once_and_stay_in_order(
    redis_url: str, tmp_path: Path
) -> None:
    stage = make_stage(redis_url, tmp_path)
    names = [f"c{number}" for number in range(planning.AT_A_TIME + 2)]
    meet = Barrier(planning.AT_A_TIME, timeout=PATIENCE_S)
    for name in names[: planning.AT_A_TIME]:
        stage.seen[f"get ConfigMap/{name}"] = meet.wait

    plan = stage.plan(*names)

    assert [item.name for item in plan.objects] == names


def test_what_lies_around_a_deployment_is_asked_while_that_is_read(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(redis_url, tmp_path)
    stage.cluster.put("Deployment", "web", spec={"replicas": 1})
    meet = Barrier(3, timeout=PATIENCE_S)
    stage.seen["get Deployment/web"] = meet.wait
    listed = _listed_after(stage, meet, monkeypatch)

    stage.scale(3)

    assert sorted(listed) == ["HorizontalPodAutoscaler", "Service"]


def _listed_after(stage: Stage, meet: Barrier, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds that are listed, each after all have met."""
    really, listed = stage.cluster.list, []

    def waiting(kind: str, namespace: str, **asked: Any) -> Any:
        listed.append(kind)
        meet.wait()
        return really(kind, namespace, **asked)

    monkeypatch.setattr(stage.cluster, "list", waiting)
    return listed
