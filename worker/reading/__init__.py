"""Reading: the seven questions about a cluster, each answered by one module of this package.

`answer` is the worker's verb. It checks everything that the gateway has checked already, since a
worker trusts no message, and makes no call to Kubernetes for a question that is refused.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from shared.errors import Invalid, Refusal
from shared.questions import (
    DeploymentQuestion,
    EventsQuestion,
    LogsQuestion,
    PodQuestion,
    Question,
    ResourceQuestion,
    ServiceQuestion,
    StatusQuestion,
    question_from,
)
from shared.results import Result
from worker.cluster import Cluster
from worker.reading.diagnostics import (
    deployment_diagnostics,
    pod_diagnostics,
    service_diagnostics,
)
from worker.reading.happenings import events
from worker.reading.logs import logs
from worker.reading.resource import resource
from worker.reading.status import status

__all__ = [
    "answer",
    "deployment_diagnostics",
    "events",
    "logs",
    "pod_diagnostics",
    "resource",
    "service_diagnostics",
    "status",
]

_READINGS: Final[dict[type[Question], Callable[[Cluster, Any], Result | Refusal]]] = {
    StatusQuestion: status,
    EventsQuestion: events,
    LogsQuestion: logs,
    ResourceQuestion: resource,
    DeploymentQuestion: deployment_diagnostics,
    PodQuestion: pod_diagnostics,
    ServiceQuestion: service_diagnostics,
}


def answer(
    cluster: Cluster, tool: str, arguments: Mapping[str, object], *, allowed: Iterable[str]
) -> Result | Refusal:
    """The result of a read tool, cleaned and within its budget, or why there is none.

    `arguments` have the tool's own names; `allowed` are the namespaces that this worker serves.
    Raises ClusterFault.
    """
    question = question_from(tool, arguments)
    if isinstance(question, Refusal):
        return question
    if (refusal := question.refusal(allowed)) is not None:
        return refusal
    try:
        return _READINGS[type(question)](cluster, question)
    except Invalid as fault:
        return Refusal(code="invalid_query", message=f"The API server refused it: {fault.message}")
