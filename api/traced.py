"""Where a trace begins: at a tool call of somebody whom the edge let in.

A client's own `traceparent` becomes a link: our trace and whether it is kept are our choice, or
any client could add to somebody else's trace and have all of its calls recorded, or none.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.replies import headers_named
from shared import request_ids
from shared.tracing import NOTHING, TRACEPARENT, Kind, Span, Tracer, within

TRACEPARENT_META: Final = "traceparent"
"""In `_meta` of a request (MCP, SEP-414) and as a header (W3C Trace Context)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A request that came at `at_ns` of the epoch, and what its header said of a trace."""

    tracer: Tracer
    at_ns: int
    said: tuple[str, ...]


_arrival: ContextVar[_Arrival | None] = ContextVar("arrival", default=None)


class Traced:
    """Remembers when a request came, for the span of its tool call."""

    def __init__(
        self, app: ASGIApp, tracer: Tracer, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._app = app
        self._tracer = tracer
        self._clock_ns = clock_ns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = tuple(
            each.decode("latin-1") for each in headers_named(scope, TRACEPARENT_META.encode())
        )
        arrival = _Arrival(tracer=self._tracer, at_ns=self._clock_ns(), said=said)
        token = _arrival.set(arrival)
        try:
            await self._app(scope, receive, send)
        finally:
            _arrival.reset(token)


@contextmanager
def tool_call(tool: str, meta: Mapping[str, Any] | None) -> Iterator[Span]:
    """Makes the block the span of a tool call, from its arrival on; `tool` is one of ours.

    `meta` is `_meta` of the request.
    """
    arrival = _arrival.get()
    if arrival is None:
        yield NOTHING
        return
    said = (*arrival.said, str((meta or {}).get(TRACEPARENT_META)))
    begun = arrival.tracer.begin(
        f"tools/call {tool}",
        Kind.SERVER,
        links=sorted({each for each in said if TRACEPARENT.fullmatch(each)}),
        since_ns=arrival.at_ns,
        tool=tool,
        request=request_ids.current(),
    )
    with within(begun):
        yield begun
