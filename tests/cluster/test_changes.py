"""Every kind of change on a cluster, from request to rollout, by the workers' own verbs."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import Refusal
from shared.messages import ApplyCall
from shared.outcomes import Outcome, Verdict
from shared.plans import Action, Operation, State
from tests.cluster.conftest import NAMESPACE, ClusterWorld, eventually
from worker import applying

pytestmark = pytest.mark.cluster

WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-web}
data: {greeting: hello}
---
apiVersion: v1
kind: Service
metadata: {name: ig-web}
spec:
  selector: {app: ig-web}
  ports: [{port: 80, protocol: TCP}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ig-web, labels: {app: ig-web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: ig-web}}
  template:
    metadata: {labels: {app: ig-web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: web, image: "localhost/nginx:1.22"}
"""


@pytest.fixture
def web(here: ClusterWorld) -> Iterator[ClusterWorld]:
    """The three objects, created by a plan, removed afterwards."""
    for kind in ("Deployment", "Service", "ConfigMap"):
        here.remove(kind, "ig-web")
    assert here.change(Operation.APPLY, manifest=WEB)["state"] == "applied"
    yield here
    for kind in ("Deployment", "Service", "ConfigMap"):
        here.remove(kind, "ig-web")


def spec_of(here: ClusterWorld, name: str = "ig-web") -> dict[str, Any]:
    spec = here.deployment(name)["spec"]
    assert isinstance(spec, dict)
    return spec


def metadata_of(here: ClusterWorld, name: str = "ig-web") -> dict[str, Any]:
    metadata = here.deployment(name)["metadata"]
    assert isinstance(metadata, dict)
    return metadata


def lose_pods(here: ClusterWorld, app: str) -> None:
    """Deletes the Pods of a Deployment, which makes new ones and says so in its status."""
    for pod in here.admin.list("Pod", NAMESPACE, label_selector=f"app={app}").items:
        metadata = pod["metadata"]
        if not metadata.get("deletionTimestamp"):  # not those of an earlier test, on their way out
            here.admin.delete(
                "Pod",
                NAMESPACE,
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
                propagation="Background",
                dry_run=False,
            )


def outcome_of(answer: dict[str, object]) -> dict[str, Any]:
    outcome = answer["outcome"]
    assert isinstance(outcome, dict)
    return outcome


def test_a_manifest_of_three_objects_is_created_and_rolls_out(web: ClusterWorld) -> None:
    deployment = web.deployment("ig-web")

    metadata = deployment["metadata"]
    assert isinstance(metadata, dict)
    assert re.fullmatch(
        r"sha256:[0-9a-f]{64}", metadata["annotations"]["infragate.dev/plan-digest"]
    )
    assert deployment["status"]["availableReplicas"] == 1  # type: ignore[index]  # JSON


def test_the_same_manifest_again_changes_nothing_and_makes_no_plan(web: ClusterWorld) -> None:
    assert web.request(Operation.APPLY, manifest=WEB) == {
        "no_change": ["ConfigMap/ig-web", "Service/ig-web", "Deployment/ig-web"]
    }


def test_a_field_left_out_of_the_next_manifest_is_removed(web: ClusterWorld) -> None:
    manifest = WEB.split("---", maxsplit=1)[0].replace("greeting: hello", "farewell: bye")
    plan = web.plan(Operation.APPLY, manifest=manifest)
    changes = {(change.path, change.op) for change in plan.objects[0].changes}

    web.approve(plan)
    web.apply(plan)

    live = web.cluster.get("ConfigMap", NAMESPACE, "ig-web")
    assert changes == {("data.greeting", "remove"), ("data.farewell", "add")}
    assert live is not None
    assert live["data"] == {"farewell": "bye"}


def test_a_plan_says_of_each_object_what_happens_to_it(web: ClusterWorld) -> None:
    manifest = WEB.replace("greeting: hello", "greeting: hi")

    plan = web.plan(Operation.APPLY, manifest=manifest)

    assert [(item.kind, item.action) for item in plan.objects] == [
        ("ConfigMap", Action.UPDATE),
        ("Service", Action.NO_OP),
        ("Deployment", Action.NO_OP),
    ]


def test_scaling_changes_the_replicas_and_waits_for_them(web: ClusterWorld) -> None:
    answer = web.change(Operation.SCALE, name="ig-web", replicas=2)

    assert spec_of(web)["replicas"] == 2
    assert outcome_of(answer)["rollouts"][0]["verdict"] == "complete"
    assert outcome_of(answer)["rollouts"][0]["available"] == 2


