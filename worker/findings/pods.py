"""What a Pod's own status says: not scheduled, created or kept; then what its containers say."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from worker.findings.containers import containers_of, of_container
from worker.findings.fields import (
    Event,
    Object,
    at,
    called,
    condition,
    events_of,
    items,
    name_of,
    text,
)
from worker.findings.finding import Finding, finding, ordered, said

_STUCK: Final = frozenset(
    {
        "FailedMount",
        "FailedAttachVolume",
        "FailedCreatePodSandBox",
        "FailedCreatePodContainer",
        "NetworkNotReady",
        "FailedMapVolume",
    }
)
"""Events of a Pod whose containers cannot be created yet."""


def of_pod(pod: Object, events: Iterable[Object]) -> tuple[Finding, ...]:
    """Return what is wrong with a Pod, the worst first.

    Args:
        pod: the Pod as the API returned it.
        events: of events.k8s.io/v1 or core/v1; those of other objects are ignored.
    """
    kinded = {"kind": "Pod", **pod}
    return ordered([*in_pod(kinded, events_of(events)), *_deletion(kinded)])


def in_pod(pod: Object, events: Sequence[Event]) -> Iterator[Finding]:
    """Yield what is wrong with one Pod, unordered; `events` newest first."""
    own = [event for event in events if event.is_about(pod)]
    yield from _scheduling(pod, own)
    yield from _end(pod)
    yield from _creation(pod, own)
    for container in containers_of(pod, own):
        yield from of_container(container)
    yield from _gates(pod)


def _scheduling(pod: Object, events: Sequence[Event]) -> Iterator[Finding]:
    scheduled = condition(pod, "PodScheduled")
    if text(scheduled, "status") != "False":
        return
    where = f"{name_of(pod)} status.conditions[PodScheduled]"
    evidence = {f"{where}.{key}": at(scheduled, key) for key in ("reason", "message")}
    why = text(scheduled, "message")
    event = next((it for it in events if it.reason == "FailedScheduling"), None)
    if event and not why:
        why, evidence[f"Event/{event.name} note"] = event.note, event.note
    yield finding(
        "unschedulable",
        "critical",
        f"{called(pod)} is on no node ({said(at(scheduled, 'reason'))}): {said(why)}",
        evidence,
        (text(scheduled, "reason"), why),
    )


def _end(pod: Object) -> Iterator[Finding]:
    """Judge a Pod that failed as a whole: evicted, preempted, lost with its node."""
    phase, reason = text(pod, "status", "phase"), text(pod, "status", "reason")
    if phase in {"Failed", "Unknown"}:
        paths = ("phase", "reason", "message")
        yield finding(
            "pod_failed",
            "critical",
            f"{called(pod)} is {said(phase)}{f' ({said(reason)})' if reason else ''}. "
            f"{said(at(pod, 'status', 'message'))}".rstrip(),
            {f"{name_of(pod)} status.{path}": at(pod, "status", path) for path in paths},
            (phase, reason),
        )


def _creation(pod: Object, events: Sequence[Event]) -> Iterator[Finding]:
    """Judge a Pod that waits for its containers, when an event says what for."""
    waiting = [
        status
        for listed in ("initContainerStatuses", "containerStatuses")
        for status in items(pod, "status", listed)
        if text(status, "state", "waiting", "reason") in {"ContainerCreating", "PodInitializing"}
    ]
    event = next((it for it in events if it.warns and it.reason in _STUCK), None)
    if not waiting or not event:
        return
    yield finding(
        "pod_stuck_creating",
        "critical",
        f"{called(pod)} waits for its containers ({said(event.reason)}, {event.count} time"
        f"{'s' * (event.count != 1)}): {said(event.note)}",
        {
            f"{name_of(pod)} status.containerStatuses[{text(waiting[0], 'name')}]"
            ".state.waiting.reason": at(waiting[0], "state", "waiting", "reason"),
            f"Event/{event.name} note": event.note,
        },
        (event.reason,),
    )


def _gates(pod: Object) -> Iterator[Finding]:
    ready = condition(pod, "Ready")
    if text(ready, "reason") == "ReadinessGatesNotReady":
        yield finding(
            "readiness_gate",
            "warning",
            f"{called(pod)} waits for a readiness gate: {said(at(ready, 'message'))}",
            {f"{name_of(pod)} status.conditions[Ready].message": at(ready, "message")},
        )


def _deletion(pod: Object) -> Iterator[Finding]:
    since = text(pod, "metadata", "deletionTimestamp")
    finalizers = at(pod, "metadata", "finalizers")
    if since:
        held = f", held by {_listed(finalizers)}" if finalizers else ""
        where = f"{name_of(pod)} metadata"
        yield finding(
            "pod_terminating",
            "info",
            f"{called(pod)} is being deleted: its time is up at {said(since)}{held}.",
            {f"{where}.deletionTimestamp": since, f"{where}.finalizers": finalizers},
        )


def _listed(value: object) -> str:
    return said(", ".join(map(str, value))) if isinstance(value, list) else ""
