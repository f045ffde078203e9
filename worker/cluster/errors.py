"""Turns what the API server answered into our faults. No I/O, and no raw body survives it.

Only the message of a `Status` object is passed on, cleaned and cut at 256 characters; other bodies
(a proxy's page, a webhook's stack trace) can hold anything and are dropped. How Kubernetes words
its refusals: k8s.io/apimachinery/pkg/api/errors and k8s.io/apiserver.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from shared import errors as faults

MESSAGE_LIMIT: Final = 256
CAUSES_LIMIT: Final = 20

_RBAC = re.compile(
    r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[^"]{1,100})"'
    r'(?: in API group "(?P<group>[^"]{0,100})")?'
    r'(?: in the namespace "(?P<namespace>[^"]{0,63})")?'
)
_STRICT = re.compile(r'(unknown|duplicate) field "([^"]{1,200})"')
_MANAGER = re.compile(r'conflict with "([^"]{1,200})"')
_NOT_PATCHABLE = "the server rejected our request due to an error in our request"
_POLICY = re.compile(
    r"ValidatingAdmissionPolicy '(?P<policy>[^']{1,253})'(?: with binding '[^']{1,253}')?"
    r" denied request: (?P<why>.+)",
    re.DOTALL,
)
_ADMISSION = ("admission webhook", "ValidatingAdmissionPolicy", "failed calling webhook")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConflict:
    """A field of a server-side apply that another manager owns."""

    manager: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCause:
    """One reason why an object is invalid: the field's path and the server's words."""

    field: str
    message: str


class ApplyConflict(faults.Conflict):
    """Server-side apply without force met fields of other managers; `causes` names them."""

    def __init__(self, message: str, *, causes: tuple[FieldConflict, ...]) -> None:
        super().__init__(message, status=409)
        self.causes = causes


class InvalidObject(faults.Invalid):
    """The server's validation refused the object; `causes` are the fields, when it named them."""

    def __init__(
        self, message: str, *, status: int | None = None, causes: tuple[FieldCause, ...] = ()
    ) -> None:
        super().__init__(message, status=status)
        self.causes = causes


class MissingPermission(faults.Forbidden):
    """RBAC refused: the worker's identity lacks `verb` on `resource` (as `deployments.apps`)."""

    def __init__(self, message: str, *, verb: str = "", resource: str = "") -> None:
        super().__init__(message, status=403)
        self.verb = verb
        self.resource = resource


class NotSent(faults.ClusterUnreachable):
    """No connection could be made, so nothing was sent: a write certainly did not happen."""


class ListExpired(faults.ClusterFault):
    """410: the snapshot behind a paged list or a watch is gone; start again."""

    code = "list_expired"


class _Cause(msgspec.Struct):
    reason: str | None = None
    message: str | None = None
    field: str | None = None


class _Details(msgspec.Struct, rename="camel"):
    causes: list[_Cause] | None = None
    retry_after_seconds: int | None = None


class Status(msgspec.Struct):
    """The parts of a `Status` object that are used (meta/v1, `kind: Status`)."""

    kind: str = ""
    message: str | None = None
    reason: str | None = None
    details: _Details | None = None


_decoder = msgspec.json.Decoder(Status)


def fault_of(status: int, body: bytes, *, verb: str = "") -> faults.ClusterFault:
    """The fault for an HTTP answer of 300 or above.

    `verb` is what we tried (`patch`, `apply`, …); it settles what a 422 to a JSON Patch means.
    """
    answer = _status_of(body)
    message = cleaned_message(answer.message or "") or f"The API server answered {status}."
    if found := _POLICY.search(answer.message or ""):
        why = f"The cluster's admission policy '{found['policy']}' refused it: {found['why']}"
        return faults.AdmissionDenied(cleaned_message(why), status=status)
    if _by_admission(answer):
        return faults.AdmissionDenied(message, status=status)
    if fixed := _FIXED.get(status):
        return fixed[0](fixed[1], status=status)
    if status in (400, 422):
        return _invalid(answer, message, status, verb)
    if worded := _WORDED.get(status):
        return worded(answer, message)
    return _server_side(answer, message, status)