def test_a_restart_writes_exactly_the_timestamp_that_was_approved(web: ClusterWorld) -> None:
    plan = web.plan(Operation.RESTART, name="ig-web")
    at = datetime.fromtimestamp(plan.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    web.world.clock.now += 120

    web.approve(plan)
    answer = web.apply(plan)

    annotations = spec_of(web)["template"]["metadata"]["annotations"]
    assert annotations["kubectl.kubernetes.io/restartedAt"] == at
    assert outcome_of(answer)["rollouts"][0]["verdict"] == "complete"


def test_a_new_image_rolls_out(web: ClusterWorld) -> None:
    answer = web.change(
        Operation.SET_IMAGE, name="ig-web", container="web", image="localhost/nginx:1.23"
    )

    assert spec_of(web)["template"]["spec"]["containers"][0]["image"] == "localhost/nginx:1.23"
    assert outcome_of(answer)["rollouts"][0]["verdict"] == "complete"


def test_while_it_rolls_out_everybody_can_read_how_far_it_is(web: ClusterWorld) -> None:
    plan = web.plan(Operation.SCALE, name="ig-web", replicas=3)
    web.approve(plan)
    read: list[Any] = []

    def look(_done: int, _total: int, text: str) -> None:
        if "updated" in text:
            stored = web.world.load(plan.id)
            read.extend(Outcome.model_validate_json(stored.outcome or "").rollouts)

    applying.apply(ApplyCall(plan_id=plan.id), web.world.context, look)

    assert read
    assert {one.verdict for one in read} == {Verdict.PROGRESSING}
    assert {(one.deployment, one.desired) for one in read} == {("ig-web", 3)}


def test_an_image_that_cannot_be_pulled_is_reported_with_its_finding(web: ClusterWorld) -> None:
    # The kubelet tries to pull it first.
    web.world.context.settings.__dict__["rollout_timeout_s"] = 15.0

    answer = web.change(
        Operation.SET_IMAGE, name="ig-web", container="web", image="localhost/nginx:9.99"
    )

    outcome = outcome_of(answer)
    assert answer["state"] == "applied"
    assert outcome["rollouts"][0]["verdict"] == "progressing"
    assert any("localhost/nginx:9.99" in finding["message"] for finding in outcome["findings"])


def test_an_apply_after_our_own_scale_is_no_conflict(web: ClusterWorld) -> None:
    web.change(Operation.SCALE, name="ig-web", replicas=2)

    plan = web.plan(Operation.APPLY, manifest=WEB.replace("replicas: 1", "replicas: 3"))

    assert [(c.path, c.old, c.new) for c in plan.objects[2].changes] == [("spec.replicas", 2, 3)]


@pytest.mark.promise("never-forced")
def test_fields_of_another_manager_are_a_refusal_that_names_them(here: ClusterWorld) -> None:
    manifest = """
apiVersion: v1
kind: ConfigMap
metadata: {name: nginx-config}
data: {extra.inc: "mine now"}
"""

    answer = here.request(Operation.APPLY, manifest=manifest)

    assert isinstance(answer, Refusal)
    assert answer.code == "field_manager_conflict"
    assert "kubectl-client-side-apply" in answer.message
    assert "extra.inc" in answer.message


def test_a_delete_removes_the_objects_and_what_belongs_to_them(web: ClusterWorld) -> None:
    answer = web.change(Operation.DELETE, manifest=WEB)

    assert answer["state"] == "applied"
    eventually(lambda: web.cluster.get("Deployment", NAMESPACE, "ig-web") is None)
    eventually(lambda: not web.cluster.list("Pod", NAMESPACE, label_selector="app=ig-web").items)


def test_a_service_that_loses_its_pods_is_named_as_a_high_risk(web: ClusterWorld) -> None:
    *others, deployment = WEB.split("---")
    told = "The Pods of Deployment ig-web stand behind Service ig-web, which loses them."

    deleted = web.plan(Operation.DELETE, manifest=deployment)
    stopped = web.plan(Operation.SCALE, name="ig-web", replicas=0)
    together = web.plan(Operation.DELETE, manifest=WEB)
    unrelated = web.plan(Operation.DELETE, manifest=others[0])

    for plan in (deleted, stopped):
        assert plan.risk.level == "high"
        assert told in [reason.message for reason in plan.risk.reasons]
    for plan in (together, unrelated):
        assert "endpoints_emptied" not in [reason.code for reason in plan.risk.reasons]


@pytest.mark.promise("applied-once")
def test_an_applied_plan_answers_with_its_record_and_writes_nothing_more(
    web: ClusterWorld,
) -> None:
    plan = web.plan(Operation.SCALE, name="ig-web", replicas=2)
    web.approve(plan)
    first = web.apply(plan)
    before = web.deployment("ig-web")["metadata"]["generation"]  # type: ignore[index]  # JSON

    second = web.apply(plan)

    assert second["state"] == "applied"
    assert outcome_of(second)["objects"] == outcome_of(first)["objects"]
    assert web.deployment("ig-web")["metadata"]["generation"] == before  # type: ignore[index]


@pytest.mark.promise("no-write-without-approval")
def test_a_plan_that_nobody_approved_is_not_applied(web: ClusterWorld) -> None:
    plan = web.plan(Operation.SCALE, name="ig-web", replicas=3)

    answer = web.apply(plan)

    assert answer["state"] == "pending"
    assert spec_of(web)["replicas"] == 1


@pytest.mark.promise("redis-cannot-approve")
def test_a_plan_that_only_redis_says_is_approved_is_not_applied(web: ClusterWorld) -> None:
    plan = web.plan(Operation.SCALE, name="ig-web", replicas=3)
    web.world.redis.hset(f"wk:plan:{plan.id}", "state", State.APPROVED.value)

    assert web.refusal(plan).code == "approval_required"
    assert spec_of(web)["replicas"] == 1


@pytest.mark.promise("redis-rollback")
def test_redis_rolled_back_after_the_apply_does_not_write_again(web: ClusterWorld) -> None:
    plan = web.plan(Operation.SCALE, name="ig-web", replicas=2)
    web.approve(plan)
    backup = web.world.redis.dump(f"wk:plan:{plan.id}")
    assert isinstance(backup, bytes)
    web.apply(plan)
    web.change(Operation.SCALE, name="ig-web", replicas=1)
    web.world.redis.restore(f"wk:plan:{plan.id}", 0, backup, replace=True)

    answer = web.apply(plan)

    assert answer["state"] in {"applying", "stale", "applied"}
    assert spec_of(web)["replicas"] == 1


@pytest.mark.promise("drift-is-stale")
def test_a_change_by_somebody_else_after_the_approval_makes_the_plan_stale(
    web: ClusterWorld,
) -> None:
    plan = web.plan(Operation.SCALE, name="ig-web", replicas=3)
    web.approve(plan)
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 0}]
    web.admin.patch("Deployment", NAMESPACE, "ig-web", patch, dry_run=False)

    answer = web.apply(plan)

    assert answer["state"] == "stale"
    assert outcome_of(answer)["changed_since"]
    assert spec_of(web)["replicas"] == 0


