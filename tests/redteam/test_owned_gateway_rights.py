"""What the agents' gateway holds: its environment, its files, and what its Redis user may do."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]  # has no types
import pytest
import redis

from dev.login_driver import browser
from tests.journeys.person import Person
from tests.redteam.attackers import Attacker, owner_of, redis_root
from tests.redteam.stage import WORKERS, Stage
from tests.redteam.watching import unchanged

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
owned = pytest.mark.promise("owned-gateway-changes-nothing")


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "gateway") as attacker:
        yield attacker


@owned
def test_its_process_leads_to_no_key_no_kubeconfig_and_nobody_elses_user(stage: Stage) -> None:
    environment = stage.environment("gateway")
    process = psutil.Process(stage.pid("gateway"))
    named = [Path(value) for value in environment.values() if value.startswith("/")]
    files = [path for path in named if path.is_file()]
    files += [Path(one.path) for one in process.open_files()]

    for path in files:
        text = path.read_bytes()[:100_000]
        assert b"PRIVATE KEY" not in text, path
        assert b"kubernetes" not in text, path
    assert "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE" not in environment
    own = environment["INFRA_GATE_REDIS_URL"]
    for other in WORKERS:
        assert stage.environment(other)["INFRA_GATE_REDIS_URL"] != own
        for name, value in stage.environment(other).items():
            if name in {"KUBECONFIG", "INFRA_GATE_KEYS_ROOT", "INFRA_GATE_NOTICE_URL"}:
                assert value not in environment.values(), name


@owned
@pytest.mark.parametrize(
    "command",
    [
        ("HSET", "{plan}", "state", "approved"),
        ("HDEL", "{plan}", "receipt"),
        ("DEL", "{plan}"),
        ("RENAME", "{plan}", "gw:stolen"),
        ("COPY", "gw:own", "{plan}", "REPLACE"),
        ("RESTORE", "{plan}", "0", "x", "REPLACE"),
        ("EXPIRE", "{plan}", "1"),
        ("ZADD", "wk:plans", "1", "x"),
        ("SET", "wk:spent:x", "1"),
        ("DEL", "wk:spent:x"),
        ("SET", "wk:worker:evil", "{}"),
        ("SADD", "wk:workers", "evil"),
        ("EVAL", "return redis.call('HSET', KEYS[1], 'state', 'approved')", "1", "{plan}"),
        ("EVAL", "return redis.call('HSET', ARGV[1], 'state', 'approved')", "0", "{plan}"),
        ("RPUSH", "r:somebody", "{}"),
        ("RPUSH", "r:gateway-somebody", "{}"),
        ("BLMPOP", "1", "1", "r:approvals-somebody", "LEFT"),
        ("SET", "gw:login:x", "{}"),
        ("GET", "gw:login:x"),
        ("SET", "gw:approving:x", "{}"),
        ("BLMPOP", "1", "1", "q:sandbox.apply", "RIGHT"),
        ("LRANGE", "q:sandbox.apply", "0", "-1"),
        ("PUBLISH", "/0.celery.pidbox", "{}"),
        ("PUBLISH", "q:/0.celery.pidbox", "{}"),
        ("ACL", "SETUSER", "default", "on", "nopass"),
        ("CONFIG", "SET", "dir", "/var"),
        ("FLUSHALL",),
        ("MONITOR",),
        ("DEBUG", "SLEEP", "0"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("KEYS", "*"),
        ("MODULE", "LIST"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("SHUTDOWN",),
    ],
    ids=" ".join,
)
def test_its_redis_user_may_write_no_plan_no_reply_and_nothing_of_the_server(
    command: tuple[str, ...], stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan("acl")
    with redis_root(stage) as root, unchanged(stage):
        before = root.stored(plan_id)
        words = [word.replace("{plan}", f"wk:plan:{plan_id}") for word in command]

        with pytest.raises(
            redis.exceptions.ResponseError, match=r"(?i)permission|can't access|not allowed"
        ):
            gateway.run(*words)

        assert root.stored(plan_id) == before


@owned
def test_what_lies_in_redis_signs_nobody_in(stage: Stage) -> None:
    """Sessions lie there by digest only; and no login that is under way can be finished with it."""
    with Person(stage) as ada, redis_root(stage) as root:
        assert ada.open(f"{stage.approvals}/approvals").status_code == HTTPStatus.OK
        cookies = {one.name: one.value for one in ada.browser.cookies.jar if "session" in one.name}
        assert cookies
        keys = [key.decode() for key in root.redis.scan_iter("gw:*")]
        values = [str(root.redis.dump(key)) for key in keys]
    found = [*(key.rpartition(":")[2] for key in keys), *values]
    assert keys
    with browser() as thief, unchanged(stage):
        for name, real in cookies.items():
            assert all(str(real) not in one for one in found)
            for guess in found:
                headers = {"cookie": f"{name}={quote(guess)}"}
                page = thief.get(f"{stage.approvals}/approvals", headers=headers)
                assert page.is_redirect, "signed in with what lies in Redis"
            headers = {"cookie": f"{name}={real}"}
            assert not thief.get(f"{stage.approvals}/approvals", headers=headers).is_redirect
