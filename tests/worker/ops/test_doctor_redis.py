"""What `doctor` says of a real Redis, asked as an administrator and as a plain user."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from dev.redis_server import RedisServer, free_port
from shared.settings import WorkerSettings
from tests.worker.ops.doctoring import the_one
from worker.ops import redis_checks
from worker.ops.diagnosis import Diagnosis, Mark

PASSWORD = "a-password-of-this-test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    folder: Path = tmp_path_factory.mktemp("doctor-redis")
    with RedisServer(free_port(), folder, aof=False) as server:
        yield server


@pytest.fixture
def users(server: RedisServer) -> Iterator["redis.Redis"]:
    """An administrator's client; users that a test made are gone after it."""
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        yield client
        client.acl_deluser(*(name for name in client.acl_users() if name != "default"), "nobody")
        client.config_set("appendonly", "no")
        client.config_set("maxmemory-policy", "noeviction")


def allow(users: "redis.Redis", name: str, *rights: str) -> None:
    """Makes a user as the server's own command words it."""
    users.execute_command("ACL", "SETUSER", name, "on", *rights)  # type: ignore[no-untyped-call]


def checked(server: RedisServer, user: str = "") -> list[Diagnosis]:
    url = server.url.replace("://", f"://{user}:{PASSWORD}@") if user else server.url
    settings = WorkerSettings(redis_url=SecretStr(url))
    found = list(redis_checks.check(settings, time.time))
    assert PASSWORD not in "".join(map(str, found))
    return found


def test_an_open_redis_is_said_to_be_open(server: RedisServer, users: "redis.Redis") -> None:
    del users
    found = checked(server)

    the_one(found, Mark.WARNING, "default user, with all rights")
    the_one(found, Mark.WARNING, "may administer")
    the_one(found, Mark.WARNING, "user default is on, without a password")
    the_one(found, Mark.NOT_CHECKED, "no TLS, on this machine")
    the_one(found, Mark.FINE, "clock")
    the_one(found, Mark.FINE, "version ")


def test_a_redis_that_forgets_is_a_failure(server: RedisServer, users: "redis.Redis") -> None:
    users.config_set("maxmemory-policy", "allkeys-lru")

    found = checked(server)

    assert "appendonly yes" in the_one(found, Mark.FAILED, "forgets on restart").mend
    assert "noeviction" in the_one(found, Mark.FAILED, "allkeys-lru").mend


def test_a_redis_that_keeps_everything_is_fine(server: RedisServer, users: "redis.Redis") -> None:
    users.config_set("appendonly", "yes")

    found = checked(server)

    the_one(found, Mark.FINE, "appendonly yes")
    the_one(found, Mark.FINE, "noeviction")


def test_a_plain_user_is_told_who_it_is_and_what_it_cannot_see(
    server: RedisServer, users: "redis.Redis"
) -> None:
    allow(users, "worker", f">{PASSWORD}", "~wk:*", "+@read", "+@connection")

    found = checked(server, "worker")

    the_one(found, Mark.FINE, "this is user worker")
    the_one(found, Mark.FINE, "may not administer")
    assert "CONFIG GET" in the_one(found, Mark.NOT_CHECKED, "persistence").mend
    assert not [line for line in found if line.mark in (Mark.FAILED, Mark.WARNING)]


@pytest.mark.parametrize(
    ("keys", "mark", "words"),
    [
        ("%R~wk:*", Mark.FINE, "cannot write plans"),
        ("~wk:*", Mark.FAILED, "user gateway can write plans"),
    ],
)
def test_a_gateways_user_that_can_write_plans_is_a_failure(
    server: RedisServer, users: "redis.Redis", keys: str, mark: Mark, words: str
) -> None:
    allow(users, "gateway", ">x", keys, "+@read", "+@write")

    the_one(checked(server), mark, words)


def test_a_wrong_password_is_said_to_be_one(server: RedisServer) -> None:
    (line,) = checked(server, "nobody-here")

    assert (line.mark, "refuses this user" in line.said) == (Mark.FAILED, True)
    assert "users.acl" in line.mend


def test_a_redis_that_is_away_is_said_to_be(server: RedisServer) -> None:
    del server
    url = SecretStr(f"redis://127.0.0.1:{free_port()}/0")

    (line,) = redis_checks.check(WorkerSettings(redis_url=url), time.time)

    assert (line.mark, "INFRA_GATE_REDIS_URL" in line.mend) == (Mark.FAILED, True)


def test_plain_text_to_another_machine_is_a_failure() -> None:
    line = redis_checks._tls("redis://u:p@redis.example.com:6379/0", production=False)

    assert (line.mark, line.mend) == (Mark.FAILED, "use rediss://")
