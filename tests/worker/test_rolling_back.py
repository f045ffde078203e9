"""What a planner says of a rollback: of the object that it is about, and of its values."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import Refusal
from shared.manifests import Object
from shared.messages import PlanCall, RollbackCall
from shared.plans import Intent, Operation, Plan
from tests.shared.test_rollbacks import planned as changed
from tests.worker.applying_stage import Stage, make_stage
from tests.worker.worlds import ADA, ROB, a_plan
from worker import guarding, planning
from worker.rolling_back import plan_rollback

MIRRORED = "reflector.v1.k8s.emberstack.com/reflection-allowed"


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


def config(**annotations: str) -> Object:
    metadata: Object = {"name": "web", "namespace": "demo", "annotations": {**annotations}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "a"}}


def test_what_controllers_act_on_does_not_come_back_by_a_rollback(stage: Stage) -> None:
    live = stage.cluster.put("ConfigMap", "web", apiVersion="v1", data={"key": "a"})
    live["metadata"]["annotations"] = {"team": "a"}
    before, after = config(team="a", **{MIRRORED: "true"}), config(team="a")
    one = changed(before, after, name="web").model_copy(update={"uid": live["metadata"]["uid"]})
    plan = a_plan(operation=Operation.APPLY, objects=(one,))
    stage.world.store(plan)
    stage.forge(plan, state="applied")

    answer = plan_rollback(RollbackCall(plan_id=plan.id, approver=ADA), stage.world.context)

    assert isinstance(answer, Refusal)
    assert (answer.code, answer.details["rule"]) == ("guardrail", "IG-META-PREFIX")


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        ({"op": "add", "path": f"/metadata/annotations/{MIRRORED.replace('/', '~1')}"}, "PREFIX"),
        ({"op": "add", "path": "/metadata/annotations", "value": {MIRRORED: "true"}}, "PREFIX"),
        ({"op": "add", "path": "/metadata/ownerReferences", "value": [{"uid": "u"}]}, "OWNER"),
    ],
)
def test_an_applier_judges_the_metadata_that_a_patch_sets(
    stage: Stage, operation: Object, rule: str
) -> None:
    patch = Intent(verb="patch", body=[{"value": "true", **operation}])
    one = changed(config(), config(team="a"), name="web").model_copy(update={"intent": patch})

    refusal = guarding.plan_refusal(a_plan(objects=(one,)), (config(),), stage.world.context)

    assert refusal is not None
    assert refusal.details["rule"] == f"IG-META-{rule}"


ORDER = {"from": "/spec/template/spec/containers/1", "path": "/spec/template/spec/containers/0"}


@pytest.mark.parametrize(
    ("operation", "allowed"),
    [
        ({"op": "copy", "from": "/data", "path": "/metadata/annotations"}, False),
        ({"op": "copy", **ORDER}, False),
        ({"op": "move", "from": "/data", "path": "/metadata/annotations"}, False),
        ({"op": "move", "from": "/data/a", "path": "/data/b"}, False),
        ({"op": "move", **ORDER}, True),
    ],
)
def test_an_applier_lets_no_patch_take_a_value_from_where_no_rule_sees_it(
    stage: Stage, operation: Object, allowed: bool
) -> None:
    patch = Intent(verb="patch", body=[operation])
    one = changed(config(), config(team="a"), name="web").model_copy(update={"intent": patch})

    refusal = guarding.plan_refusal(a_plan(objects=(one,)), (config(),), stage.world.context)

    assert (refusal is None) == allowed
    if refusal is not None:
        assert refusal.details["rule"] == "IG-FIELD-UNKNOWN"
