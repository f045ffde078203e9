"""What may be asked of a cluster by reading it, and why a question is refused. Pure.

The gateway asks these functions before it queues a call and the worker asks them again before it
calls Kubernetes, so neither trusts the other. Agents know the messages; they never change.
Order of checks: namespace, name, bounds, kind, selector syntax.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import ClassVar, Final, TypeAlias

from shared.errors import Refusal
from shared.selectors import field_selector_refusal, label_selector_refusal

KINDS: Final = ("Deployment", "ReplicaSet", "Pod", "Service", "ConfigMap")
"""What can be read by name, in the order in which messages list them."""

MAX_STATUS_LIMIT: Final = 500
MAX_LIMIT: Final = 100
MAX_TAIL_LINES: Final = 500

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAX_NAME: Final = 253
_SHOWN: Final = 64

Namespaces: TypeAlias = Iterable[str]


def namespace_refusal(namespace: str, allowed: Namespaces) -> Refusal | None:
    """None when `namespace` is one of those that the workers serve; an empty list allows none."""
    if not namespace.strip():
        return Refusal(code="namespace_required", message="Namespace is required.")
    names = sorted(set(allowed))
    if namespace in names:
        return None
    return Refusal(
        code="namespace_not_allowed",
        message=f"Namespace '{_shown(namespace)}' is not allowed."
        f" Allowed namespaces: {', '.join(names) or '(none)'}.",
    )


def name_refusal(name: str, *, what: str = "Resource name") -> Refusal | None:
    """None when `name` is an RFC 1123 subdomain of at most 253 characters."""
    if not name.strip():
        return Refusal(code="name_required", message=f"{what} is required.")
    if len(name) <= _MAX_NAME and all(_LABEL.fullmatch(part) for part in name.split(".")):
        return None
    return Refusal(
        code="invalid_name",
        message=f"{what} '{_shown(name)}' is not valid: lower-case letters, digits, '-' and '.',"
        f" at most {_MAX_NAME} characters, as Kubernetes has it (RFC 1123).",
    )


def limit_refusal(limit: int, maximum: int = MAX_LIMIT) -> Refusal | None:
    """None when 1 <= limit <= maximum."""
    if 1 <= limit <= maximum:
        return None
    return Refusal(code="invalid_limit", message=f"Limit must be between 1 and {maximum}.")


def kind_of(kind: str) -> str | Refusal:
    """The kind in Kubernetes' spelling, whatever the case in which it was asked for."""
    for known in KINDS:
        if known.casefold() == kind.strip().casefold():
            return known
    return Refusal(
        code="unsupported_kind",
        message=f"Unsupported resource kind '{_shown(kind)}'. Supported kinds: {', '.join(KINDS)}.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuestion:
    """get_k8s_status: what is in a namespace."""

    tool: ClassVar[str] = "get_k8s_status"

    namespace: str
    label_selector: str = ""
    limit: int = 100

    def refusal(self, allowed: Namespaces) -> Refusal | None:
        """Why it is not asked; None when it may be."""
        return _first(
            namespace_refusal(self.namespace, allowed),
            limit_refusal(self.limit, MAX_STATUS_LIMIT),
            _unless_empty(label_selector_refusal, self.label_selector),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsQuestion:
    """get_k8s_events: what happened lately in a namespace."""

    tool: ClassVar[str] = "get_k8s_events"

    namespace: str
    label_selector: str = ""
    field_selector: str = ""
    limit: int = 50

    def refusal(self, allowed: Namespaces) -> Refusal | None:
        """Why it is not asked; None when it may be."""
        return _first(
            namespace_refusal(self.namespace, allowed),
            limit_refusal(self.limit),
            _unless_empty(label_selector_refusal, self.label_selector),
            _unless_empty(field_selector_refusal, self.field_selector),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsQuestion:
    """get_pod_logs: the end of one container's log."""

    tool: ClassVar[str] = "get_pod_logs"

    namespace: str
    pod_name: str
    container: str = ""
    tail_lines: int = 200
    previous: bool = False

    def refusal(self, allowed: Namespaces) -> Refusal | None:
        """Why it is not asked; None when it may be."""
        return _first(
            namespace_refusal(self.namespace, allowed),
            name_refusal(self.pod_name),
            _unless_empty(_container_refusal, self.container),
            _tail_refusal(self.tail_lines),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceQuestion:
    """get_k8s_resource: one object, summarized."""

    tool: ClassVar[str] = "get_k8s_resource"

    namespace: str
    kind: str
    name: str

    def refusal(self, allowed: Namespaces) -> Refusal | None:
        """Why it is not asked; None when it may be."""
        return _first(
            namespace_refusal(self.namespace, allowed),
            name_refusal(self.name),
            kind if isinstance(kind := kind_of(self.kind), Refusal) else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _AboutOne:
    """What the three diagnostics have in common."""

    namespace: str
    name: str
    limit: int = 50

    def refusal(self, allowed: Namespaces) -> Refusal | None:
        """Why it is not asked; None when it may be."""
        return _first(
            namespace_refusal(self.namespace, allowed),
            name_refusal(self.name),
            limit_refusal(self.limit),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentQuestion(_AboutOne):
    """get_deployment_diagnostics: a Deployment, what it made, and what is wrong with it."""

    tool: ClassVar[str] = "get_deployment_diagnostics"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodQuestion:
    """get_pod_diagnostics: a Pod and what is wrong with it."""

    tool: ClassVar[str] = "get_pod_diagnostics"

    namespace: str
    pod_name: str
    limit: int = 50

    def refusal(self, allowed: Namespaces) -> Refusal | None:
        """Why it is not asked; None when it may be."""
        return _first(
            namespace_refusal(self.namespace, allowed),
            name_refusal(self.pod_name),
            limit_refusal(self.limit),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceQuestion(_AboutOne):
    """get_service_diagnostics: a Service, what it leads to, and what is wrong with it."""

    tool: ClassVar[str] = "get_service_diagnostics"


Question: TypeAlias = (
    StatusQuestion
    | EventsQuestion
    | LogsQuestion
    | ResourceQuestion
    | DeploymentQuestion
    | PodQuestion
    | ServiceQuestion
)

QUESTIONS: Final[dict[str, type[Question]]] = {
    question.tool: question
    for question in (
        StatusQuestion,
        EventsQuestion,
        LogsQuestion,
        ResourceQuestion,
        DeploymentQuestion,
        PodQuestion,
        ServiceQuestion,
    )
}
"""The read tools that call Kubernetes, by name."""


def question_from(tool: str, arguments: Mapping[str, object]) -> Question | Refusal:
    """The question that a read call asks; `arguments` have the tool's own (camelCase) names.

    An argument that is None counts as absent. Refused: an unknown tool, an unknown argument, one
    of another type. What the arguments say is for `refusal` to judge.
    """
    shape = QUESTIONS.get(tool)
    if shape is None:
        return Refusal(code="unknown_tool", message=f"'{_shown(tool)}' is not a read tool.")
    given = {name: value for name, value in arguments.items() if value is not None}
    wanted = {_camel(field.name): field for field in fields(shape)}
    for name, value in given.items():
        if name not in wanted:
            return _malformed(f"There is no argument '{_shown(name)}'.")
        if type(value) is not wanted[name].type:  # strict: True is not an int here
            return _malformed(f"Argument '{name}' has the wrong type.")
    values = {field.name: given[name] for name, field in wanted.items() if name in given}
    missing = {field.name: "" for field in wanted.values() if field.default is MISSING}
    return shape(**{**missing, **values})  # type: ignore[arg-type]  # types are checked above


def arguments_of(question: Question) -> dict[str, str | int | bool]:
    """The question as the arguments of its tool; `question_from` reads it back."""
    return {_camel(field.name): getattr(question, field.name) for field in fields(question)}


def _first(*checks: Refusal | None) -> Refusal | None:
    """The first refusal in order."""
    return next((check for check in checks if check is not None), None)


def _malformed(message: str) -> Refusal:
    return Refusal(code="invalid_arguments", message=message)


def _container_refusal(container: str) -> Refusal | None:
    if _LABEL.fullmatch(container):
        return None
    return Refusal(
        code="invalid_name",
        message=f"Container name '{_shown(container)}' is not valid: lower-case letters, digits"
        " and '-', at most 63 characters (RFC 1123).",
    )


def _tail_refusal(lines: int) -> Refusal | None:
    if 1 <= lines <= MAX_TAIL_LINES:
        return None
    message = f"TailLines must be between 1 and {MAX_TAIL_LINES}."
    return Refusal(code="invalid_tail_lines", message=message)


def _unless_empty(check: Callable[[str], Refusal | None], text: str) -> Refusal | None:
    """An optional argument: agents send the empty string when they mean none."""
    return check(text) if text.strip() else None


def _shown(text: str) -> str:
    """The caller's own words, short and printable, for a message."""
    printable = "".join(c if c.isprintable() else "?" for c in text[: _SHOWN + 1])
    return printable if len(printable) <= _SHOWN else printable[:_SHOWN] + "…"


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
