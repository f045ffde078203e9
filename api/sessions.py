"""MCP sessions in Redis: any replica serves any request of any session.

The SDK keeps sessions in the memory of one process and offers no hook, so the one method that does
is replaced here. What a client said in its handshake lies in Redis; each request is served from
that record, and nothing outlives the request. What a client says to a request that waits for it
(an answer, a cancellation) is passed on to the replica that has the request.

Requests of the newest revision (2026-07-28) have no session and do not come here: they need no
session store and keep working without one.
"""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from typing import Any, Final

import anyio
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http import check_accept_headers
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import JSONRPCNotification, JSONRPCRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import handshakes
from api.answering import event_place
from api.event_streams import EventStreams
from api.exchanges import Exchange
from api.following import SessionFollower
from api.handshakes import Seat, Turned
from api.metrics import Metrics
from api.plan_ear import PlanEar
from api.replies import error, reply, rpc_error
from api.wire import Wire
from shared.errors import RedisUnavailable
from shared.logs import Log, trace_of
from shared.stores.connection import AsyncRedis
from shared.stores.mcp_events import STANDALONE, McpEventLog
from shared.stores.mcp_follows import McpFollowStore
from shared.stores.mcp_sessions import McpSessionStore
from shared.stores.mcp_wire import Told
from shared.stores.plan_view import PlanView

LONGEST_S: Final = 15 * 60
"""For a request whose client has left; the longest of ours waits five minutes and then applies."""

DRAIN_S: Final = 4.0
"""After the streams were closed; orchestrators allow 10 s and more in all."""

MAX_LEFT: Final = 16
"""Requests of one subject that a replica goes on with after their clients have left."""

_PASSED_ON: Final = frozenset({"notifications/cancelled", "notifications/progress"})

_log = Log("api.sessions")


