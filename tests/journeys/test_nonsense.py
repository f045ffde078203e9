"""Nonsense by the thousand at a real gateway: no 500, nothing stuck, and nothing left afterwards.

Random messages are in tests/api/test_sessions_fuzz.py; here it is the process that is looked at.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import httpx2
import pytest

from tests.journeys.footprint import MUCH, PATIENCE_S, forgotten, gateway_of, open_to_floods
from tests.journeys.live import Live
from tests.journeys.test_mcp import BOTH, INITIALIZE, _call

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

REPEATED: Final = 10
SLOW: Final = 50
"""Connections that send half a body and wait, while a round goes on."""

BODIES: Final = [
    b"",
    b"{",
    b"[]",
    b"\xff\xfe{}",
    b'{"jsonrpc":"2.0","id":1,"method":"\xc3\x28"}',
    b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
    b'{"jsonrpc":"2.0"}',
    b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":' + b"9" * 100_000 + b',"method":"ping"}',
    b'{"jsonrpc":"2.0","id":"' + b"x" * 100_000 + b'","method":"ping"}',
    b"[" * 100_000,
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 20_000 + b"1",
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}',
    b'{"jsonrpc":"2.0","id":1,"result":{}}',
    json.dumps([INITIALIZE] * 100).encode(),
    b"x" * (1024 * 1024 + 1),
]
HEADERS: Final[list[dict[str, str]]] = [
    {"accept": "text/plain"},
    {"accept": ""},
    {"content-type": "text/plain"},
    {"content-type": "application/json; charset=utf-16"},
    {"content-encoding": "gzip"},
    {"mcp-session-id": "0" * 32},
    {"mcp-session-id": "x" * 4000},
    {"mcp-protocol-version": "2099-01-01"},
    {"mcp-protocol-version": "2026-07-28"},
    {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "\x7f"},
    {"last-event-id": "session.9-9"},
    {"authorization": "Bearer " + "x" * 8000},
    {"authorization": "Basic eDp5"},
    {"dpop": "a.b.c"},
    {"host": "evil.example"},
    {"origin": "null"},
]
RAW: Final = [
    b"POST /mcp HTTP/1.1\r\nhost: {host}\r\ncontent-length: -1\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    b"POST /mcp HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"POST /mcp HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /mcp HTTP/1.1\r\nhost: {host}\r\n" + b"a" * 100_000,
]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with open_to_floods(tmp_path_factory.mktemp("stack")) as it:
        yield it


def connection(own: Live) -> socket.socket:
    return socket.create_connection(("127.0.0.1", own.record.gateway_port), timeout=PATIENCE_S)


@contextmanager
def slow_bodies(own: Live) -> Iterator[None]:
    """Clients with a good token that send half a body, and hang up after the block."""
    body = json.dumps(INITIALIZE)
    host = httpx2.URL(own.mcp).netloc.decode("ascii")
    head = (
        f"POST /mcp HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {own.token()}\r\n"
        f"accept: {BOTH}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with ExitStack() as stack:
        for _ in range(SLOW):
            slow = stack.enter_context(connection(own))
            slow.sendall(head.encode("ascii") + body[: len(body) // 2].encode("ascii"))
        yield


def sent_raw(own: Live, request: bytes) -> bytes:
    """The first line that comes back for bytes that are hardly HTTP; none if it hangs up."""
    host = httpx2.URL(own.mcp).netloc
    with connection(own) as raw:
        raw.sendall(request.replace(b"{host}", host))
        raw.shutdown(socket.SHUT_WR)
        try:
            return raw.recv(65536).partition(b"\r\n")[0]
        except ConnectionResetError:
            return b""


def round_of_nonsense(own: Live) -> None:
    """Sends everything, many times; while slow clients hold on, good calls are answered."""
    good = {
        "authorization": f"Bearer {own.token()}",
        "accept": BOTH,
        "content-type": "application/json",
    }
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    with slow_bodies(own), httpx2.Client(trust_env=False, timeout=PATIENCE_S) as http:
        opened = http.post(own.mcp, json=INITIALIZE, headers=good)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        for _ in range(REPEATED):
            for body in BODIES:
                for headers in (good, {**good, **session}):
                    answer = http.post(own.mcp, content=body, headers=headers)
                    assert answer.status_code < 500, (body[:80], answer.text)
            for wrong in HEADERS:
                answer = http.post(own.mcp, content=ping, headers={**good, **session, **wrong})
                assert answer.status_code < 500, (wrong, answer.text)
            for request in RAW:
                assert b" 5" not in sent_raw(own, request)[:13]
        call = _call("get_allowed_namespaces")
        answer = http.post(own.mcp, json=call, headers={**good, **session})
        assert answer.json()["result"]["structuredContent"]["namespaces"] == [own.namespace]
        assert http.delete(own.mcp, headers={**good, **session}).status_code == 200


def test_nonsense_by_the_thousand_is_refused_and_leaves_nothing_behind(own: Live) -> None:
    gateway = gateway_of(own)
    sizes, files = [], []
    for _ in range(3):
        round_of_nonsense(own)
        sizes.append(forgotten(gateway))
        files.append(gateway.num_fds())

    assert sizes[-1] <= sizes[0] * MUCH, sizes
    assert files[-1] <= files[0] + 2, files  # connections to Redis come and go
    own.stack.require_alive()
    log = (own.places.logs / "gateway.log").read_text("utf-8")
    assert "Traceback" not in log
    assert "session.crashed" not in log
