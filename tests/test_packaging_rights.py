"""What operators are given: policy, Redis users and kubeconfig, with no right too many."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from dev.redis_server import command, free_port
from dev.sandbox.rbac import applier_rules
from dev.stack.probes import redis_answers
from worker.policy import load_policy

REPOSITORY = Path(__file__).parents[1]
KUBE = REPOSITORY / ".kube"
USERS = REPOSITORY / "deploy" / "redis" / "users.acl"


def test_the_example_policy_is_one_that_a_worker_takes() -> None:
    (rule,) = load_policy(REPOSITORY / "deploy" / "policy.example.yaml").approvers

    assert rule.namespaces == ("mcp-nginx-demo",)


@contextmanager
def users(folder: Path) -> Iterator[tuple[redis.Redis, redis.Redis]]:
    """A Redis server with the users' file: gateway and worker, connected."""
    port = free_port()
    server = subprocess.Popen(command(port, folder, aof=True, acl=USERS), stdout=subprocess.DEVNULL)
    gateway = redis.Redis(port=port, username="gateway", password="gateway-development-only")
    worker = redis.Redis(port=port, username="worker", password="worker-development-only")
    try:
        deadline = time.monotonic() + 10
        while not redis_answers(port)():
            assert time.monotonic() < deadline
            time.sleep(0.02)  # another process: nothing here can be awaited but its answer
        yield gateway, worker
    finally:
        gateway.close()
        worker.close()
        server.terminate()
        server.wait()


@pytest.mark.real_redis
def test_the_gateways_redis_user_may_queue_but_not_write_plans(tmp_path: Path) -> None:
    with users(tmp_path) as (gateway, worker):
        worker.hset("wk:plan:1", "state", "pending")

        assert gateway.hgetall("wk:plan:1") == {b"state": b"pending"}
        assert gateway.lpush("q:sandbox.read", "{}") == 1
        for forbidden in (
            lambda: gateway.hset("wk:plan:1", "state", "approved"),
            lambda: gateway.rpop("q:sandbox.read"),
            gateway.flushall,
            lambda: gateway.keys("*"),
            lambda: gateway.config_get("*"),
            lambda: worker.lpush("q:sandbox.read", "{}"),
            lambda: worker.set("gw:login:1", "{}"),
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                forbidden()


@pytest.mark.real_redis
@pytest.mark.parametrize("password", [None, "", "default", "worker-development-only"])
def test_nobody_can_be_redis_default_user(tmp_path: Path, password: str | None) -> None:
    with users(tmp_path) as (gateway, _):
        port = gateway.connection_pool.connection_kwargs["port"]
        with (
            redis.Redis(port=port, password=password) as anybody,
            pytest.raises(redis.AuthenticationError),
        ):
            anybody.ping()


@pytest.mark.real_redis
def test_a_restart_of_redis_keeps_what_was_written_in_a_transaction(tmp_path: Path) -> None:
    """Redis replays its file as the default user, and drops what that user may not do."""
    with users(tmp_path) as (_, worker), worker.pipeline(transaction=True) as pipe:
        pipe.hset("wk:plan:1", "state", "pending")
        pipe.expire("wk:plan:1", 600)
        pipe.execute()

    with users(tmp_path) as (gateway, _):
        assert gateway.hget("wk:plan:1", "state") == b"pending"


def _objects(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [str(KUBE / "make-kubeconfig"), "--print", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def test_the_kubeconfig_may_do_what_a_worker_does_and_no_more() -> None:
    granted = {
        (group, resource, verb, one["metadata"].get("namespace", ""))
        for one in _objects()
        if one["kind"] in {"Role", "ClusterRole"}
        for rule in one["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    needed = {
        (group, resource, verb, "" if rule.names else rule.namespace)
        for rule in applier_rules("mcp-nginx-demo")
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
    }

    assert granted == needed


def test_a_role_gets_the_shipped_files_in_each_namespace() -> None:
    made = _objects("--role", "planner", "--namespace", "one", "--namespace", "two")
    rules = {
        one["metadata"]["namespace"]: one["rules"]
        for one in made
        if (one["kind"], one["metadata"]["name"]) == ("Role", "infragate-plan")
    }
    shipped = yaml.safe_load_all(
        (REPOSITORY / "deploy" / "kubernetes" / "served-namespace.yaml").read_text("utf-8")
    )

    assert rules.keys() == {"one", "two"}
    assert rules["one"] == rules["two"] in [one.get("rules") for one in shipped]
    assert "ValidatingAdmissionPolicyBinding" in {one["kind"] for one in made}
    assert all("namespace" in one["metadata"] for one in made if one["kind"].startswith("Role"))
    with pytest.raises(subprocess.CalledProcessError):
        _objects("--role", "admin")


def test_the_kubeconfig_serves_several_namespaces_but_never_those_of_the_system() -> None:
    roles = [
        one["metadata"]["namespace"]
        for one in _objects("--namespace", "one", "--namespace", "two")
        if one["metadata"]["name"] == "infragate-worker" and one["kind"] == "Role"
    ]

    assert roles == ["one", "two"]
    for namespace in ("kube-system", "default", "Bad", "a;b"):
        with pytest.raises(subprocess.CalledProcessError):
            _objects("--namespace", namespace)
