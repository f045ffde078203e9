"""get_pod_logs: the end of one container's log."""

from shared.errors import Invalid, NotFound, Refusal
from shared.questions import LogsQuestion
from shared.results import LOG_BUDGET, LogsResult
from worker.cluster import Cluster, LogTail
from worker.reading import shapes
from worker.reading.budget import last_lines_within
from worker.reading.hygiene import clean_text
from worker.reading.missing import not_found
from worker.reading.presenting import fenced, hit_notes

_LINES_BEFORE = 100
_BYTES_BEFORE = 32 * 1024
"""Read but not shown: so much of what comes before lets redaction see whole keys."""


def logs(cluster: Cluster, question: LogsQuestion) -> LogsResult | Refusal:
    """At most `tail_lines` lines and 65,536 bytes, from a line's start, redacted and fenced."""
    container = question.container.strip()
    if not container:
        pod = _pod(cluster, question)
        if pod is None:
            return not_found("Pod", question.pod_name, question.namespace)
        names = container_names(pod)
        if len(pod.spec.containers) != 1:
            return _ambiguous(question.pod_name, names)
        container = pod.spec.containers[0].name
    try:
        tail = cluster.logs(
            question.namespace,
            question.pod_name,
            container=container,
            tail_lines=question.tail_lines + _LINES_BEFORE,
            previous=question.previous,
            limit_bytes=LOG_BUDGET + _BYTES_BEFORE,
        )
    except NotFound:
        return not_found("Pod", question.pod_name, question.namespace)
    except Invalid as fault:
        return _no_log(cluster, question, container, fault)
    return _result(question, container, tail)


def container_names(pod: shapes.Pod) -> list[str]:
    """All containers that can have a log, init containers last."""
    return [it.name for it in (*pod.spec.containers, *(pod.spec.init_containers or ()))]


def _pod(cluster: Cluster, question: LogsQuestion) -> shapes.Pod | None:
    return cluster.get_as(shapes.Pod, "Pod", question.namespace, question.pod_name)


def _result(question: LogsQuestion, container: str, tail: LogTail) -> LogsResult:
    text = tail.data.decode(errors="replace")
    if tail.cut:
        text = text.partition("\n")[2] or text
    cleaned, hits = clean_text(text)
    every = cleaned.removesuffix("\n").split("\n")
    wanted = every[-question.tail_lines :]
    shown = last_lines_within("\n".join(wanted), LOG_BUDGET)
    count = len(shown.split("\n")) if shown else 0
    is_cut = count < len(wanted) or len(shown) < len("\n".join(wanted))
    is_cut = is_cut or (tail.cut and len(every) < question.tail_lines)
    notes = hit_notes(hits)
    if is_cut:
        notes.append(
            f"Cut at {LOG_BUDGET // 1024} KiB, the newest are shown; ask for fewer tailLines."
        )
    which = "the previous run of " if question.previous else ""
    head = (
        f"Last {count} lines of {which}container {container} of Pod {question.pod_name}"
        f" in {question.namespace}."
        if count
        else f"The log of {which}container {container} of Pod {question.pod_name} is empty."
    )
    return LogsResult(
        namespace=question.namespace,
        pod=question.pod_name,
        container=container,
        previous=question.previous,
        lines=count,
        truncated=is_cut,
        log=fenced(shown, "pod log") if shown else "",
        notes=notes,
        text="\n".join([head, *(f"Note: {note}" for note in notes)]),
        hits=hits,
    )


def _no_log(cluster: Cluster, question: LogsQuestion, container: str, fault: Invalid) -> Refusal:
    """What the kubelet means by its 400."""
    pod = _pod(cluster, question)
    if pod is None:
        return not_found("Pod", question.pod_name, question.namespace)
    if container not in container_names(pod):
        return Refusal(
            code="unknown_container",
            message=f"Pod '{question.pod_name}' has no container '{container}'."
            f" Containers: {', '.join(container_names(pod))}.",
        )
    if question.previous:
        return Refusal(
            code="no_previous_log",
            message=f"Container '{container}' of Pod '{question.pod_name}' has no previous run"
            " whose log is kept. Ask with previous=false.",
        )
    if "waiting to start" in fault.message:
        return Refusal(
            code="no_log_yet",
            message=f"Container '{container}' of Pod '{question.pod_name}' has not started."
            " get_pod_diagnostics says why.",
        )
    raise fault


def _ambiguous(pod: str, names: list[str]) -> Refusal:
    return Refusal(
        code="container_required",
        message=f"Container name is required. Pod '{pod}' has several: {', '.join(names)}.",
    )