def cleaned_message(text: str) -> str:
    """`text` on one line, without control and invisible characters, at most 256 characters."""
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[:2048])
    line = " ".join(visible.split())
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def _status_of(body: bytes) -> Status:
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return Status()
    return answer if answer.kind == "Status" else Status()


def _by_admission(answer: Status) -> bool:
    message = answer.message or ""
    return any(word in message for word in _ADMISSION) and (
        "denied" in message or "failed calling webhook" in message
    )


def _forbidden(_: Status, message: str) -> faults.ClusterFault:
    """RBAC names verb and resource; every other 403 of an API server comes from admission."""
    if found := _RBAC.search(message):
        group = found["group"]
        resource = f"{found['resource']}.{group}" if group else found["resource"]
        where = f" in namespace {found['namespace']}" if found["namespace"] else ""
        return MissingPermission(
            f"RBAC: this worker's identity may not {found['verb']} {resource}{where}."
            " Ask the operator to grant it.",
            verb=found["verb"],
            resource=resource,
        )
    return faults.AdmissionDenied(message, status=403)


def _conflict(answer: Status, message: str) -> faults.ClusterFault:
    if answer.reason == "AlreadyExists":
        return faults.AlreadyExists(message, status=409)
    causes = tuple(
        FieldConflict(manager=_manager(cause.message or ""), field=cleaned_message(cause.field))
        for cause in _causes(answer)
        if cause.reason == "FieldManagerConflict" and cause.field
    )
    if causes:
        return ApplyConflict(message, causes=causes)
    return faults.Conflict(message, status=409)


def _manager(message: str) -> str:
    found = _MANAGER.search(message)
    return cleaned_message(found[1]) if found else "unknown"


def _invalid(answer: Status, message: str, status: int, verb: str) -> faults.ClusterFault:
    if status == 422 and verb == "patch" and _NOT_PATCHABLE in message:  # noqa: PLR2004 - HTTP
        # The API server does not say which operation failed; ours begin with `test` operations,
        # and their failure is what this answer means.
        return faults.Conflict(
            "The object is no longer what the patch expects; a precondition failed.", status=status
        )
    named = tuple(
        FieldCause(field=cleaned_message(cause.field), message=cleaned_message(cause.message or ""))
        for cause in _causes(answer)
        if cause.field
    )
    return InvalidObject(message, status=status, causes=named or _strict_causes(answer))


def _strict_causes(answer: Status) -> tuple[FieldCause, ...]:
    """Strict decoding names its fields in the message only."""
    found = _STRICT.findall((answer.message or "")[:8192])
    return tuple(
        FieldCause(field=cleaned_message(field), message=f"{word} field")
        for word, field in found[:CAUSES_LIMIT]
    )


def _causes(answer: Status) -> list[_Cause]:
    return ((answer.details and answer.details.causes) or [])[:CAUSES_LIMIT]


def _server_side(answer: Status, message: str, status: int) -> faults.ClusterFault:
    if "failed to create typed patch object" in (answer.message or ""):
        return InvalidObject(message, status=status)  # what servers before 1.22 say, with a 500
    if status == 504 or answer.reason == "Timeout":  # noqa: PLR2004 - HTTP
        return faults.ClusterTimeout("The API server ran out of time.", status=status)
    if status >= 500:  # noqa: PLR2004 - HTTP
        return faults.ClusterUnreachable(
            f"The API server could not do it (HTTP {status}).", status=status
        )
    return faults.ClusterFault(message, status=status)


_FIXED: Final[dict[int, tuple[type[faults.ClusterFault], str]]] = {
    401: (faults.Unauthorized, "The cluster does not accept this worker's credentials."),
    429: (faults.ClusterThrottled, "The API server asks for patience; nothing was done."),
}

_WORDED: Final[dict[int, Callable[[Status, str], faults.ClusterFault]]] = {
    403: _forbidden,
    404: lambda _, message: faults.NotFound(message, status=404),
    409: _conflict,
    410: lambda _, message: ListExpired(message, status=410),
}
