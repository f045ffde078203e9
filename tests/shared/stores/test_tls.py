"""Redis over TLS: a real server with a certificate of a private authority, believed or not."""

import asyncio
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
import redis
from pydantic import SecretStr

from dev.redis_server import command, free_port
from dev.sandbox.certificates import make
from shared.errors import BadConfiguration, RedisUnavailable
from shared.settings import WorkerSettings
from shared.stores.announcements import announced
from shared.stores.connection import connect, connect_async, redis_faults
from shared.stores.queues import take
from tests.journeys.queue_stage import WorkerProcess
from worker.ops import redis_checks
from worker.ops.diagnosis import Mark

pytestmark = pytest.mark.real_redis

PASSWORD = "a-password-of-this-test"


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    ca: Path
    other_ca: Path
    """Of an authority that has signed nothing here."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that speaks TLS only, to one user with a password."""
    folder = tmp_path_factory.mktemp("tls")
    port, now = free_port(), datetime.now(UTC)
    for name, content in zip(("server.crt", "server.key", "ca.crt"), make(now), strict=True):
        (folder / name).write_bytes(content)
    (folder / "other.crt").write_bytes(make(now)[2])
    (folder / "users.acl").write_text(f"user default reset on >{PASSWORD} ~* &* +@all\n")
    options = {
        "--port": "0",
        "--tls-port": str(port),
        "--tls-cert-file": "server.crt",
        "--tls-key-file": "server.key",
        "--tls-ca-cert-file": "ca.crt",
        "--tls-auth-clients": "no",
    }
    told = [word for pair in options.items() for word in pair]
    process = subprocess.Popen(
        [*command(port, folder, aof=False, acl=folder / "users.acl"), *told],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    url = f"rediss://default:{PASSWORD}@127.0.0.1:{port}/0"
    try:
        deadline = time.monotonic() + 20
        while not answers(url, folder / "ca.crt"):
            assert process.poll() is None, "this Redis speaks no TLS"
            assert time.monotonic() < deadline
            time.sleep(0.02)  # another process: nothing here can be awaited but its answer
        yield Server(url=url, ca=folder / "ca.crt", other_ca=folder / "other.crt")
    finally:
        process.terminate()
        process.wait()


def answers(url: str, ca: Path) -> bool:
    """Says whether Redis answers a worker's client."""
    try:
        with redis_faults(), connect(SecretStr(url), timeout_s=2, ca_file=ca) as client:
            return bool(client.ping())
    except RedisUnavailable:
        return False


def failures(url: str, ca: Path | None) -> list[RedisUnavailable]:
    """How a worker's command, a consumer's read and a gateway's command fail."""
    secret = SecretStr(url)

    async def as_gateway() -> None:
        client = connect_async(secret, timeout_s=2, ca_file=ca)
        try:
            await announced(client)
        finally:
            await client.aclose()

    with connect(secret, timeout_s=2, ca_file=ca) as client:
        with pytest.raises(RedisUnavailable) as command_failed, redis_faults():
            client.ping()
        with pytest.raises(RedisUnavailable) as read_failed:
            take(client, ["local.read"], at_most=1, wait_s=0.1)
    with pytest.raises(RedisUnavailable) as gateway_failed:
        asyncio.run(as_gateway())
    return [command_failed.value, read_failed.value, gateway_failed.value]


@pytest.mark.timeout("120")
def test_gateway_and_worker_meet_over_tls_with_the_authoritys_file(
    server: Server, tmp_path: Path
) -> None:
    variables = {"INFRA_GATE_REDIS_CA_FILE": str(server.ca)}
    worker = WorkerProcess(server.url, tmp_path / "worker", **variables)
    port = free_port()
    gateway = subprocess.Popen(
        [sys.executable, "-m", "api"],
        env=os.environ
        | variables
        | {"INFRA_GATE_REDIS_URL": server.url, "INFRA_GATE_PORT": str(port)},
    )
    try:
        deadline = time.monotonic() + 60
        while not ready(f"http://127.0.0.1:{port}/readyz"):
            assert worker.process.poll() is None, worker.log_text()
            assert time.monotonic() < deadline, worker.log_text()
            time.sleep(0.1)  # other processes: nothing here can be awaited but their answers
        assert worker.events("queue.lost") == []
    finally:
        gateway.terminate()
        gateway.wait()
        stopped = worker.stop()
    assert stopped == 0


def ready(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.promise("redis-certificate-checked")
@pytest.mark.parametrize("known", ["another authority's file", "no file"])
def test_a_certificate_of_another_authority_is_refused_without_a_secret(
    server: Server, known: str
) -> None:
    ca = server.other_ca if known == "another authority's file" else None

    for fault in failures(server.url, ca):
        assert str(fault).startswith("Redis does not answer (its certificate is not believed: ")
        assert PASSWORD not in f"{fault!r} {fault.__cause__!r} {fault.__context__!r}"


def test_a_certificate_for_another_name_is_told_without_the_name() -> None:
    mismatch = ssl.SSLCertVerificationError(1, "certificate is not valid for 'redis.example'")
    mismatch.verify_code = 62

    with pytest.raises(RedisUnavailable) as told, redis_faults():
        raise redis.ConnectionError("Error 1 connecting to redis.example") from mismatch

    assert str(told.value) == "Redis does not answer (its certificate is for another name)."


def test_another_failure_of_tls_is_told_with_its_reason() -> None:
    failure = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    failure.reason = "WRONG_VERSION_NUMBER"

    with pytest.raises(RedisUnavailable, match="TLS failed: WRONG_VERSION_NUMBER"), redis_faults():
        raise redis.ConnectionError("Error 1 connecting") from failure


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_without_a_certificate_stops_the_process_at_its_start(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_bytes(content)

    for make_client in (connect, connect_async):
        with pytest.raises(BadConfiguration, match="INFRA_GATE_REDIS_CA_FILE cannot be used"):
            make_client(SecretStr("rediss://127.0.0.1:1/0"), timeout_s=1, ca_file=file)


def test_the_doctor_says_which_setting_mends_it(server: Server) -> None:
    def checked(ca: Path) -> list[str]:
        settings = WorkerSettings(redis_url=SecretStr(server.url), redis_ca_file=ca)
        found = list(redis_checks.check(settings, time.time))
        assert PASSWORD not in "".join(map(str, found))
        return [one.mend for one in found if one.mark is Mark.FAILED] + [
            one.said for one in found if one.mark is Mark.FINE
        ]

    assert checked(server.other_ca) == [
        "name the authority of its certificate in INFRA_GATE_REDIS_CA_FILE"
    ]
    assert "TLS, its certificate checked" in checked(server.ca)
