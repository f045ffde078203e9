"""An identity provider that serves two documents on a random loopback port, as badly as asked."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.shared.jose_tokens import document, jwk

OPENID = "/.well-known/openid-configuration"


@dataclass(kw_only=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Provider:
    """Answers are looked up by path at each request; `seen` lists the paths that were asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[str] = []
        self.before_answer: Callable[[], object] = lambda: None
        self.answers: dict[str, Answer] = {}
        self.publish(jwk("ES256"))
        self.announce()

    def announce(self, path: str = OPENID, /, **changes: object) -> None:
        metadata = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **changes}
        self.answers[path] = Answer(body=json.dumps(metadata).encode())

    def publish(self, *keys: Mapping[str, object]) -> None:
        self.answers["/jwks"] = Answer(body=document(*keys))

    def fetches(self) -> int:
        return self.seen.count("/jwks")


@contextmanager
def running_provider() -> Iterator[Provider]:
    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.seen.append(self.path)
            provider.before_answer()
            answer = provider.answers.get(self.path, Answer(status=404))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Transfer-Encoding" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
