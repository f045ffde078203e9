"""How an intent becomes a write: preconditions, the plan's mark, no force against others."""

from typing import Any

import pytest

from shared.errors import AlreadyExists, ClusterTimeout, Conflict, NotFound
from shared.plans import DIGEST_ANNOTATION, Intent
from tests.worker.model_cluster import Body, ModelCluster
from worker import writes
from worker.cluster import ApplyConflict, FieldConflict

DIGEST = "sha256:" + "0" * 64
REF = ("ConfigMap", "demo", "one")


@pytest.fixture
def cluster() -> Any:
    return ModelCluster(clock=lambda: 0)


def config(**data: str) -> Body:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": data}


def send(
    cluster: Any, intent: Intent, *, digest: str | None = DIGEST, dry_run: bool = False
) -> writes.Sent:
    live = cluster.get(*REF)
    return writes.send(cluster, REF, intent, live=live, digest=digest, dry_run=dry_run)


def annotations(cluster: Any) -> object:
    return cluster.objects["ConfigMap", "one"]["metadata"].get("annotations")


def create(**data: str) -> Intent:
    return Intent(verb="create", body=config(**data))


def apply(**data: str) -> Intent:
    return Intent(verb="apply", body=config(**data))


def patch(value: str) -> Intent:
    return Intent(verb="patch", body=[{"op": "replace", "path": "/data/key", "value": value}])


def delete() -> Intent:
    return Intent(verb="delete", body="Background")


@pytest.mark.parametrize("intent", [create(key="new"), apply(key="new"), patch("new"), delete()])
def test_a_preview_changes_nothing_and_carries_no_mark(cluster: Any, intent: Intent) -> None:
    if intent.verb != "create":
        cluster.put("ConfigMap", "one", data={"key": "old"})
    before = dict(cluster.objects)

    sent = send(cluster, intent, digest=None, dry_run=True)

    assert cluster.objects == before
    assert cluster.writes == []
    assert DIGEST not in str(sent.result)
    assert (sent.result is None) == (intent.verb == "delete")


@pytest.mark.parametrize("intent", [create(key="new"), apply(key="new"), patch("new")])
def test_a_write_leaves_the_plans_digest_and_what_was_asked(cluster: Any, intent: Intent) -> None:
    if intent.verb != "create":
        cluster.put("ConfigMap", "one", data={"key": "old"})

    sent = send(cluster, intent)

    live = cluster.objects["ConfigMap", "one"]
    assert live["data"] == {"key": "new"}
    assert live["metadata"]["annotations"] == {DIGEST_ANNOTATION: DIGEST}
    assert sent.result is not None
    assert writes.carries(live, DIGEST)


@pytest.mark.parametrize("intent", [apply(key="new"), patch("new")])
def test_a_write_keeps_the_annotations_that_are_there(cluster: Any, intent: Intent) -> None:
    cluster.put("ConfigMap", "one", data={"key": "old"})
    cluster.objects["ConfigMap", "one"]["metadata"]["annotations"] = {"a/b": "c"}

    send(cluster, intent)

    assert annotations(cluster) == {"a/b": "c", DIGEST_ANNOTATION: DIGEST}


def test_a_manifests_own_annotations_are_written_beside_the_mark(cluster: Any) -> None:
    body = config(key="new")
    body["metadata"]["annotations"] = {"team": "web"}

    send(cluster, Intent(verb="create", body=body))

    assert annotations(cluster) == {"team": "web", DIGEST_ANNOTATION: DIGEST}
    assert body["metadata"]["annotations"] == {"team": "web"}


@pytest.mark.parametrize("intent", [apply(key="new"), patch("new"), delete()])
@pytest.mark.parametrize("replaced", [True, False])
def test_what_changed_since_it_was_read_is_not_written(
    cluster: Any, intent: Intent, replaced: bool
) -> None:
    cluster.put("ConfigMap", "one", data={"key": "old"})
    live = cluster.get(*REF)
    if replaced:
        cluster.remove("ConfigMap", "one")
        cluster.put("ConfigMap", "one", data={"key": "old"})
        version = live["metadata"]["resourceVersion"]
        cluster.objects["ConfigMap", "one"]["metadata"]["resourceVersion"] = version
    else:
        cluster.touch("ConfigMap", "one")

    with pytest.raises(Conflict):
        writes.send(cluster, REF, intent, live=live, digest=DIGEST, dry_run=False)

    assert cluster.writes == []


@pytest.mark.parametrize("intent", [patch("new"), delete()])
def test_what_is_gone_is_not_written(cluster: Any, intent: Intent) -> None:
    cluster.put("ConfigMap", "one", data={"key": "old"})
    live = cluster.get(*REF)
    cluster.remove("ConfigMap", "one")

    with pytest.raises(NotFound):
        writes.send(cluster, REF, intent, live=live, digest=DIGEST, dry_run=False)


def test_a_create_never_changes_what_is_there(cluster: Any) -> None:
    cluster.put("ConfigMap", "one", data={"key": "theirs"})

    with pytest.raises(AlreadyExists):
        send(cluster, create(key="new"))

    assert cluster.objects["ConfigMap", "one"]["data"] == {"key": "theirs"}


def test_a_delete_deletes(cluster: Any) -> None:
    cluster.put("ConfigMap", "one", data={"key": "old"})

    assert send(cluster, delete()).result is None
    assert cluster.objects == {}


def test_a_created_object_is_adopted_for_server_side_apply(cluster: Any) -> None:
    send(cluster, create(key="new"))

    entries = cluster.objects["ConfigMap", "one"]["metadata"]["managedFields"]
    assert entries == [
        {"manager": "kubelet", "operation": "Update"},
        {"manager": "infragate", "operation": "Apply"},
    ]
    assert [write.verb for write in cluster.writes] == ["create", "adopt"]