def test_a_status_write_alone_does_not_make_a_plan_stale(web: ClusterWorld) -> None:
    plan = web.plan(Operation.RESTART, name="ig-web")
    before = metadata_of(web)

    lose_pods(web, "ig-web")
    eventually(lambda: metadata_of(web)["resourceVersion"] != before["resourceVersion"])
    web.approve(plan)

    assert metadata_of(web)["generation"] == before["generation"]
    assert web.apply(plan)["state"] == "applied"


@pytest.mark.promise("drift-is-stale")
def test_an_object_deleted_and_created_anew_makes_the_plan_stale(web: ClusterWorld) -> None:
    manifest = WEB.split("---", maxsplit=1)[0]
    plan = web.plan(Operation.DELETE, manifest=manifest)
    web.approve(plan)
    web.remove("ConfigMap", "ig-web")
    web.admin.create(
        "ConfigMap",
        NAMESPACE,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ig-web"},
            "data": {"greeting": "hello"},
        },
        dry_run=False,
    )

    answer = web.apply(plan)

    assert answer["state"] == "stale"
    assert web.cluster.get("ConfigMap", NAMESPACE, "ig-web") is not None


def test_the_first_failure_stops_the_rest_and_says_what_was_written(web: ClusterWorld) -> None:
    manifest = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-first}
data: {a: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-second}
data: {a: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-third}
data: {a: "1"}
"""
    plan = web.plan(Operation.APPLY, manifest=manifest)
    web.approve(plan)
    cluster = web.cluster
    original = type(cluster).create

    def racing(_self: object, kind: str, namespace: str, body: Any, *, dry_run: bool) -> Any:
        if body["metadata"]["name"] == "ig-second" and not dry_run:
            original(web.admin, kind, namespace, {**body, "data": {"a": "theirs"}}, dry_run=False)
        return original(cluster, kind, namespace, body, dry_run=dry_run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(cluster), "create", racing)
        answer = web.apply(plan)

    results = {item["name"]: item["result"] for item in outcome_of(answer)["objects"]}
    for name in ("ig-first", "ig-second"):
        web.remove("ConfigMap", name)
    assert answer["state"] == "failed"
    assert results == {"ig-first": "written", "ig-second": "refused", "ig-third": "not_tried"}
    assert web.cluster.get("ConfigMap", NAMESPACE, "ig-third") is None


def test_the_evidence_of_a_change_is_one_file(web: ClusterWorld) -> None:
    plan = web.plan(Operation.SCALE, name="ig-web", replicas=2)
    web.approve(plan)
    web.apply(plan)

    path = web.world.context.settings.evidence_root / f"{plan.id}.json"
    assert path.stat().st_mode & 0o077 == 0
    assert '"state": "applied"' in path.read_text(encoding="utf-8")
