"""Three processes, three identities: the reader cannot write, the planner cannot but dry-run."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import AdmissionDenied, Conflict
from shared.manifests import normalized
from shared.plans import Operation
from tests.cluster.conftest import NAMESPACE, ClusterWorld, Kube
from tests.cluster.roles import NO_POLICIES, Roles, roles_of
from worker.cluster import Cluster, MissingPermission

pytestmark = pytest.mark.cluster

Obj = dict[str, Any]
KEPT = "ig-kept"
NEW = "ig-new"
MANIFEST = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {NEW}}}\ndata: {{a: b}}\n"


@pytest.fixture(scope="module")
def roles(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Roles:
    return roles_of(kube, tmp_path_factory.mktemp("roles"))


@pytest.fixture
def planner(roles: Roles) -> Cluster:
    if not roles.policed:
        pytest.skip(NO_POLICIES)
    return roles.planner


def config_map(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {"a": "b"},
    }


def deployment() -> Obj:
    labels = {"app": KEPT}
    container = {"name": "web", "image": "localhost/nginx:1.22"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": KEPT, "namespace": NAMESPACE},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture
def kept(here: ClusterWorld) -> Iterator[ClusterWorld]:
    """A world with a ConfigMap and a Deployment that nobody should be able to change."""
    here.admin.create("ConfigMap", NAMESPACE, config_map(KEPT), dry_run=False)
    here.admin.create("Deployment", NAMESPACE, deployment(), dry_run=False)
    yield here
    for kind, name in (("Deployment", KEPT), ("ConfigMap", KEPT), ("ConfigMap", NEW)):
        here.remove(kind, name)


def delete(cluster: Cluster, kind: str, here: ClusterWorld, *, dry_run: bool) -> None:
    """Of the object as it is now; a controller may have moved its version on in between."""
    for _ in range(5):
        try:
            delete_seen(cluster, kind, here, dry_run=dry_run)
        except Conflict:
            continue
        return
    pytest.fail("the object does not come to rest")


def delete_seen(cluster: Cluster, kind: str, here: ClusterWorld, *, dry_run: bool) -> None:
    metadata = (here.admin.get(kind, NAMESPACE, KEPT) or {})["metadata"]
    cluster.delete(
        kind,
        NAMESPACE,
        KEPT,
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        propagation="Foreground",
        dry_run=dry_run,
    )


SCALE: Obj = {"op": "replace", "path": "/spec/replicas", "value": 1}
MARK: Obj = {"op": "add", "path": "/data/c", "value": "d"}

Write = Callable[[Cluster, ClusterWorld, bool], object]
WRITES: dict[str, Write] = {
    "create": lambda to, _, dry: to.create("ConfigMap", NAMESPACE, config_map(NEW), dry_run=dry),
    "apply": lambda to, _, dry: to.apply(
        "ConfigMap", NAMESPACE, KEPT, {**config_map(KEPT), "data": {"c": "d"}}, dry_run=dry
    ),
    "forced apply": lambda to, _, dry: to.apply(
        "ConfigMap",
        NAMESPACE,
        KEPT,
        {**config_map(KEPT), "data": {"a": "x"}},
        dry_run=dry,
        force=True,
    ),
    "apply of what is not there": lambda to, _, dry: to.apply(
        "ConfigMap", NAMESPACE, NEW, config_map(NEW), dry_run=dry
    ),
    "patch": lambda to, _, dry: to.patch("ConfigMap", NAMESPACE, KEPT, [MARK], dry_run=dry),
    "scale": lambda to, _, dry: to.patch("Deployment", NAMESPACE, KEPT, [SCALE], dry_run=dry),
    "delete": lambda to, here, dry: delete(to, "ConfigMap", here, dry_run=dry),
    "delete in the foreground": lambda to, here, dry: delete(to, "Deployment", here, dry_run=dry),
}


def state(here: ClusterWorld) -> list[object]:
    """What is there, without what a controller writes about it; the new one must stay absent."""
    found = [
        here.admin.get(kind, NAMESPACE, name)
        for kind, name in (("Deployment", KEPT), ("ConfigMap", KEPT), ("ConfigMap", NEW))
    ]
    return [
        one and (normalized(one), one["metadata"]["uid"], one["metadata"].get("deletionTimestamp"))
        for one in found
    ]


@pytest.mark.promise("planner-cannot-write")
@pytest.mark.parametrize("what", WRITES)
def test_the_planner_can_dry_run_but_what_it_writes_is_refused_and_changes_nothing(
    kept: ClusterWorld, planner: Cluster, what: str
) -> None:
    before = state(kept)

    WRITES[what](planner, kept, True)
    with pytest.raises(AdmissionDenied, match=r"admission policy .* may only dry-run"):
        WRITES[what](planner, kept, False)

    assert state(kept) == before


@pytest.mark.parametrize("what", WRITES)
def test_the_reader_cannot_even_dry_run(kept: ClusterWorld, roles: Roles, what: str) -> None:
    for dry_run in (True, False):
        with pytest.raises(MissingPermission):
            WRITES[what](roles.reader, kept, dry_run)


@pytest.mark.parametrize("what", WRITES)
def test_the_applier_can_write(kept: ClusterWorld, roles: Roles, what: str) -> None:
    before = state(kept)

    WRITES[what](roles.applier, kept, False)

    assert state(kept) != before


def test_nobody_but_the_applier_can_take_claims(roles: Roles) -> None:
    for cluster in (roles.reader, roles.planner):
        with pytest.raises(MissingPermission):
            cluster.create_lease("ig-nobody", holder="nobody", annotations={})


def test_what_the_planner_planned_the_applier_writes(here: ClusterWorld, roles: Roles) -> None:
    here.world.context = replace(here.world.context, cluster=roles.planner)
    plan = here.plan(Operation.APPLY, manifest=MANIFEST)
    here.world.context = replace(here.world.context, cluster=roles.applier)
    here.approve(plan)

    done = here.apply(plan)

    assert done["state"] == "applied", done
    assert here.admin.get("ConfigMap", NAMESPACE, NEW)
    here.remove("ConfigMap", NEW)


def test_a_planner_with_the_appliers_code_and_keys_still_writes_nothing(
    here: ClusterWorld, roles: Roles
) -> None:
    here.world.context = replace(here.world.context, cluster=roles.planner)
    plan = here.plan(Operation.APPLY, manifest=MANIFEST)
    with pytest.raises(MissingPermission):
        here.approve(plan)
    here.world.context = replace(here.world.context, cluster=roles.applier)
    here.approve(plan)
    here.world.context = replace(here.world.context, cluster=roles.planner)

    with pytest.raises(MissingPermission):
        here.apply(plan)

    assert here.admin.get("ConfigMap", NAMESPACE, NEW) is None
