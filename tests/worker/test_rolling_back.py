"""What a planner says of a rollback: of the object that it is about, and of its values."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.messages import PlanCall, RollbackCall
from shared.plans import Operation, Plan
from tests.worker.applying_stage import Stage, make_stage
from tests.worker.worlds import ADA, ROB
from worker import planning
from worker.rolling_back import plan_rollback


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = make_stage(redis_url, tmp_path)
    yield made
    made.world.redis.close()


def deployment(stage: Stage, **images: str) -> None:
    containers = [{"name": name, "image": f"nginx:{tag}"} for name, tag in images.items()]
    spec = {"replicas": 1, "template": {"spec": {"containers": containers}}}
    stage.cluster.put("Deployment", "web", apiVersion="apps/v1", spec=spec)


def planned(stage: Stage, answer: object) -> Plan:
    assert isinstance(answer, dict), answer
    plan = stage.world.load(answer["plan_id"]).plan()
    assert isinstance(plan, Plan)
    return plan


def test_the_container_whose_image_goes_back_is_named_whatever_its_place(stage: Stage) -> None:
    deployment(stage, one="1.0", two="1.0")
    call = PlanCall(
        operation=Operation.SET_IMAGE,
        namespace="demo",
        name="web",
        container="two",
        image="nginx:1.1",
        requester=ROB,
    )
    plan = planned(stage, planning.make_plan(call, stage.world.context))
    stage.forge(plan, state="applied")
    deployment(stage, two="1.1", one="1.0")

    asked = RollbackCall(plan_id=plan.id, approver=ADA)
    made = planned(stage, plan_rollback(asked, stage.world.context))

    assert made.summary == "Rollback: web/two: image nginx:1.1 → nginx:1.0"
    assert [change.path for change in made.objects[0].changes] == [
        "spec.template.spec.containers[two].image"
    ]
