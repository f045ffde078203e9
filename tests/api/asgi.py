"""A client that speaks raw ASGI, so that tests control every header and chunk."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Scope

HOST = "127.0.0.1:3001"


@dataclass(kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def message(self) -> Any:
        """The JSON-RPC message that the answer is, or that ends its stream of events."""
        if self.headers["content-type"] == "application/json":
            return self.json()
        lines = [line for line in self.body.decode().splitlines() if line.startswith("data: {")]
        return json.loads(lines[-1].removeprefix("data: "))


def scope_of(
    method: str, path: str, headers: Iterable[tuple[str, str]], host: str | None = HOST
) -> Scope:
    pairs = [*([("host", host)] if host is not None else []), *headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3001),
        "state": {},
    }


async def send_request(
    app: ASGIApp,
    method: str = "POST",
    path: str = "/mcp",
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    chunks: Iterable[bytes] = (b"",),
    host: str | None = HOST,
) -> Answer:
    """One request to its end; after the last chunk the client stays connected."""
    listed = headers.items() if isinstance(headers, Mapping) else headers
    waiting = list(chunks)
    sent: list[Message] = []
    finished = anyio.Event()

    async def receive() -> Message:
        if waiting:
            chunk = waiting.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            finished.set()

    with anyio.fail_after(10):
        await app(scope_of(method, path, listed, host), receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    return Answer(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body"),
    )


class Conversation:
    """One request under way: what comes is read piece by piece, and the client may leave."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._started = anyio.Event()
        self._left = anyio.Event()
        self._chunks, self._pieces = anyio.create_memory_object_stream[bytes](1000)
        self._heard = ""

    async def start(self) -> None:
        """Returns when the answer has begun."""
        with anyio.fail_after(10):
            await self._started.wait()

    async def event(self) -> dict[str, str]:
        """The next event, its fields by name; one without fields was a comment and is skipped."""
        with anyio.fail_after(10):
            while True:
                while "\r\n\r\n" not in self._heard:
                    self._heard += (await self._pieces.receive()).decode()
                block, self._heard = self._heard.split("\r\n\r\n", 1)
                lines = [line for line in block.splitlines() if not line.startswith(":")]
                if lines:
                    return dict(line.split(": ", 1) for line in lines if ": " in line)

    async def message(self) -> Any:
        """The JSON of the next event that has any."""
        while True:
            event = await self.event()
            if event.get("data", "").startswith("{"):
                return json.loads(event["data"])

    async def end(self) -> None:
        """Returns when there is nothing more to come."""
        with anyio.fail_after(10):
            while True:
                try:
                    await self._pieces.receive()
                except anyio.EndOfStream:
                    return

    def leave(self) -> None:
        """Closes the connection."""
        self._left.set()

    def close(self) -> None:
        """Forgets what nobody read."""
        self._pieces.close()

    async def run(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        bodies = [body]

        async def receive() -> Message:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            await self._left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                pairs = message["headers"]
                self.headers = {name.decode(): value.decode() for name, value in pairs}
                self._started.set()
            elif not self._left.is_set():
                await self._chunks.send(message.get("body", b""))

        async with self._chunks:
            await app(scope, receive, send)


@asynccontextmanager
async def talking(
    app: ASGIApp, method: str, headers: Mapping[str, str], body: bytes = b""
) -> AsyncIterator[Conversation]:
    """A request to /mcp whose answer has begun; after the block the client has left."""
    conversation = Conversation()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(conversation.run, app, scope_of(method, "/mcp", headers.items()), body)
        await conversation.start()
        yield conversation
        conversation.leave()
    conversation.close()
