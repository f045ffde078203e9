"""What a Deployment says of itself, what its ReplicaSets were refused, why its Pods are not up."""

from collections.abc import Iterable, Iterator, Sequence

from worker.findings.fields import (
    Event,
    Object,
    at,
    called,
    condition,
    events_of,
    name_of,
    number,
    text,
)
from worker.findings.finding import Finding, Severity, finding, ordered, said
from worker.findings.pods import in_pod


def of_deployment(
    deployment: Object,
    replica_sets: Iterable[Object],
    pods: Iterable[Object],
    events: Iterable[Object],
) -> tuple[Finding, ...]:
    """Return what is wrong with a Deployment, the worst first, causes before symptoms.

    Args:
        deployment: the Deployment as the API returned it.
        replica_sets: those that it owns.
        pods: those that its ReplicaSets own; what several have in common is told once. Pods that
            are being deleted are left out: what was wrong with them goes with them.
        events: of events.k8s.io/v1 or core/v1, about any of these objects.
    """
    deployment = {"kind": "Deployment", **deployment}
    told = events_of(events)
    found = [
        *(each for pod in pods if not _leaving(pod) for each in in_pod(_kinded(pod), told)),
        *_refusals(deployment, [{"kind": "ReplicaSet", **it} for it in replica_sets], told),
        *_rollout(deployment),
        *_replicas(deployment),
    ]
    return ordered(found)


def _leaving(pod: Object) -> bool:
    return bool(text(pod, "metadata", "deletionTimestamp"))


def _kinded(pod: Object) -> Object:
    return {"kind": "Pod", **pod}


def _refusals(
    deployment: Object, replica_sets: Sequence[Object], events: Sequence[Event]
) -> Iterator[Finding]:
    """Tell why Pods could not be created: quota, admission, a missing ServiceAccount."""
    for owner in (deployment, *replica_sets):
        failure = condition(owner, "ReplicaFailure")
        if text(failure, "status") == "True":
            where = f"{name_of(owner)} status.conditions[ReplicaFailure].message"
            yield _refused(owner, text(failure, "message"), where)
            return
    if _ready(deployment) >= _wanted(deployment):
        return  # an old event; what it told of has been overcome
    for event in events:
        owners = [it for it in replica_sets if event.is_about(it)]
        if owners and event.reason == "FailedCreate" and event.warns:
            yield _refused(owners[0], event.note, f"Event/{event.name} note")
            return


def _refused(owner: Object, message: str, where: str) -> Finding:
    if "exceeded quota" in message:
        code, why = "quota_exceeded", "a quota is used up"
    elif "admission webhook" in message or "is forbidden" in message or "denied" in message:
        code, why = "admission_refused", "the API server refused them"
    else:
        code, why = "pods_not_created", "creating them failed"
    return finding(
        code,
        "critical",
        f"{called(owner)} cannot create its Pods: {why}. {said(message)}",
        {where: message},
    )


def _rollout(deployment: Object) -> Iterator[Finding]:
    name = name_of(deployment)
    progressing = condition(deployment, "Progressing")
    if text(progressing, "reason") == "ProgressDeadlineExceeded":
        deadline = at(deployment, "spec", "progressDeadlineSeconds")
        yield finding(
            "rollout_stuck",
            "critical",
            f"The rollout of {called(deployment)} made no progress within its deadline"
            f"{f' of {deadline} s' if deadline else ''}: {said(at(progressing, 'message'))}",
            {
                f"{name} status.conditions[Progressing].reason": at(progressing, "reason"),
                f"{name} status.conditions[Progressing].message": at(progressing, "message"),
            },
        )
    if at(deployment, "spec", "paused") is True:
        yield finding(
            "rollout_paused",
            "warning",
            f"{called(deployment)} is paused: changes of its Pod template are not rolled out.",
            {f"{name} spec.paused": True},
        )
    changed = number(deployment, "metadata", "generation")
    seen = number(deployment, "status", "observedGeneration")
    if seen < changed:
        yield finding(
            "not_yet_observed",
            "info",
            f"The controller has not yet seen the last change of {called(deployment)}.",
            {f"{name} metadata.generation": changed, f"{name} status.observedGeneration": seen},
        )


def _wanted(deployment: Object) -> int:
    return number(deployment, "spec", "replicas", default=1)


def _ready(deployment: Object) -> int:
    return number(deployment, "status", "readyReplicas")


def _replicas(deployment: Object) -> Iterator[Finding]:
    name, wanted, ready = name_of(deployment), _wanted(deployment), _ready(deployment)
    evidence = {f"{name} spec.replicas": wanted, f"{name} status.readyReplicas": ready}
    if wanted == 0:
        yield finding(
            "scaled_to_zero", "info", f"{called(deployment)} is scaled to 0 replicas.", evidence
        )
    elif ready < wanted:
        severity: Severity = "warning" if ready else "critical"
        code = "some_not_ready" if ready else "none_ready"
        yield finding(
            code,
            severity,
            f"{ready} of {wanted} replicas of {called(deployment)} are ready.",
            evidence,
        )
    updated = number(deployment, "status", "updatedReplicas")
    if ready and updated < wanted:
        yield finding(
            "rollout_in_progress",
            "info",
            f"{updated} of {wanted} replicas of {called(deployment)} are of the latest template.",
            {f"{name} status.updatedReplicas": updated, f"{name} spec.replicas": wanted},
        )
