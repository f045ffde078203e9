"""How one POST of the handshake era is answered: in one piece, or as a stream of events.

An answer that comes soon and before anything else is one JSON body, of which nothing is remembered:
a client that did not hear it asks again. Whatever takes longer, or has more to say, is a stream,
and then each message is kept for a while, so that a client that lost its connection can hear the
rest at any replica.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Any, Final, Self

from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import JSONRPCError, JSONRPCResponse
from mcp_types.version import is_version_at_least
from sse_starlette import EventSourceResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.wire import Wire
from shared.errors import RedisUnavailable
from shared.stores.mcp_events import ALIVE_S, BEGINNING, STANDALONE, McpEventLog

LONG_S: Final = 1.0
"""A request that takes longer is answered as a stream and says that it is worked on."""

RETRY_MS: Final = 1000
"""After this a client that lost a stream should come back for the rest."""

_KNOWS_EMPTY_EVENTS: Final = "2025-11-25"
_EVENT_ID: Final = re.compile(r"([A-Za-z0-9_-]{1,32})\.([0-9]{1,19}-[0-9]{1,19})")

SseEvent = dict[str, Any]


def event_id(stream: str, entry: str) -> str:
    """The id that a client sends back as `Last-Event-ID`."""
    return f"{stream}.{entry}"


def event_place(shown: str) -> tuple[str, str] | None:
    """The stream and the entry of an event id; None if it is none of ours."""
    match = _EVENT_ID.fullmatch(shown)
    return (match[1], match[2]) if match else None


def primed(stream: str, entry: str) -> SseEvent:
    """An event without a message, so that a client has an id to come back with."""
    return {"id": event_id(stream, entry), "data": "", "retry": RETRY_MS}


class Answering:
    """What is said about one request; the stream that the SDK's dispatcher writes to.

    Without a protocol `version` it answers the handshake itself: as a stream where it succeeds, of
    which nothing is remembered.
    """

    def __init__(
        self, session_id: str | None, version: str | None, *, log: McpEventLog, wire: Wire
    ) -> None:
        self.given = asyncio.Event()
        """Set when nothing more is to come."""
        self.succeeded = False
        self.elsewhere = False
        """Whether the client no longer hears it here, so that it may listen at any replica."""
        self._session_id = session_id or ""
        self._version = version
        self._stream = secrets.token_urlsafe(9)  # not the request's id, which may come again
        self._log = log
        self._wire = wire
        self._streams = False
        self._in_turn = asyncio.Lock()
        self._said: list[SseEvent] = []
        self._more = asyncio.Event()
        self._signs: asyncio.Task[None] | None = None

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the POST; returns earlier when its client leaves a stream."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONG_S):
                await self._more.wait()
        headers = {"Mcp-Session-Id": self._session_id} if self._session_id else {}
        if self.given.is_set() and not self._streams:
            await self._in_one_piece(headers)(scope, receive, send)
            return
        self._streams = True
        self._signs = asyncio.create_task(self._say_that_it_takes_long(), name="signs of life")
        headers |= {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        async with aclosing(self._events()) as events:
            await EventSourceResponse(content=events, headers=headers)(scope, receive, send)

    async def send(self, item: SessionMessage) -> None:
        """Takes the next message from the SDK's dispatcher."""
        message = item.message
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self.succeeded = isinstance(message, JSONRPCResponse)
            if self._version is None:  # the oldest clients expect an event stream there
                self._streams = self.succeeded
            await self._say(text, last=True)
        elif _is_about_the_request(item):
            self._streams = True
            await self._say(text, last=False)
        elif self._version is not None:
            await self._kept(STANDALONE, text, last=False)

    def close(self) -> None:
        """Says nothing more; whoever listens hears the end."""
        self.given.set()
        self._more.set()
        if self._signs is not None:
            self._signs.cancel()

    async def aclose(self) -> None:
        """Closes; for the SDK."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _say(self, text: str, *, last: bool) -> None:
        if not self._streams:  # the answer, and nothing before it
            self._add(text, {}, last=last)
            return
        async with self._in_turn:  # so that a stream has the order in which it is remembered
            entry = await self._kept(self._stream, text, last=last)
            shown = {"id": event_id(self._stream, entry)} if entry else {}
            self._add(text, shown, last=last)

    def _add(self, text: str, shown: SseEvent, *, last: bool) -> None:
        self._said.append({"event": "message", "data": text, **shown})
        if last:
            self.given.set()
        self._more.set()

    async def _say_that_it_takes_long(self) -> None:
        """Says from then on, until it is cancelled, that the request is worked on."""
        await asyncio.sleep(LONG_S)
        while self._version is not None:
            try:
                await self._log.keep_alive(self._session_id, self._stream)
            except RedisUnavailable:
                await asyncio.sleep(LONG_S)
            else:
                await asyncio.sleep(ALIVE_S / 3)

    async def _kept(self, stream: str, text: str, *, last: bool) -> str | None:
        """Remembers one message; without Redis it is told all the same, once."""
        if self._version is None:
            return None
        try:
            entry = await self._log.append(self._session_id, stream, text, last=last)
            if stream == STANDALONE or self.elsewhere:
                await self._wire.news(self._session_id)
        except RedisUnavailable:
            return None
        return entry

    def _in_one_piece(self, headers: dict[str, str]) -> Response:
        if not self._said:  # its session ended, or it crashed
            return Response(status_code=500, headers=headers)
        return Response(self._said[0]["data"], media_type="application/json", headers=headers)

    async def _events(self) -> AsyncGenerator[SseEvent]:
        if self._version is not None and is_version_at_least(self._version, _KNOWS_EMPTY_EVENTS):
            yield primed(self._stream, BEGINNING)
        while True:
            while self._said:
                yield self._said.pop(0)
            if self.given.is_set():
                return
            self._more = asyncio.Event()
            await self._more.wait()


def _is_about_the_request(item: SessionMessage) -> bool:
    """Says whether it belongs to the request, and not to the session as a whole."""
    about = item.metadata
    return isinstance(about, ServerMessageMetadata) and about.related_request_id is not None