class SharedSessions(StreamableHTTPSessionManager):
    """The SDK's session manager with Redis for a memory."""

    def __init__(
        self,
        app: Server[Any],
        redis: AsyncRedis,
        ear: PlanEar,
        *,
        clock: Callable[[], float],
        max_request_body_size: int,
        metrics: Metrics | None = None,
    ) -> None:
        """`clock` gives epoch seconds."""
        super().__init__(app, max_request_body_size=max_request_body_size)
        self._metrics = metrics or Metrics()
        self._sessions = McpSessionStore(redis, clock=clock)
        self._events = McpEventLog(redis)
        self._wire = Wire(redis)
        follower = SessionFollower(
            McpFollowStore(redis), PlanView(redis), self._events, clock=clock
        )
        self._streams = EventStreams(self._sessions, self._events, self._wire, ear, follower)
        self._left: Counter[str] = Counter()
        self._none_left = anyio.Event()
        self._none_left.set()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serves requests while this lasts; can be entered once.

        A replica that stops has closed its streams by then; what it works on still gets an answer
        that its client can hear elsewhere, if it takes no longer than `DRAIN_S`.
        """
        async with super().run(), anyio.create_task_group() as ears:
            ears.start_soon(self._wire.listen)
            yield
            with anyio.move_on_after(DRAIN_S):
                await self._none_left.wait()
            ears.cancel_scope.cancel()

    async def _handle_stateful_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request of the handshake era."""
        try:
            turned = await self._served(scope, receive, send)
        except RedisUnavailable as fault:  # raised before an answer has begun, never after
            body = error("temporarily_unavailable", str(fault)) | {"code": fault.code}
            after = str(fault.retry_after)
            await reply(send, HTTPStatus.SERVICE_UNAVAILABLE, body, retry_after=after)
            return
        if turned is not None:
            await reply(send, turned.status, rpc_error(turned.code, turned.message))

    async def _served(self, scope: Scope, receive: Receive, send: Send) -> Turned | None:
        """Answers a request, or says why it is turned away."""
        seat = await self._seat(scope)
        if isinstance(seat, Turned):
            return seat
        request = Request(scope, receive)
        if request.method == "POST":
            return await self._posted(request, seat, send)
        if seat is None:
            return handshakes.NO_SESSION_ID
        if request.method == "GET":
            return await self._listened(request, seat, send)
        if request.method != "DELETE":
            return handshakes.WRONG_METHOD
        await self._sessions.end(seat.session_id, seat.session.owner)
        await self._wire.ended(seat.session_id)
        await Response(status_code=HTTPStatus.OK)(scope, receive, send)
        return None

    async def _seat(self, scope: Scope) -> Seat | Turned | None:
        """The session that a request names, None if it names none."""
        session_id = handshakes.shown_session_id(scope)
        if session_id is None or isinstance(session_id, Turned):
            return session_id
        session = await self._sessions.load(session_id, handshakes.owner_of(scope))
        if session is None:
            return handshakes.NO_SUCH_SESSION
        return Seat(session_id=session_id, session=session)

    async def _posted(self, request: Request, seat: Seat | None, send: Send) -> Turned | None:
        body = await request.body()
        message = handshakes.message_of(request, body)
        if isinstance(message, Turned):
            return message
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            return await self._opened(message, seat, request, send)
        if seat is None:
            return handshakes.NO_SESSION_ID
        if isinstance(message, JSONRPCRequest):
            exchange = Exchange(seat.session_id, seat.session, log=self._events, wire=self._wire)
            await self._exchanged(exchange, message, request, send)
            return None
        if not isinstance(message, JSONRPCNotification) or message.method in _PASSED_ON:
            said = message.model_dump_json(by_alias=True, exclude_unset=True)
            await self._wire.said(seat.session_id, said)
        await Response(status_code=HTTPStatus.ACCEPTED)(request.scope, request.receive, send)
        return None

    async def _opened(
        self, message: JSONRPCRequest, seat: Seat | None, request: Request, send: Send
    ) -> Turned | None:
        """Opens a session, or begins the handshake of a known one anew."""
        session = handshakes.session_from(message, handshakes.owner_of(request.scope))
        if session is None:  # the SDK says what is wrong with it
            exchange = Exchange(None, None, log=self._events, wire=self._wire)
            await self._exchanged(exchange, message, request, send)
            return None
        if not session.fits():
            return handshakes.TOO_MUCH_SAID
        session_id = seat.session_id if seat else secrets.token_hex(16)
        await self._sessions.save(session_id, session)
        exchange = Exchange(session_id, None, log=self._events, wire=self._wire)
        await self._exchanged(exchange, message, request, send)
        if not exchange.answering.succeeded:
            with suppress(RedisUnavailable):  # then it idles out, and nobody knows its id
                await self._sessions.end(session_id, session.owner)
        elif seat is None:
            self._metrics.session_opened()
        return None

    async def _listened(self, request: Request, seat: Seat, send: Send) -> Turned | None:
        _, takes_events = check_accept_headers(request)
        if not takes_events:
            return handshakes.NO_EVENTS
        last = request.headers.get("last-event-id")
        place = event_place(last) if last else None
        if last and place is None:
            return handshakes.UNKNOWN_EVENT
        if place is not None and place[0] != STANDALONE:
            stream = self._streams.of_request(seat, *place)
        else:
            own = await self._streams.of_session(seat, place[1] if place else None)
            if own is None:
                return handshakes.STREAM_TAKEN
            stream = own
        with self._metrics.streaming():
            await stream(request.scope, request.receive, send)
        return None

    async def _exchanged(
        self, exchange: Exchange, message: JSONRPCRequest, request: Request, send: Send
    ) -> None:
        """Serves one request; work whose client has left goes on."""
        assert self._task_group is not None  # noqa: S101 - the SDK has checked it
        self._task_group.start_soon(self._worked, exchange, message, request)
        try:
            await exchange.answering.respond(request.scope, request.receive, send)
        finally:
            room = self._left[exchange.subject] < MAX_LEFT and self._task_group is not None
            if exchange.is_at_work and room:
                self._task_group.start_soon(self._finished, exchange)
            else:
                exchange.end()

    async def _worked(self, exchange: Exchange, message: JSONRPCRequest, request: Request) -> None:
        """Runs an exchange to its end, and lets it hear what concerns it."""

        def hear(told: Told) -> None:
            if told.kind == "said":
                exchange.hear(told.body)
            elif told.kind == "ended":
                exchange.end()

        try:
            with self._wire.hearing(exchange.session_id or "", hear):
                await exchange.run(message, request, self.app, self._lifespan_state)
        except Exception as crash:  # noqa: BLE001 - one request must not end all the others
            _log.error("session.crashed", trace=trace_of(crash))

    @contextmanager
    def _counted(self, subject: str) -> Iterator[None]:
        """Counts one more request whose client has left."""
        if not self._left:
            self._none_left = anyio.Event()
        self._left[subject] += 1
        try:
            yield
        finally:
            self._left -= Counter([subject])
            if not self._left:
                self._none_left.set()

    async def _finished(self, exchange: Exchange) -> None:
        """Lets a request be answered whose client has left, so that it can hear it later."""
        exchange.answering.elsewhere = True
        with self._counted(exchange.subject), anyio.move_on_after(LONGEST_S):
            await exchange.answering.given.wait()
        exchange.end()
