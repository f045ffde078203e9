"""One request of the handshake era at work on this replica.

A request gets a dispatcher and a connection of its own, made from the session's record. How it is
answered is told in `api.answering`.

Private names of the SDK are used here and in `api.sessions`, nowhere else;
`tests/api/test_sessions_contract.py` fails when they move.
"""

import secrets
from contextlib import suppress
from functools import partial
from typing import Any, Final

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_connection
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    ErrorData,
    JSONRPCError,
    JSONRPCRequest,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from starlette.requests import Request

from api.answering import Answering
from api.wire import Wire
from shared.stores.mcp_events import McpEventLog
from shared.stores.mcp_sessions import McpSession
from shared.subjects import subject_of

MAX_HEARD: Final = 64
"""Messages of the client, for one request, that wait to be taken in."""

_SAFE_IN_JSON: Final = 2**52

Dispatcher = JSONRPCDispatcher[TransportContext]


class Exchange:
    """What happens to one request. Its client may leave; the work goes on until it is answered.

    Without a `session` it is the handshake itself: nothing of it is remembered.
    """

    def __init__(
        self, session_id: str | None, session: McpSession | None, *, log: McpEventLog, wire: Wire
    ) -> None:
        self.session_id = session_id
        self._session = session
        version = session.protocol_version if session else None
        self.answering = Answering(session_id, version, log=log, wire=wire)
        self._hearing, self._heard = anyio.create_memory_object_stream[SessionMessage | Exception](
            MAX_HEARD
        )

    @property
    def subject(self) -> str:
        """For whom it works; nobody, for a handshake."""
        owner = self._session.owner if self._session else None
        return subject_of(owner) if owner else ""

    @property
    def is_at_work(self) -> bool:
        """Whether there is an answer still to come, and somebody who may want it."""
        return self._session is not None and not self.answering.given.is_set()

    async def run(
        self, message: JSONRPCRequest, request: Request, app: Server[Any], lifespan_state: Any
    ) -> None:
        """Serves one request, and what is heard about it, until `end`.

        A request that its client cancels is answered all the same: JSON-RPC wants no answer, but
        whoever listens to the stream must learn that it has ended.
        """
        about = ServerMessageMetadata(
            request_context=request,
            on_request_unanswered=partial(self._ended_by_the_client, message),
        )
        self._hearing.send_nowait(SessionMessage(message, metadata=about))
        dispatcher: Dispatcher = JSONRPCDispatcher(
            self._heard, self.answering, inline_methods=frozenset({"initialize"})
        )
        # Ids of requests to the client count from 1 in each dispatcher: a reply to one of many
        # dispatchers of a session must not be taken for a reply to another's.
        dispatcher._next_id = secrets.randbelow(_SAFE_IN_JSON)  # noqa: SLF001
        connection = self._connection(dispatcher)
        try:
            await serve_connection(
                app, dispatcher, connection=connection, lifespan_state=lifespan_state
            )
        finally:
            self.end()
            self._heard.close()
            self.answering.close()

    def hear(self, body: str) -> None:
        """Takes in what the client said at another replica: a reply, a cancellation, progress."""
        try:
            said = SessionMessage(jsonrpc_message_adapter.validate_json(body))
        except ValidationError:
            return  # no replica says such a thing; whoever has Redis may
        with suppress(anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._hearing.send_nowait(said)  # else it is answered meanwhile, or somebody floods

    def end(self) -> None:
        """Stops serving; what is still at work is cancelled."""
        self._hearing.close()

    async def _ended_by_the_client(self, message: JSONRPCRequest) -> None:
        error = ErrorData(code=REQUEST_CANCELLED, message="Request cancelled")
        answer = JSONRPCError(jsonrpc="2.0", id=message.id, error=error)
        await self.answering.send(SessionMessage(answer))

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
