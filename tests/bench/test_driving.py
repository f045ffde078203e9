"""The load process against a server that says no as often as it is told to."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.load.drives import Drive, Outcome, Target
from bench.load.loader import Loader, LoadFailed, loader
from bench.requests import plain


class Moody(BaseHTTPRequestHandler):
    """Answers with the status that is its path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Says nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Moody) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Target(host="127.0.0.1", port=server.server_port)
        server.shutdown()
        thread.join()


@pytest.fixture
def load() -> Iterator[Loader]:
    with loader() as it:
        yield it


def get(status: int) -> bytes:
    return plain("GET", f"/{status}", "h", headers={})


def test_every_call_is_counted_by_how_it_ended(load: Loader, target: Target) -> None:
    (driven,) = load.together(
        Drive(targets=(target,), requests=(get(200), get(429), get(500)), clients=3, calls=30)
    )

    assert sum(map(driven.count, Outcome)) == 30
    assert all(driven.count(outcome) > 0 for outcome in Outcome)
    assert driven.first_failure == "500 {}"


def test_a_sequence_is_one_call_and_may_expect_any_status(load: Loader, target: Target) -> None:
    drive = Drive(
        targets=(target,),
        requests=(get(200), get(404)),
        calls=5,
        sequence=True,
        statuses=(200, 404),
    )

    assert load.drive(drive).count(Outcome.ANSWERED) == 5


def test_a_call_that_fails_makes_the_measurement_fail(load: Loader, target: Target) -> None:
    with pytest.raises(LoadFailed, match="4 of 4 calls failed, the first: 500"):
        load.drive(Drive(targets=(target,), requests=(get(500),), calls=4))


def test_nobody_there_is_a_failure_and_no_hang(load: Loader, target: Target) -> None:
    nobody = Target(host="127.0.0.1", port=1)

    (driven, fine) = load.together(
        Drive(targets=(nobody,), requests=(get(200),), calls=2),
        Drive(targets=(target,), requests=(get(200),), calls=2),
    )

    assert driven.count(Outcome.FAILED) == 2
    assert fine.count(Outcome.ANSWERED) == 2
