"""What the status of one container says: crash loop, out of memory, image, configuration, probe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.manifests import JSON
from worker.findings.fields import Event, Object, at, called, fields, items, name_of, number, text
from worker.findings.finding import Finding, Severity, finding, said

_IMAGE_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CRASH_LOOP: Final = "CrashLoopBackOff"
_CREATING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_OUT_OF_MEMORY: Final = "OOMKilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a Pod: what was asked for, what became of it, and the Pod's events."""

    pod: Object
    listed_in: str
    spec: Object
    status: Object
    events: Sequence[Event]

    @property
    def name(self) -> str:
        return text(self.status, "name")

    @property
    def label(self) -> str:
        kind = "Init container" if self.listed_in.startswith("init") else "Container"
        return f"{kind} {self.name} of {called(self.pod)}"

    @property
    def specified(self) -> str:
        """The path of its specification in evidence."""
        listed_in = self.listed_in.replace("ontainerStatuses", "ontainers")
        return f"{name_of(self.pod)} spec.{listed_in}[{self.name}]"

    @property
    def waiting(self) -> Object:
        return fields(self.status, "state", "waiting")

    def evidence(self, *paths: str) -> dict[str, JSON]:
        """Return the values of fields of this status, under their full paths."""
        where = f"{name_of(self.pod)} status.{self.listed_in}[{self.name}]"
        return {f"{where}.{path}": at(self.status, *path.split(".")) for path in paths}


def containers_of(pod: Object, events: Sequence[Event]) -> Iterator[Container]:
    """Yield init containers, then containers, that have a status."""
    for listed_in, specified_in in (
        ("initContainerStatuses", "initContainers"),
        ("containerStatuses", "containers"),
    ):
        specs = {text(spec, "name"): spec for spec in items(pod, "spec", specified_in)}
        for status in items(pod, "status", listed_in):
            yield Container(
                pod=pod,
                listed_in=listed_in,
                spec=specs.get(text(status, "name"), {}),
                status=status,
                events=events,
            )


def of_container(container: Container) -> Iterator[Finding]:
    """Yield what is wrong with one container: at most one cause, and its failing probes."""
    reason = text(container.waiting, "reason")
    if reason in _IMAGE_REASONS:
        yield _image_not_pulled(container, reason)
    elif reason not in _CREATING and reason != _CRASH_LOOP:
        yield _cannot_start(container, reason)
    else:
        yield from _ended(container)
    yield from _probes(container)


def _image_not_pulled(container: Container, reason: str) -> Finding:
    image = text(container.spec, "image") or text(container.status, "image")
    pulls = (it for it in container.events if it.reason == "Failed" and image in it.note)
    event = next(pulls, None)
    detail = event.note if event else text(container.waiting, "message")
    detail = detail.removeprefix(f'Failed to pull image "{image}": ')
    evidence = container.evidence("state.waiting.reason")
    evidence[f"{container.specified}.image"] = image
    if event:
        evidence[f"Event/{event.name} note"] = event.note
    return finding(
        "image_pull_failed",
        "critical",
        f"{container.label} has no image: {said(image)} cannot be pulled ({said(reason)}). "
        f"{said(detail)}",
        evidence,
        (container.name, image),
    )


def _cannot_start(container: Container, reason: str) -> Finding:
    return finding(
        "container_config_error"
        if reason == "CreateContainerConfigError"
        else "container_cannot_start",
        "critical",
        f"{container.label} cannot be started ({said(reason)}): "
        f"{said(at(container.waiting, 'message'))}",
        container.evidence("state.waiting.reason", "state.waiting.message"),
        (container.name, reason, text(container.waiting, "message")),
    )


def _ended(container: Container) -> Iterator[Finding]:
    """Judge how the container last ended: now, or before it was started again."""
    for path in ("state", "lastState"):
        ended = fields(container.status, path, "terminated")
        if not ended:
            continue
        if text(ended, "reason") == _OUT_OF_MEMORY:
            yield _out_of_memory(container, f"{path}.terminated")
        elif _is_crash_loop(container):
            yield _crash_loop(container, f"{path}.terminated")
        elif number(ended, "exitCode"):
            yield _ended_with_error(container, f"{path}.terminated")
        return
    if _is_crash_loop(container):
        yield _crash_loop(container, "lastState.terminated")


def _is_crash_loop(container: Container) -> bool:
    return text(container.waiting, "reason") == _CRASH_LOOP


