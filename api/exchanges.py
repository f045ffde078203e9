"""One request of the handshake era at work on this replica, and what is remembered of its answers.

A request gets a transport, a dispatcher and a connection of its own, made from the session's
record. The transport asks an `EventStore` before it sends anything; ours keeps each message for a
while, so that a client that lost its connection can hear the rest at any replica.

Private names of the SDK are used here and in `api.sessions`, nowhere else;
`tests/api/test_sessions_contract.py` fails when they move.
"""

import re
import secrets
from typing import Any, Final

import anyio
from anyio.abc import TaskStatus
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_connection
from mcp.server.streamable_http import (
    GET_STREAM_KEY,
    EventCallback,
    EventStore,
    StreamableHTTPServerTransport,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp.shared.transport_context import TransportContext
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter
from pydantic import ValidationError

from api.wire import Wire
from shared.errors import RedisUnavailable
from shared.stores.mcp_events import ALIVE_S, BEGINNING, STANDALONE, McpEventLog
from shared.stores.mcp_sessions import McpSession

LONG_S: Final = 1.0
"""A request that takes longer says that it is worked on; shorter ones cost nothing for it."""

RETRY_MS: Final = 1000
"""After this a client that lost a stream should come back for the rest."""

_EVENT_ID: Final = re.compile(r"([A-Za-z0-9_-]{1,32})\.([0-9]{1,19}-[0-9]{1,19})")
_SAFE_IN_JSON: Final = 2**52

Dispatcher = JSONRPCDispatcher[TransportContext]


def event_id(stream: str, entry: str) -> str:
    """The id that a client sends back as `Last-Event-ID`."""
    return f"{stream}.{entry}"


def event_place(shown: str) -> tuple[str, str] | None:
    """The stream and the entry of an event id; None if it is none of ours."""
    match = _EVENT_ID.fullmatch(shown)
    return (match[1], match[2]) if match else None


class Exchange:
    """What happens to one request. Its client may leave; the work goes on until it is answered.

    Without a `session` it is the handshake itself: nothing of it is remembered.
    """

    def __init__(
        self, session_id: str | None, session: McpSession | None, *, log: McpEventLog, wire: Wire
    ) -> None:
        self.session_id = session_id
        self._session = session
        self.answers = _Answers(session_id or "", log, wire) if session else None
        self.transport = StreamableHTTPServerTransport(
            mcp_session_id=session_id, event_store=self.answers, retry_interval=RETRY_MS
        )

    @property
    def subject(self) -> str:
        """For whom it works; nobody, for a handshake."""
        owner = self._session.owner if self._session else None
        return f"{owner.iss} {owner.sub}" if owner else ""

    @property
    def is_at_work(self) -> bool:
        """Whether there is an answer still to come, and somebody who may want it."""
        unanswered = self.answers is not None and not self.answers.given.is_set()
        return unanswered and not self.transport.is_terminated

    async def run(
        self,
        app: Server[Any],
        lifespan_state: Any,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serves what the transport takes in, until `end`."""
        async with self.transport.connect() as (reading, writing):
            dispatcher: Dispatcher = JSONRPCDispatcher(
                reading, writing, inline_methods=frozenset({"initialize"})
            )
            # Ids of requests to the client count from 1 in each dispatcher: a reply to one of many
            # dispatchers of a session must not be taken for a reply to another's.
            dispatcher._next_id = secrets.randbelow(_SAFE_IN_JSON)  # noqa: SLF001
            connection = self._connection(dispatcher)
            task_status.started()
            async with anyio.create_task_group() as beside:
                if self.answers is not None:
                    beside.start_soon(self.answers.say_that_they_come)
                await serve_connection(
                    app, dispatcher, connection=connection, lifespan_state=lifespan_state
                )
                beside.cancel_scope.cancel()

    async def hear(self, body: str) -> None:
        """Takes in what the client said at another replica: a reply, a cancellation, progress."""
        inward = self.transport._read_stream_writer  # noqa: SLF001
        if inward is None:
            return
        try:
            await inward.send(SessionMessage(jsonrpc_message_adapter.validate_json(body)))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return  # answered meanwhile
        except ValidationError:
            return  # no replica says such a thing; whoever has Redis may

    async def end(self) -> None:
        """Stops serving; what is still at work is cancelled."""
        if self.answers is not None:
            self.answers.given.set()
        with anyio.CancelScope(shield=True):
            await self.transport.terminate()

    def _connection(self, dispatcher: Dispatcher) -> Connection:
        if self._session is None:
            return Connection.for_loop(dispatcher, session_id=self.session_id)
        connection = Connection.from_envelope(
            self._session.protocol_version,
            self._session.client_info,
            self._session.capabilities,
            outbound=dispatcher,
        )
        connection.session_id = self.session_id
        return connection


class _Answers(EventStore):
    """What a client is told about one request: remembered, message by message."""

    def __init__(self, session_id: str, log: McpEventLog, wire: Wire) -> None:
        self.given = anyio.Event()
        self.elsewhere = False
        """Whether the client no longer hears them here, so that it may listen at any replica."""
        self._stream = secrets.token_urlsafe(9)  # not the request's id, which may come again
        self._session_id = session_id
        self._log = log
        self._wire = wire

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Remembers one message; without Redis it is told all the same, once."""
        if message is None:
            return event_id(self._stream, BEGINNING)
        stream = STANDALONE if stream_id == GET_STREAM_KEY else self._stream
        last = stream != STANDALONE and isinstance(message, JSONRPCResponse | JSONRPCError)
        entry = await self._kept(stream, message, last=last)
        if last:
            self.given.set()
        return event_id(stream, entry) if entry else ""

    async def replay_events_after(
        self, _last_event_id: str, _send_callback: EventCallback
    ) -> str | None:
        """Replays nothing: `api.event_streams` answers those who come back."""
        return None

    async def say_that_they_come(self) -> None:
        """Says, for as long as this runs, that the request is worked on."""
        await anyio.sleep(LONG_S)
        while True:
            try:
                await self._log.keep_alive(self._session_id, self._stream)
            except RedisUnavailable:
                await anyio.sleep(LONG_S)
            else:
                await anyio.sleep(ALIVE_S / 3)

    async def _kept(self, stream: str, message: JSONRPCMessage, *, last: bool) -> str | None:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            entry = await self._log.append(self._session_id, stream, text, last=last)
            if stream == STANDALONE or self.elsewhere:
                await self._wire.news(self._session_id)
        except RedisUnavailable:
            return None
        return entry
