"""The proxy that the other tests stand between two parts: it does what they say that it did."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import LOOPBACK, FaultProxy, Line


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything again."""
    server = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(server.getsockname()[1])
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def _echo(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        while piece := connection.recv(65536):
            connection.sendall(piece)


@pytest.fixture
def proxy(echo: int) -> Iterator[FaultProxy]:
    with FaultProxy(echo) as it:
        yield it


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, proxy.port), timeout=20) as connection:
        yield connection


def said(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    heard = b""
    while len(heard) < len(text) and (piece := client.recv(65536)):
        heard += piece
    return heard


def test_everything_passes_and_the_end_too(client: socket.socket) -> None:
    long = b"x" * 1_000_000

    sender = threading.Thread(target=client.sendall, args=(long,))
    sender.start()
    heard = b""
    while len(heard) < len(long):
        heard += client.recv(65536)
    sender.join()
    client.shutdown(socket.SHUT_WR)

    assert heard == long
    assert client.recv(1) == b""


def test_a_slow_line_takes_its_time_each_way(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.behave(Line(latency_s=0.1))
    began = time.monotonic()

    assert said(client, b"hello") == b"hello"
    assert time.monotonic() - began >= 0.2


def test_a_throttled_line_trickles(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.behave(Line(bytes_per_s=1000))
    began = time.monotonic()

    assert said(client, b"x" * 300) == b"x" * 300
    assert time.monotonic() - began >= 0.3


def test_a_cut_is_a_reset_and_new_connections_are_well(
    proxy: FaultProxy, client: socket.socket
) -> None:
    said(client, b"hello")

    assert proxy.cut() == 2
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with socket.create_connection((LOOPBACK, proxy.port), timeout=20) as another:
        assert said(another, b"hello") == b"hello"


def test_a_cut_can_be_a_polite_end(proxy: FaultProxy, client: socket.socket) -> None:
    said(client, b"hello")

    proxy.cut(reset=False)

    assert client.recv(1) == b""


def test_who_is_refused_is_reset_until_it_is_mended(proxy: FaultProxy) -> None:
    proxy.refuse()
    with (
        pytest.raises(ConnectionResetError),  # while it connects, or right after
        socket.create_connection((LOOPBACK, proxy.port), timeout=20) as refused,
    ):
        refused.recv(1)

    proxy.mend()
    with socket.create_connection((LOOPBACK, proxy.port), timeout=20) as another:
        assert said(another, b"hello") == b"hello"


def test_a_half_open_connection_takes_everything_answers_nothing_and_stays_so(
    proxy: FaultProxy, client: socket.socket
) -> None:
    said(client, b"hello")

    assert proxy.swallow() == 1
    proxy.mend()
    client.sendall(b"are you there?")
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.recv(1)
    with socket.create_connection((LOOPBACK, proxy.port), timeout=20) as another:
        assert said(another, b"hello") == b"hello"


def test_only_the_connections_of_now_can_be_half_open(
    proxy: FaultProxy, client: socket.socket
) -> None:
    said(client, b"hello")

    proxy.swallow(new=False)

    with socket.create_connection((LOOPBACK, proxy.port), timeout=20) as another:
        assert said(another, b"hello") == b"hello"
