"""The steps of a request as spans of a trace, if some tracer began one; else nothing at all.

Whoever works says `with span("plan read"):`. Outside of a trace that costs one look-up. What a span
can tell is a closed list of ids and enumerations (`Facts`): never arguments, names of objects,
texts of exceptions or tokens. No OpenTelemetry is imported here: `shared.otel` has the tracer that
exports. The current span is kept here and not by OpenTelemetry, whose own is shared by every
library in the process and can be set by what a client sends (`mcp` takes `traceparent` from it).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import wraps
from types import TracebackType
from typing import Final, ParamSpec, Protocol, TypedDict, TypeVar, Unpack

from shared.codes import OTHER
from shared.errors import Fault, Refusal

TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00, section 3.2: trace id, span id and flags."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:{}-]{1,128}")
"""Ids, codes, names of Kubernetes and templates of URLs; nothing that somebody could have said."""

P = ParamSpec("P")
T = TypeVar("T")


class Kind(Enum):
    """What a span is to the process that it is in, as OpenTelemetry counts."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


class Facts(TypedDict, total=False):
    """All that a span may tell. `error` is a code, and marks the span as failed."""

    tool: str
    outcome: str
    request: str
    call: str
    queue: str
    verb: str
    role: str
    plan: str
    namespace: str
    cluster: str
    method: str
    template: str
    status: int
    server: str
    port: int
    error: str


class Span(Protocol):
    """One step, from its beginning until `end`."""

    @property
    def traceparent(self) -> str:
        """The span as W3C Trace Context, for a process that goes on with it."""
        ...

    def note(self, **facts: Unpack[Facts]) -> None:
        """Adds to what the span tells."""
        ...

    def child(self, name: str, kind: Kind, **facts: Unpack[Facts]) -> "Span":
        """Begins a step of this one."""
        ...

    def end(self) -> None:
        """Ends it; once."""
        ...


class Tracer(Protocol):
    """Begins what has no span above it in this process."""

    def begin(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None = None,
        links: Sequence[str] = (),
        since_ns: int | None = None,
        **facts: Unpack[Facts],
    ) -> Span:
        """Begins a span, at `since_ns` of the epoch if that is given.

        `parent` is the `traceparent` that it goes on with, None for a new trace; `links` are those
        of others that have to do with it and that we do not believe.
        """
        ...


class Nothing(AbstractContextManager["Nothing"]):
    """A span of no trace."""

    traceparent = ""

    def note(self, **facts: Unpack[Facts]) -> None:
        """Does nothing."""

    def child(self, name: str, kind: Kind, **facts: Unpack[Facts]) -> "Nothing":  # noqa: ARG002
        """Returns itself."""
        return self

    def end(self) -> None:
        """Does nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Does nothing."""


NOTHING: Final = Nothing()

_current: ContextVar[Span] = ContextVar("infragate_span", default=NOTHING)


def current() -> Span:
    """Returns the innermost span that is not ended; outside of a trace one that does nothing."""
    return _current.get()


def trace_id() -> str:
    """Returns the id of the trace that the current span is part of; empty outside of one."""
    return _current.get().traceparent[3:35]


def span(
    name: str, kind: Kind = Kind.INTERNAL, **facts: Unpack[Facts]
) -> AbstractContextManager[Span]:
    """Returns a step of the current span; it lasts while the `with` block runs."""
    above = _current.get()
    return NOTHING if above is NOTHING else within(above.child(name, kind, **facts))


@contextmanager
def within(begun: Span) -> Iterator[Span]:
    """While this lasts `begun` is the current span, also in tasks started meanwhile; then it ends.

    An exception is told by the code of its fault, never by its text.
    """
    token = _current.set(begun)
    try:
        yield begun
    except Fault as fault:
        begun.note(error=fault.code)
        raise
    except BaseException:
        begun.note(error=OTHER)
        raise
    finally:
        _current.reset(token)
        begun.end()


def step(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Makes each run of a function a span; if it returns a refusal, its code is the outcome."""

    def stepping(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def stepped(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(name) as begun:
                result = function(*args, **kwargs)
                if isinstance(result, Refusal):
                    begun.note(outcome=result.code)
                return result

        return stepped

    return stepping


def plain(value: str | int) -> str | int:
    """Returns a fact as it may be told: a text that reads like more than a name is `other`."""
    return value if isinstance(value, int) or _PLAIN.fullmatch(value) else OTHER