def _out_of_memory(container: Container, path: str) -> Finding:
    limit = text(container.spec, "resources", "limits", "memory")
    restarts = number(container.status, "restartCount")
    evidence = container.evidence(f"{path}.reason", f"{path}.exitCode", "restartCount")
    where = f"{container.specified}.resources.limits.memory"
    bound = (
        f"it reached its memory limit of {said(limit)}"
        if limit
        else "memory ran out, and it has no memory limit of its own"
    )
    return finding(
        "oom_killed",
        "warning" if at(container.status, "ready") is True else "critical",
        f"{container.label} was OOMKilled: {bound}. {_restarts(restarts)}",
        {**evidence, where: limit or None},
        (container.name,),
    )


def _crash_loop(container: Container, path: str) -> Finding:
    ended = fields(container.status, *path.split("."))
    code = at(ended, "exitCode")
    restarts = number(container.status, "restartCount")
    how = f"last exit code {code} ({said(at(ended, 'reason'))})" if ended else "no exit is recorded"
    if code == 0:
        how += ", a success, though it is expected to go on running"
    return finding(
        "crash_loop",
        "critical",
        f"{container.label} is in a crash loop: {how}. {_restarts(restarts)} "
        f"{said(at(ended, 'message'))}".rstrip(),
        container.evidence(
            "state.waiting.reason", f"{path}.exitCode", f"{path}.reason", "restartCount"
        ),
        (container.name, code),
    )


def _ended_with_error(container: Container, path: str) -> Finding:
    ended = fields(container.status, *path.split("."))
    code, restarts = at(ended, "exitCode"), number(container.status, "restartCount")
    again = path.startswith("lastState")
    said_of_end = f"exit code {code} ({said(at(ended, 'reason'))})"
    return finding(
        "container_restarted" if again else "terminated_with_error",
        _severity(container) if again else "critical",
        f"{container.label} ended with {said_of_end}{' and was started again' * again}. "
        f"{_restarts(restarts)} {said(at(ended, 'message'))}".rstrip(),
        container.evidence(f"{path}.exitCode", f"{path}.reason", "restartCount"),
        (container.name, code),
    )


def _severity(container: Container) -> Severity:
    """Judge a restart: of a container that serves again it is history."""
    return "info" if at(container.status, "ready") is True else "warning"


def _restarts(count: int) -> str:
    return f"It was restarted {count} time{'s' * (count != 1)}."


# Probes

_PROBES: Final = {
    "Liveness": "livenessProbe",
    "Readiness": "readinessProbe",
    "Startup": "startupProbe",
}


def _probes(container: Container) -> Iterator[Finding]:
    """Judge a container that runs but is not ready; of a ready one, a failing liveness probe.

    An init container is not ready while it runs, unless it is a sidecar.
    """
    is_init = container.listed_in.startswith("init")
    if is_init and text(container.spec, "restartPolicy") != "Always":
        return
    if at(container.status, "state", "running") is None:
        return
    ready = at(container.status, "ready") is True
    failures = {
        probe: event
        for event in reversed(container.events)
        if event.reason == "Unhealthy" and event.container in {container.name, ""}
        for probe in _PROBES
        if event.note.startswith(f"{probe} probe")
    }
    for probe, event in failures.items():
        if not ready or probe == "Liveness":
            yield _probe_fails(container, probe, event, ready=ready)
    if not ready and not failures:
        yield _not_ready(container)


def _probe_fails(container: Container, probe: str, event: Event, *, ready: bool) -> Finding:
    return finding(
        "probe_failing",
        "warning" if ready else "critical",
        f"{container.label} fails its {probe.lower()} probe ({event.count} time"
        f"{'s' * (event.count != 1)}): {said(event.note.partition(' failed: ')[2] or event.note)}",
        {
            **container.evidence("ready"),
            f"Event/{event.name} reason": event.reason,
            f"Event/{event.name} note": event.note,
        },
        (container.name, probe),
    )


def _not_ready(container: Container) -> Finding:
    probes = [probe for probe in _PROBES.values() if fields(container.spec, probe)]
    checked = f"it has {', '.join(probes)}" if probes else "it has no probe"
    return finding(
        "container_not_ready",
        "warning",
        f"{container.label} runs but is not ready; {checked}.",
        {**container.evidence("ready"), container.specified: ", ".join(probes) or "no probe"},
        (container.name,),
    )
