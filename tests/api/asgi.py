"""A client that speaks raw ASGI, so that tests control every header and chunk."""

import json
from collections.abc import Iterable, Mapping
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

    def event(self) -> Any:
        """The JSON of the last server-sent event."""
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
