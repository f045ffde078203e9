"""One keep-alive HTTP/1.1 connection that sends prepared bytes: what a client costs at least."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final

import httptools

from bench.load.drives import Outcome, Target

_BUSY: Final = (429, 503)
_BUSY_WORDS: Final = (b"queue_full", b"too_many_requests")
_ERRORS: Final = (b'"isError":true', b'"isError": true', b'"error":{', b'"error": {')
_SHOWN: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, whole."""

    status: int
    body: bytes

    @property
    def outcome(self) -> Outcome:
        """What it means to somebody who wanted something done; MCP tells errors in a 200."""
        success = 200 <= self.status < 300
        if success and not any(mark in self.body for mark in _ERRORS):
            return Outcome.ANSWERED
        busy = self.status in _BUSY or any(word in self.body for word in _BUSY_WORDS)
        return Outcome.REFUSED if busy else Outcome.FAILED

    def __str__(self) -> str:
        """Returns its beginning."""
        return f"{self.status} {self.body[:_SHOWN].decode('utf-8', 'replace')}"


class Connection(asyncio.Protocol):
    """Sends one request at a time; `send` returns when its answer is whole."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self.lost = False

    async def send(self, request: bytes) -> Reply:
        """Returns the answer.

        Raises:
            ConnectionError: the connection ended first.
        """
        if self._transport is None or self.lost:
            raise ConnectionResetError("the server has closed the connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = transport  # type: ignore[assignment]  # TCP and TLS give no other kind

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.lost = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("cut in mid-answer"))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._pieces = []

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        reply = Reply(status=status, body=b"".join(self._pieces))
        self._parser = httptools.HttpResponseParser(self)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)


async def connect(target: Target) -> Connection:
    """Returns a connection, TLS done.

    Raises:
        OSError: there is none to be had.
    """
    context = None
    if target.authority:
        context = ssl.create_default_context(cadata=target.authority)
        if target.certificate:
            context.load_cert_chain(target.certificate)
    name = (target.server_name or target.host) if context else None
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, target.host, target.port, ssl=context, server_hostname=name
    )
    return connection
