"""A TCP proxy that misbehaves when told to, to stand between any two parts of a stack.

Slow, throttled, cut, or half-open: whoever speaks into a half-open connection hears nothing, not
even its end. Bytes that were swallowed are gone, so such a connection never comes back to life.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

LOOPBACK = "127.0.0.1"
PIECE = 64 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing sends RST instead of FIN."""

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How the network behaves, each way: seconds before each piece, and bytes per second."""

    latency_s: float = 0.0
    bytes_per_s: float | None = None

    def delay_s(self, size: int) -> float:
        return self.latency_s + (size / self.bytes_per_s if self.bytes_per_s else 0.0)


GOOD = Line()


@dataclass(slots=True, kw_only=True, eq=False)
class _Link:
    """One client's connection and, unless it was swallowed at once, ours to the target."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    swallowing: bool = False


class FaultProxy:
    """Passes connections to `127.0.0.1:port` on to a target port. A context manager.

    Its event loop has a thread of its own; the methods may be called from any other thread and
    return when what they say is so.
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self.target = target
        self.port = port
        self._line = GOOD
        self._refusing = False
        self._swallowing = False
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def behave(self, line: Line) -> None:
        """Is slow or throttled from now on, or well again (`GOOD`)."""
        self._line = line

    def cut(self, *, reset: bool = True) -> int:
        """Ends all connections, with RST or FIN; returns how many. New ones are passed on."""
        return self._run(self._ended(reset=reset))

    def refuse(self) -> None:
        """Ends all connections, and every new one at once, until `mend`."""
        self._refusing = True
        self.cut()

    def swallow(self, *, new: bool = True) -> int:
        """Leaves all connections half-open, and new ones too if told so; returns how many it had.

        Nothing is passed on and nothing is closed: what is sent vanishes.
        """
        return self._run(self._silenced(new=new))

    def mend(self) -> None:
        """New connections are passed on again; half-open ones stay as they are."""
        self._refusing = self._swallowing = False
        self._line = GOOD

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, what: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._ended(reset=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ended(self, *, reset: bool) -> int:
        ended = [writer for link in self._links for writer in link.writers]
        for writer in ended:
            _end(writer, reset=reset)
        return len(ended)

    async def _silenced(self, *, new: bool) -> int:
        self._swallowing = new
        for link in self._links:
            link.swallowing = True
        return len(self._links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(writers=[writer], swallowing=self._swallowing)
        self._links.add(link)
        try:
            await self._linked(link, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # either side has gone, which the other one now sees; or the proxy closes
        finally:
            for each in link.writers:
                _end(each, reset=self._refusing)
            self._links.discard(link)
            self._tasks.discard(task)

    async def _linked(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._refusing:
            return
        if link.swallowing:
            await self._pass_on(link, reader, writer)
            return
        there, back = await asyncio.open_connection(LOOPBACK, self.target)
        link.writers.append(back)
        ways = [
            asyncio.ensure_future(self._pass_on(link, reader, back)),
            asyncio.ensure_future(self._pass_on(link, there, writer)),
        ]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()

    async def _pass_on(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One way, until its sender ends it; a half-open connection's end is not passed on."""
        while piece := await reader.read(self._piece()):
            if delay := self._line.delay_s(len(piece)):
                await asyncio.sleep(delay)
            if not link.swallowing:
                writer.write(piece)
                await writer.drain()
        if link.swallowing:
            await asyncio.get_running_loop().create_future()  # until the proxy closes
        elif writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    def _piece(self) -> int:
        """Throttled, what passes in a tenth of a second, so that it trickles."""
        rate = self._line.bytes_per_s
        return PIECE if rate is None else max(1, int(rate / 10))


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        raw = writer.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
    else:
        writer.close()
