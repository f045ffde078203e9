"""What the cluster is, and every write that was tried: compared before and after an attack."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dev.stack.places import NAMESPACE
from tests.redteam.stage import Stage

KINDS = (
    "/api/v1/namespaces",
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/coordination.k8s.io/v1/leases",
)
"""Everything that anybody but the cluster's own controllers writes, in all namespaces."""

CLAIM = "/apis/coordination.k8s.io/v1/namespaces/infragate-system/leases"
"""Where a plan's one write, or its end, is claimed."""

CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


def creating(name: str) -> tuple[str, ...]:
    """The writes by which an approved plan makes a ConfigMap: claimed, created, adopted."""
    return (CLAIM, CONFIG_MAPS, f"{CONFIG_MAPS}/{name}")


NOISE = ("resourceVersion", "managedFields", "generation", "selfLink")
"""What says only that something else changed."""

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The cluster at one moment: objects by path and name, and the writes that were tried so far.

    A write that the API server refused is one, too; a dry-run is none.
    """

    objects: Mapping[str, Any]
    writes: tuple[str, ...]


def seen(stage: Stage) -> Seen:
    """Asks the API server as its administrator."""
    objects = {
        f"{path} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}": _plain(item)
        for path in KINDS
        for item in _get(stage, path)["items"]
    }
    writes = tuple(
        f"{one['time']} {one['identity']} {one['verb']} {one['path']} {one['status']}"
        for one in stage.kubernetes_requests()
        if one["verb"] in WRITES and not one["dryRun"]
    )
    return Seen(objects=objects, writes=writes)


@contextmanager
def unchanged(stage: Stage, *, claimed: bool = False, logins: int = 0) -> Iterator[None]:
    """The block must leave every object as it is and must not even try to write.

    Where somebody has `claimed` the plan before, trying to claim it again and being refused is what
    has to happen. Each of the `logins` that approve a plan in the block is claimed, and no more.
    """
    before = seen(stage)
    yield
    after = seen(stage)
    writes = after.writes[len(before.writes) :]
    spent = [one for one in after.objects.keys() - before.objects.keys() if "/ig-login-" in one]
    expected = [one for one in writes if logins and one.endswith(f"create {CLAIM} 201")]
    held = [one for one in writes if (claimed or logins) and one.endswith(f"create {CLAIM} 409")]
    tried = [one for one in writes if one not in (*expected, *held)]
    assert tried == [], f"the cluster was written to: {tried}"
    assert len(spent) == len(expected) == logins, f"logins were used: {expected}"
    kept = {name: item for name, item in after.objects.items() if name not in spent}
    assert kept == before.objects, "objects of the cluster changed"


@contextmanager
def written(stage: Stage, *paths: str) -> Iterator[None]:
    """The block writes exactly once to each of these paths, and to nothing else."""
    before = seen(stage)
    yield
    after = seen(stage)
    tried = sorted(write.split()[3] for write in after.writes[len(before.writes) :])
    assert tried == sorted(paths), f"written were {tried}"


def claims(stage: Stage) -> dict[str, str]:
    """The plans that are claimed in the cluster, each with what for."""
    leases = _get(stage, "/apis/coordination.k8s.io/v1/leases")["items"]
    notes = [lease["metadata"].get("annotations", {}) for lease in leases]
    return {
        note["infragate.dev/plan-id"]: note["infragate.dev/claim-purpose"]
        for note in notes
        if "infragate.dev/plan-id" in note
    }


def _get(stage: Stage, path: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.kubernetes.get(path).raise_for_status().json()
    return found


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in item["metadata"].items() if name not in NOISE}
    kept = {name: value for name, value in item.items() if name not in {"status", "metadata"}}
    return {**kept, "metadata": metadata}
