"""A tiny API server that says what a test tells it to and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server says; `drop` closes the connection instead, after reading the request."""

    status: int = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    drop: bool = False
    hold: threading.Event | None = None

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Route = Callable[[Request], Reply | None]


@dataclass
class CannedServer:
    """Replies in order per (method, path); the last one stays. Other paths are 404."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    routes: dict[tuple[str, str], list[Reply]] = field(default_factory=dict)
    answering: Route | None = None

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self.routes[method, path] = list(replies)

    def get(self, path: str, body: Any) -> None:
        self.on("GET", path, Reply(body=body))

    def reply_to(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.answering and (reply := self.answering(request)):
            return reply
        replies = self.routes.get((request.method, request.path))
        if not replies:
            return Reply(status=404, body=status(404, "NotFound", "nothing here"))
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def asked(self, path: str) -> list[Request]:
        return [it for it in self.requests if it.path == path]


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """A `Status` object, as the API server makes them."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }


def throttled(seconds: str) -> Reply:
    """What a server says that has too much to do; `seconds` is its Retry-After."""
    body = status(429, "TooManyRequests", "slow down")
    return Reply(status=429, body=body, headers=(("Retry-After", seconds),))


def listing(*items: Any, **metadata: Any) -> dict[str, Any]:
    """A list object."""
    return {"metadata": {"resourceVersion": "7", **metadata}, "items": list(items)}


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of some tests."""


@contextmanager
def canned_server() -> Iterator[CannedServer]:
    """A server on a free port of the loopback device, which is gone afterwards."""
    server = CannedServer()
    server.get("/version", {"major": "1", "minor": "30"})

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                method=self.command,
                path=url.path,
                query={key: values[0] for key, values in parse_qs(url.query).items()},
                headers=dict(self.headers),
                body=self.rfile.read(length),
            )
            self._send(server.reply_to(request))

        def _send(self, reply: Reply) -> None:
            if reply.hold:
                reply.hold.wait(10)
            if reply.drop:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.data)))
            self.end_headers()
            self.wfile.write(reply.data)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Tests read `requests` instead."""

    http = _QuietServer(("127.0.0.1", 0), Answering)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def kubeconfig(
    folder: Path, server: str, *, user: dict[str, Any] | None = None, **cluster: Any
) -> Path:
    """A kubeconfig file with one context."""
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": "t0ken"} if user is None else user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path
