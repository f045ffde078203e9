"""An approvals service in its owner's hands: it does its work, and takes one plan for another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

Swap = Callable[[str, bytes], tuple[str, bytes]]
"""From a request's path and body to those that are sent on."""


@contextmanager
def swapping(origin: str, swap: Swap) -> Iterator[str]:
    """The address of a service that passes everything on to `origin`, changed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(origin, swap))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(origin: str, swap: Swap) -> type[BaseHTTPRequestHandler]:
    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, body = swap(self.path, body)
            kept = {"authorization", "content-type", "accept"}
            headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
            with httpx2.Client(trust_env=False, timeout=30) as client:
                answer = client.request(self.command, origin + path, content=body, headers=headers)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("content-type", "text/plain"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return _Handler
