"""What stands in front of an API server: it notes calls, and can answer in its place."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import anyio
import httpx2
import pytest

from bench.front import Front
from bench.kube import Kube
from bench.load.drives import Target


class ApiServer(BaseHTTPRequestHandler):
    """Answers with the number of calls so far, and to no `missing` thing."""

    served: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.served.append(self.path)
        body = json.dumps({"calls": len(self.served)}).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Says nothing."""


@pytest.fixture
def kube() -> Iterator[Kube]:
    ApiServer.served.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Kube(target=Target(host="127.0.0.1", port=server.server_port), token="t")
        server.shutdown()
        thread.join()


def asked(kube: Kube, *requests: tuple[str, str]) -> list[httpx2.Response]:
    async def main() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=Front(kube))
        async with httpx2.AsyncClient(transport=transport, base_url="http://front") as http:
            return [await http.request(method, path) for method, path in requests]

    return anyio.run(main)


def test_what_passes_is_noted_with_its_answers_status(kube: Kube) -> None:
    *_, noted = asked(kube, ("GET", "/a?x=1%2F2"), ("GET", "/missing"), ("GET", "/_bench/calls"))

    assert [(each["path"], each["status"]) for each in noted.json()] == [
        ("/a?x=1%2F2", "200"),
        ("/missing", "404"),
    ]


def test_notes_are_forgotten_when_told(kube: Kube) -> None:
    calls = "/_bench/calls"
    *_, noted = asked(kube, ("GET", "/a"), ("DELETE", calls), ("GET", calls))

    assert noted.json() == []


def test_with_a_latency_the_server_is_asked_once_for_each_thing(kube: Kube) -> None:
    _, first, second, other = asked(
        kube, ("POST", "/_bench/latency?ms=0"), ("GET", "/a"), ("GET", "/a"), ("GET", "/b")
    )

    assert first.json() == second.json() == {"calls": 1}
    assert other.json() == {"calls": 2}
    assert ApiServer.served == ["/a", "/b"]


def test_a_noted_call_can_be_made_again_as_it_was(kube: Kube) -> None:
    call = {"method": "PATCH", "path": "/a", "accept": "", "type": "text/x", "body": "{}"}

    head, _, body = kube.again(call).partition(b"\r\n\r\n")

    assert head.startswith(b"PATCH /a HTTP/1.1\r\n")
    assert b"content-type: text/x" in head
    assert body == b"{}"
