"""A webhook's other end: a real HTTP server that keeps what came and answers what it is told."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

WAIT_S = 60
HANG_S = 60
"""Longer than any sender waits; the end of the test ends it too."""


@dataclass(kw_only=True)
class Received:
    """One request."""

    path: str
    headers: Message
    body: bytes


@dataclass(kw_only=True)
class Receiver:
    """What came so far. `answers` are the statuses of the next requests; then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    answered: int = 0
    open: threading.Event = field(default_factory=threading.Event)
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> Sequence[Received]:
        """The first `count` requests, as soon as they are there."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.received) >= count, WAIT_S), self.received
            return self.received[:count]


@contextmanager
def receiving(*answers: int) -> Iterator[Receiver]:
    """A receiver that answers with these statuses, and with 200 from then on."""
    receiver = Receiver(answers=list(answers))
    receiver.open.set()

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        to: ClassVar[Receiver] = receiver

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = Received(path=self.path, headers=self.headers, body=body)
            with self.to.came:
                self.to.received.append(request)
                status = self.to.answers.pop(0) if self.to.answers else 200
                self.to.came.notify_all()
            self.to.open.wait(HANG_S)
            self.send_response(status)
            for name, value in self.to.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            with self.to.came:
                self.to.answered += 1

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook/very-secret-path"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