def test_an_adoption_that_fails_does_not_fail_the_write(cluster: Any) -> None:
    def failing(*_: object, **__: object) -> None:
        raise ClusterTimeout("slow")

    cluster.patch = failing

    assert send(cluster, create(key="new")).result is not None


def test_what_somebody_replaced_meanwhile_is_not_adopted(cluster: Any) -> None:
    original = cluster.patch

    def late(*arguments: Any, **named: Any) -> Any:
        cluster.remove("ConfigMap", "one")
        cluster.put("ConfigMap", "one", data={})
        cluster.objects["ConfigMap", "one"]["metadata"]["managedFields"][1]["manager"] = "infragate"
        return original(*arguments, **named)

    cluster.patch = late
    send(cluster, create(key="new"))

    entries = cluster.objects["ConfigMap", "one"]["metadata"]["managedFields"]
    assert entries[1]["operation"] == "Update"


def test_an_entry_that_is_no_longer_ours_is_not_adopted(cluster: Any) -> None:
    original = cluster.patch

    def late(*arguments: Any, **named: Any) -> Any:
        cluster.objects["ConfigMap", "one"]["metadata"]["managedFields"][1]["manager"] = "helm"
        return original(*arguments, **named)

    cluster.patch = late
    send(cluster, create(key="new"))

    entries = cluster.objects["ConfigMap", "one"]["metadata"]["managedFields"]
    assert entries[1] == {"manager": "helm", "operation": "Update"}


def conflict(*managers: str) -> ApplyConflict:
    causes = tuple(FieldConflict(manager=manager, field=".data.key") for manager in managers)
    return ApplyConflict("conflict", causes=causes)


def test_a_conflict_with_nobody_but_ourselves_is_forced(cluster: Any) -> None:
    cluster.put("ConfigMap", "one", data={"key": "old"})
    cluster.conflicts.append(conflict("infragate", "infragate"))

    send(cluster, apply(key="new"))

    assert cluster.forced == ["one"]
    assert cluster.objects["ConfigMap", "one"]["data"] == {"key": "new"}


def test_a_preview_of_a_forced_apply_changes_nothing_either(cluster: Any) -> None:
    cluster.put("ConfigMap", "one", data={"key": "old"})
    cluster.conflicts.append(conflict("infragate"))

    send(cluster, apply(key="new"), digest=None, dry_run=True)

    assert cluster.objects["ConfigMap", "one"]["data"] == {"key": "old"}


@pytest.mark.parametrize("managers", [("helm",), ("infragate", "helm"), ()])
def test_nobody_else_is_ever_forced(cluster: Any, managers: tuple[str, ...]) -> None:
    cluster.put("ConfigMap", "one", data={"key": "old"})
    cluster.conflicts.append(conflict(*managers))

    with pytest.raises(ApplyConflict):
        send(cluster, apply(key="new"))

    assert cluster.forced == []
    assert cluster.writes == []


def service(**spec: object) -> Body:
    return {"kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def test_a_new_service_is_predicted_without_the_families_that_the_server_picks() -> None:
    asked = Intent(verb="create", body=service(selector={"app": "web"}))
    result = service(
        selector={"app": "web"}, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack", clusterIP="::1"
    )

    assert writes.predicted(asked, result)["spec"] == {"selector": {"app": "web"}}


def test_what_a_dry_run_allocates_for_a_new_service_is_no_prediction() -> None:
    asked = Intent(verb="create", body=service(selector={"app": "web"}, ipFamilyPolicy="X"))
    given = {
        "clusterIP": "10.0.0.1",
        "clusterIPs": ["10.0.0.1"],
        "ipFamilies": ["IPv4"],
        "healthCheckNodePort": 30000,
    }
    result = service(selector={"app": "web"}, ipFamilyPolicy="X", sessionAffinity="None", **given)

    assert writes.predicted(asked, result)["spec"] == {
        "selector": {"app": "web"},
        "ipFamilyPolicy": "X",
        "sessionAffinity": "None",
    }


@pytest.mark.parametrize(
    ("intent", "result"),
    [
        (Intent(verb="apply", body=service()), service(clusterIP="10.0.0.1")),
        (
            Intent(verb="create", body=config()),
            {"kind": "ConfigMap", "metadata": {"name": "one"}, "spec": {"clusterIP": "x"}},
        ),
        (Intent(verb="create", body=service()), {"kind": "Service", "metadata": {"name": "web"}}),
    ],
)
def test_every_other_prediction_is_the_whole_normal_form(intent: Intent, result: Body) -> None:
    assert writes.predicted(intent, result) == result


def test_an_object_without_the_mark_or_with_another_does_not_carry_it() -> None:
    marked: Any = {"metadata": {"annotations": {DIGEST_ANNOTATION: DIGEST}}}

    assert writes.carries(marked, DIGEST)
    assert not writes.carries(marked, "sha256:" + "1" * 64)
    assert not writes.carries({"metadata": {}}, DIGEST)
    assert not writes.carries(None, DIGEST)


def test_nothing_has_neither_uid_nor_digest() -> None:
    live: Any = {"metadata": {"uid": "u1"}}

    assert (writes.uid_of(None), writes.base_digest(None)) == (None, None)
    assert writes.uid_of(live) == "u1"
    assert str(writes.base_digest(live)).startswith("sha256:")


def test_an_intent_without_an_object_is_a_mistake_of_ours(cluster: Any) -> None:
    with pytest.raises(TypeError, match="carries no object"):
        send(cluster, Intent(verb="create", body="nothing"))
