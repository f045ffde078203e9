"""What gateway and approval pages count and time. Recorded at the doors; decides nothing.

Labels hold what this module or a table of constants knows, nothing that a caller chose.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, get_args

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.codes import CODES, OTHER, known
from shared.messages import Role
from shared.metrics import LATENCY_S, SHORT_S, new_registry

UNKNOWN_TOOL: Final = "unknown"
WAITS_FOR_PEOPLE: Final = "apply_approved_plan"
"""Its time is mostly a person's, so it says nothing about the edge."""

Limit = Literal["rate", "at_a_time", "share_of_queue", "queue"]
"""Of what there was too much: the first three are a subject's own."""

_OUTCOMES: Final = CODES | {"ok", "error", "person_asked"}
_METHODS: Final = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class _Passage:
    """One request on its way through this process; `elsewhere_s` of it others had it."""

    began: float
    elsewhere_s: float = 0.0


_passage: ContextVar[_Passage | None] = ContextVar("passage", default=None)


def known_outcome(outcome: str) -> str:
    """Returns the outcome of a tool call as it may be shown: codes of workers may be anything."""
    return outcome if outcome in _OUTCOMES else OTHER


class Metrics:
    """The figures of one process that agents or people come to."""

    def __init__(
        self,
        process: str = "gateway",
        *,
        tools: Collection[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`process` is what it serves (all, gateway, approvals); `tools` are the names of all."""
        self._monotonic = monotonic
        self.registry = registry = new_registry(process)
        self._tools = frozenset(tools)
        self._calls = Counter(
            "infragate_tool_calls",
            "Answered tool calls of agents. The outcome is ok, or the code of the refusal or fault "
            "as docs/tools.md lists it.",
            ("tool", "outcome"),
            registry=registry,
        )
        self._call_s = Histogram(
            "infragate_tool_call_seconds",
            "Time from a tool call's arrival in the tool layer to its result; "
            "apply_approved_plan includes the time in which a person decides.",
            ("tool",),
            buckets=LATENCY_S,
            registry=registry,
        )
        self._edge_s = Histogram(
            "infragate_edge_seconds",
            "The gateway's own share of a tool call: from the arrival of the request to the "
            "result, without the wait for workers. Without apply_approved_plan, which waits for "
            "people.",
            buckets=SHORT_S,
            registry=registry,
        )
        self._dispatch_s = Histogram(
            "infragate_dispatch_seconds",
            "Time that a call was with the workers: queue, work and the way back. Calls that got "
            "no answer count with the time until they were given up.",
            ("role",),
            buckets=LATENCY_S,
            registry=registry,
        )
        self._in_flight = Gauge(
            "infragate_calls_in_flight",
            "Calls of this process that wait for workers now.",
            ("role",),
            registry=registry,
        )
        self._requests = Counter(
            "infragate_http_requests",
            "Answered HTTP requests. The door is mcp for agents, pages for everything else.",
            ("door", "method", "status"),
            registry=registry,
        )
        self._tokens_refused = Counter(
            "infragate_tokens_refused",
            "Requests whose access token was not believed, by the code of what is wrong with it.",
            ("code",),
            registry=registry,
        )
        self._limited = Counter(
            "infragate_rate_limited",
            "Requests that got 429 because their subject sent too much: more than its rate, too "
            "many at a time, or more than its share of a queue; or 503 because a queue is full.",
            ("limit",),
            registry=registry,
        )
        self._sessions = Counter(
            "infragate_mcp_sessions_opened",
            "MCP sessions that clients of the handshake era opened at this replica.",
            registry=registry,
        )
        self._streams = Gauge(
            "infragate_mcp_streams",
            "Event streams that clients hold open at this replica now.",
            registry=registry,
        )
        self._bind()

    def _bind(self) -> None:
        """Looks up once what each call needs: a look-up by labels costs more than the count."""
        self._call_s_of = {
            tool: self._call_s.labels(tool) for tool in (*sorted(self._tools), UNKNOWN_TOOL)
        }
        self._dispatch_s_of = {role: self._dispatch_s.labels(role.value) for role in Role}
        self._in_flight_of = {role: self._in_flight.labels(role.value) for role in Role}
        self._calls_of: dict[tuple[str, str], Counter] = {}
        for limit in get_args(Limit):
            self._limited.labels(limit)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Remembers while the block runs since when its request is here."""
        token = _passage.set(_Passage(self._monotonic()))
        try:
            yield
        finally:
            _passage.reset(token)

    def called(self, tool: str, outcome: str, seconds: float) -> None:
        """Counts a tool call that has its result; both words may be anything."""
        tool = tool if tool in self._tools else UNKNOWN_TOOL
        outcome = known_outcome(outcome)
        counter = self._calls_of.get((tool, outcome))
        if counter is None:
            counter = self._calls_of[tool, outcome] = self._calls.labels(tool, outcome)
        counter.inc()
        self._call_s_of[tool].observe(seconds)
        passage = _passage.get()
        if passage is not None and tool != WAITS_FOR_PEOPLE:
            own = self._monotonic() - passage.began - passage.elsewhere_s
            self._edge_s.observe(max(0.0, own))

    @contextmanager
    def with_workers(self, role: Role) -> Iterator[None]:
        """Times a call while the workers have it."""
        began = self._monotonic()
        waiting = self._in_flight_of[role]
        waiting.inc()
        try:
            yield
        finally:
            took = self._monotonic() - began
            waiting.dec()
            self._dispatch_s_of[role].observe(took)
            if (passage := _passage.get()) is not None:
                passage.elsewhere_s += took

    def token_refused(self, code: str) -> None:
        """Counts a token that was not believed."""
        self._tokens_refused.labels(known(code)).inc()

    def limited(self, limit: Limit) -> None:
        """Counts a request that was told to come again later, by what there was too much of."""
        self._limited.labels(limit).inc()

    def session_opened(self) -> None:
        """Counts a new MCP session."""
        self._sessions.inc()

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Counts an open stream."""
        with self._streams.track_inprogress():
            yield

    def answered(self, door: str, method: str, status: int) -> None:
        """Counts an answered request."""
        method = method if method in _METHODS else OTHER
        self._requests.labels(door, method, str(status)).inc()


class Counted:
    """Counts what comes through a door, and remembers since when each request is here."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, door: str) -> None:
        self._app = app
        self._metrics = metrics
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(self._door, scope["method"], message["status"])
            await send(message)

        with self._metrics.passing():
            await self._app(scope, receive, counting)
