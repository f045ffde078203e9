"""What a plan holds beside its writes: what its objects are now, and what is around them."""

from collections.abc import Iterator

import pytest

from shared.diffs import patched
from shared.errors import Refusal
from shared.plans import MAX_PLAN_BYTES, Operation, Plan
from tests.cluster.conftest import NAMESPACE, ClusterWorld
from tests.cluster.test_changes import WEB

pytestmark = pytest.mark.cluster

MOUNTED = WEB.replace(
    'image: "localhost/nginx:1.22"}',
    'image: "localhost/nginx:1.22", envFrom: [{configMapRef: {name: ig-plan}}]}',
).replace("ig-web", "ig-plan")


@pytest.fixture
def web(here: ClusterWorld) -> Iterator[ClusterWorld]:
    """Three objects that know of each other."""
    for kind in ("Deployment", "Service", "ConfigMap"):
        here.remove(kind, "ig-plan")
    assert here.change(Operation.APPLY, manifest=MOUNTED)["state"] == "applied"
    yield here
    for kind in ("Deployment", "Service", "ConfigMap"):
        here.remove(kind, "ig-plan")


def reached(plan: Plan) -> list[str]:
    return [note.message for note in plan.touched]


def test_a_changed_object_is_there_as_it_was_and_its_changes_lead_to_the_result(
    web: ClusterWorld,
) -> None:
    manifest = MOUNTED.replace("hello", "hi").replace("replicas: 1", "replicas: 2")

    plan = web.plan(Operation.APPLY, manifest=manifest)

    changed = [item for item in plan.objects if item.before is not None]
    assert [item.kind for item in changed] == ["ConfigMap", "Deployment"]
    for item in changed:
        assert item.before is not None
        result = patched(item.before, item.changes)
        assert result is not None


def test_a_plan_names_the_service_before_its_pods_and_who_uses_its_config_map(
    web: ClusterWorld,
) -> None:
    manifest = MOUNTED.replace("hello", "hi").replace("replicas: 1", "replicas: 2")

    told = reached(web.plan(Operation.APPLY, manifest=manifest))

    assert told[0].startswith("ConfigMap ig-plan is used by Deployment ig-plan. No Pod restarts:")
    assert told[1] == "Deployment ig-plan starts 1 more Pod."
    assert told[2].startswith("Service ig-plan leads to the Pods of Deployment ig-plan")


def test_a_restart_says_how_its_pods_are_replaced(web: ClusterWorld) -> None:
    told = reached(web.plan(Operation.RESTART, name="ig-plan"))

    assert told[0].startswith("Deployment ig-plan replaces 1 Pod step by step")


def test_a_plan_that_nobody_could_review_is_refused(web: ClusterWorld) -> None:
    """What is live counts, too: a manifest has 256 KiB at most, the cluster's objects more."""
    names = [f"ig-large-{number}" for number in range(3)]
    for name in names:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "data": {"text": "x" * (MAX_PLAN_BYTES // 3)},
        }
        web.admin.create("ConfigMap", NAMESPACE, body, dry_run=False)
    manifest = "\n---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}" for name in names
    )

    answer = web.request(Operation.DELETE, manifest=manifest)
    for name in names:
        web.remove("ConfigMap", name)

    assert isinstance(answer, Refusal)
    assert answer.code == "plan_too_large"
