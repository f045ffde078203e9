"""What changed in the cluster since a plan was approved: steps (4) and (5) of `worker.applying`.

Never by `resourceVersion`: status writes move it, so approvals would fail exactly on workloads that
are in trouble. Writes nothing.
"""

from dataclasses import dataclass

from shared.diffs import diff
from shared.digests import object_digest
from shared.errors import AlreadyExists, NotFound
from shared.manifests import Object, normalized
from shared.plans import Action, Plan, PlannedObject
from worker import writes
from worker.cluster import ApplyConflict, Cluster


def drifted(plan: Plan, live: tuple[Object | None, ...]) -> tuple[str, ...]:
    """Returns what is not as it was when the plan was made, object by object; none is good."""
    found: list[str] = []
    for planned, current in zip(plan.objects, live, strict=True):
        label = f"{planned.kind}/{planned.name}"
        if planned.uid != writes.uid_of(current):
            found.append(f"{label}: {_presence(planned, current)}")
        elif planned.base_digest != writes.base_digest(current):
            found.append(f"{label}: changed since the plan was made")
    return tuple(found)


def _presence(planned: PlannedObject, current: Object | None) -> str:
    if current is None:
        return "was deleted"
    return "appeared" if planned.uid is None else "was deleted and created anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the server would make of a plan's objects now, and what of that was not approved."""

    results: tuple[Object | None, ...]
    """Normal forms; None where nothing would be written, or nothing would be left."""
    otherwise: tuple[str, ...]
    """Object by object; none is good."""


def preview(plan: Plan, live: tuple[Object | None, ...], cluster: Cluster) -> Preview:
    """Returns what the server would make of the plan now.

    Raises:
        ClusterFault: the API server did not answer the dry-run, or refused it for other reasons.
    """
    found: list[str] = []
    results: list[Object | None] = []
    for planned, current in zip(plan.objects, live, strict=True):
        results.append(None)
        if planned.action is Action.NO_OP:
            continue
        label = f"{planned.kind}/{planned.name}"
        try:
            sent = writes.send_planned(
                cluster, plan.namespace, planned, live=current, digest=None, dry_run=True
            )
        except ApplyConflict as conflict:
            found.append(f"{label}: {conflict.message}")
            continue
        except AlreadyExists:
            found.append(f"{label}: appeared")
            continue
        except NotFound:
            found.append(f"{label}: was deleted")
            continue
        if sent.result is None:
            continue
        result = writes.predicted(planned.intent, sent.result)
        if object_digest(result) != planned.predicted_digest:
            changes = diff(normalized(current) if current else None, result)
            found.append(f"{label}: {', '.join(change.path for change in changes)[:200]}")
        results[-1] = result
    return Preview(results=tuple(results), otherwise=tuple(found))
