"""A proxy between a browser and several replicas of one origin: each request goes to the next."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding"}


@dataclass(slots=True, kw_only=True)
class RoundRobin:
    """Where requests for `origin` go; all others go where they say."""

    origin: str
    ports: list[int]
    address: str = ""
    streams: list[int] = field(default_factory=list)
    """The replicas that were reached for a stream, in that order."""
    _turn: int = 0

    def candidates(self, origin: str) -> list[int]:
        """The ports to try, in this order."""
        address = urlsplit(origin)
        if origin != self.origin:
            return [address.port or 80]
        self._turn += 1
        first = self._turn % len(self.ports)
        return self.ports[first:] + self.ports[:first]


@contextmanager
def between(origin: str, ports: list[int]) -> Iterator[RoundRobin]:
    """The proxy, at its `address` until the block ends."""
    robin = RoundRobin(origin=origin, ports=ports)

    class Handler(_Handler):
        proxy = robin

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        robin.address = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield robin
        finally:
            server.shutdown()
            server.block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    proxy: RoundRobin

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _pass(self) -> None:
        self.close_connection = True
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = url.path + (f"?{url.query}" if url.query else "")
        for port in self.proxy.candidates(f"{url.scheme}://{url.netloc}"):
            upstream = HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                upstream.connect()
            except OSError:  # it is down: the next
                continue
            if url.path.endswith("/events"):
                self.proxy.streams.append(port)
            try:
                self._forward(upstream, path, body)
            except (OSError, HTTPException):  # one of the two has gone
                pass
            finally:
                upstream.close()
            return
        self.send_error(502)

    def _forward(self, upstream: HTTPConnection, path: str, body: bytes) -> None:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        upstream.request(self.command, path, body or None, headers)
        answer = upstream.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        while chunk := answer.read1(65536):
            self.wfile.write(chunk)
            self.wfile.flush()
