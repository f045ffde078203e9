"""Watching Deployments roll after a change: how far they are, whether they are done or stuck.

The rules are kubectl's (`rollout status`): the generation must be observed, then all replicas
updated, none too many left, all available; the progress deadline ends it.
"""

import time
from collections.abc import Callable, Sequence

from shared.errors import ClusterFault
from shared.manifests import Object, mapping_at, mappings_at, text_at
from shared.outcomes import Rollout, Verdict
from worker.cluster import Cluster

POLL_S = 0.5
"""Between two looks; a rollout takes seconds, and a watch would cost a connection for each."""

Seen = Callable[[tuple[Rollout, ...]], None]
"""Is told of every look, in the order of the names."""


def verdict_of(deployment: Object | None, name: str, *, outdated: str = "") -> Rollout:
    """Returns how far the rollout of a Deployment is, from its own status.

    A passed deadline that was noted at the time `outdated` is that of an earlier rollout.
    """
    if deployment is None:
        return Rollout(deployment=name, verdict=Verdict.FAILED, message="It no longer exists.")
    status, wanted = mapping_at(deployment, "status"), mapping_at(deployment, "spec")
    desired = _count(wanted.get("replicas"), 1)
    updated, available = (
        _count(status.get("updatedReplicas")),
        _count(status.get("availableReplicas")),
    )
    replicas = _count(status.get("replicas"))

    def rollout(verdict: Verdict, message: str) -> Rollout:
        return Rollout(
            deployment=name,
            verdict=verdict,
            desired=desired,
            updated=updated,
            ready=_count(status.get("readyReplicas")),
            available=available,
            message=message,
        )

    if _count(status.get("observedGeneration")) < _count(
        mapping_at(deployment, "metadata").get("generation")
    ):
        return rollout(Verdict.PROGRESSING, "The change has not been picked up yet.")
    if _exceeded_at(deployment) not in {"", outdated}:
        return rollout(
            Verdict.FAILED, f"Stuck: {available} of {desired} available at the progress deadline."
        )
    if updated != desired or replicas != desired or available < desired:
        return rollout(
            Verdict.PROGRESSING, f"{updated} of {desired} updated, {available} available."
        )
    return rollout(Verdict.COMPLETE, f"{available} of {desired} available.")


def watch(
    cluster: Cluster,
    namespace: str,
    names: Sequence[str],
    *,
    timeout_s: float,
    seen: Seen,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Rollout, ...]:
    """Looks at Deployments until their rollouts are done or stuck, at most `timeout_s` seconds.

    A look that fails is not a verdict: the write has happened, so the rollout is `progressing`. Nor
    is a deadline that had passed at the first look, until the time is up: Kubernetes keeps that
    condition of an earlier rollout, also for a rollback to a ReplicaSet that is there, until Pods
    move (deployment controller, `syncRolloutStatus`).
    """
    until = clock() + timeout_s
    last = tuple(
        Rollout(deployment=name, verdict=Verdict.PROGRESSING, message="Not looked at yet.")
        for name in names
    )
    first: dict[str, str] = {}
    while True:
        is_last = clock() >= until
        last = tuple(_looked(cluster, namespace, one, first, is_last=is_last) for one in last)
        seen(last)
        if is_last or all(one.verdict is not Verdict.PROGRESSING for one in last):
            return last
        pause(POLL_S)


def _looked(
    cluster: Cluster, namespace: str, last: Rollout, first: dict[str, str], *, is_last: bool
) -> Rollout:
    """A rollout as it is now; one that has ended is not looked at again.

    `first` has the passed deadlines of the first looks.
    """
    if last.verdict is not Verdict.PROGRESSING:
        return last
    try:
        live = cluster.get("Deployment", namespace, last.deployment)
    except ClusterFault as fault:
        return last.model_copy(update={"message": fault.message})
    outdated = first.setdefault(last.deployment, _exceeded_at(live))
    return verdict_of(live, last.deployment, outdated="" if is_last else outdated)


def _exceeded_at(deployment: Object | None) -> str:
    """When it was noted that the progress deadline has passed; empty if it has not."""
    for _, condition in mappings_at(deployment or {}, "status", "conditions"):
        if (
            text_at(condition, "type") == "Progressing"
            and text_at(condition, "reason") == "ProgressDeadlineExceeded"
        ):
            return text_at(condition, "lastUpdateTime") or "at some time"
    return ""


def _count(value: object, default: int = 0) -> int:
    return value if isinstance(value, int) else default
