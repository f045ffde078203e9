"""A registry for each process, and a listener of its own that shows it to whoever may connect."""

import socket
import urllib.request

import pytest

from dev.redis_server import free_port
from shared.errors import BadConfiguration, RedisUnavailable
from shared.metrics import Remembered, new_registry, served


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def test_who_connects_gets_the_figures_and_after_the_end_nobody_does() -> None:
    port = free_port()
    with served(new_registry("gateway"), "127.0.0.1", port):
        text = scraped(port)

    assert 'infragate_build_info{process="gateway"' in text
    assert "process_resident_memory_bytes" in text
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", port)) != 0


def test_without_a_port_nothing_listens() -> None:
    with served(new_registry("gateway"), "127.0.0.1", None):
        pass


def test_a_port_that_is_taken_is_a_setting_that_cannot_be_used() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with (
            pytest.raises(BadConfiguration, match="INFRA_GATE_METRICS"),
            served(new_registry("worker"), "127.0.0.1", taken),
        ):
            raise AssertionError


def test_many_processes_in_one_program_do_not_share_their_figures() -> None:
    assert new_registry("gateway") is not new_registry("gateway")


def test_what_is_scraped_often_is_looked_at_once() -> None:
    looks = iter(range(1, 9))
    seen = Remembered(lambda: next(looks))

    assert [seen(), seen(), seen()] == [1, 1, 1]


def test_without_redis_there_is_nothing_to_tell() -> None:
    def look() -> int:
        raise RedisUnavailable("Redis does not answer.")

    assert Remembered(look)() is None
