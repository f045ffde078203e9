"""Refusals and faults: the two ways in which InfraGate does not do what was asked.

A refusal is a value: the caller asked for something that is not allowed, does not exist or makes no
sense, and the reason says what to do next. A fault is an exception: something of ours, or something
that we depend on, did not work. Only `api.answers` turns either into HTTP statuses or MCP errors.
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something is not done, in words that an agent or a person can act on.

    `code` is stable snake_case; `message` says what is wrong and what to do next and never holds a
    secret or a value from the cluster that was not redacted; `details` are short extra facts
    (document number, field path, rule id) for structured answers.
    """

    code: str
    message: str
    details: dict[str, str] = field(default_factory=dict)


class Fault(Exception):  # noqa: N818 - a fault, as opposed to a refusal; `Error` would blur the two
    """Superclass of everything that goes wrong on our side. Never raised directly.

    `code` is what answers and audit records carry; the text is safe to show to an agent.
    """

    code: ClassVar[str] = "internal_fault"
    retry_after: ClassVar[int | None] = None
    """Seconds after which it is worth trying again; None when it is not."""


class RedisUnavailable(Fault):
    """Redis did not answer in time or refused the connection."""

    code = "redis_unavailable"
    retry_after = 5


class NoWorker(Fault):
    """No live worker serves the queue that the call needs."""

    code = "no_worker"
    retry_after = 10


class WorkerTimeout(Fault):
    """A worker took the call, or may have, and did not answer before the deadline."""

    code = "worker_timeout"
    retry_after = 5


class ClocksDiffer(Fault):
    """A worker took the call after its deadline, by its own clock, and somebody still waits."""

    code = "clocks_differ"


class CallerLeft(Fault):
    """Nobody waits for the answer any more; what was asked is left as it is."""

    code = "caller_left"


class QueueFull(Fault):
    """The queue is so long that the call could not be answered in time."""

    code = "queue_full"
    retry_after = 5


class ShareFull(QueueFull):
    """As many calls of this subject wait as may; others still find room."""

    retry_after = 1


class BadConfiguration(Fault):
    """A setting, a key file or the policy cannot be used; the process must not go on."""

    code = "bad_configuration"


class AuditUnavailable(Fault):
    """The audit log cannot be written, so nothing that must be recorded may happen."""

    code = "audit_unavailable"


class ClusterFault(Fault):
    """Superclass of what goes wrong between a worker and the Kubernetes API. Never raised directly.

    `message` is our translation; of the server's own words at most 256 characters survive, and only
    when they came in a `Status` object (other bodies can hold anything).
    """

    code = "cluster_fault"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class ClusterUnreachable(ClusterFault):
    """No connection, a broken one, or a 5xx answer: whether a write took effect is unknown."""

    code = "cluster_unreachable"
    retry_after = 5


class ClusterTimeout(ClusterUnreachable):
    """The API server did not answer in time: whether a write took effect is unknown."""

    code = "cluster_timeout"


class ClusterThrottled(ClusterFault):
    """429: nothing was done; the server asked for patience."""

    code = "cluster_throttled"
    retry_after = 2


class Unauthorized(ClusterFault):
    """401: the worker's credentials are not accepted (expired token, wrong cluster)."""

    code = "cluster_unauthorized"


class Forbidden(ClusterFault):
    """403 by RBAC: the worker's identity lacks a verb on a resource."""

    code = "forbidden_by_rbac"


class AdmissionDenied(ClusterFault):
    """403, 422 or 400 by an admission webhook, policy or quota."""

    code = "denied_by_admission"


class NotFound(ClusterFault):
    """404: no such object (or no such API on this server)."""

    code = "not_found"


class AlreadyExists(ClusterFault):
    """409 on create: an object of that name is there."""

    code = "already_exists"


class Conflict(ClusterFault):
    """409 on a write: a precondition failed, or other field managers own the fields."""

    code = "conflict"


class Invalid(ClusterFault):
    """400 or 422: the server's validation refused the object."""

    code = "invalid_object"
