"""What operators are given: policy, Redis users and kubeconfig, with no right too many."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from dev.redis_server import command, free_port
from dev.sandbox.rbac import applier_rules
from worker.policy import load_policy

REPOSITORY = Path(__file__).parents[1]
KUBE = REPOSITORY / ".kube"
USERS = REPOSITORY / "deploy" / "redis" / "users.acl"


def test_the_example_policy_is_one_that_a_worker_takes() -> None:
    (rule,) = load_policy(REPOSITORY / "deploy" / "policy.example.yaml").approvers

    assert rule.namespaces == ("mcp-nginx-demo",)


@pytest.mark.real_redis
def test_the_gateways_redis_user_may_queue_but_not_write_plans(tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        command(port, tmp_path, aof=False, acl=USERS), stdout=subprocess.DEVNULL
    )
    try:
        gateway = redis.Redis(port=port, username="gateway", password="gateway-development-only")
        worker = redis.Redis(port=port, username="worker", password="worker-development-only")
        deadline = time.monotonic() + 10
        while not _answers(worker):
            assert time.monotonic() < deadline
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
            lambda: redis.Redis(port=port).ping(),
        ):
            with pytest.raises((redis.exceptions.NoPermissionError, redis.AuthenticationError)):
                forbidden()
        gateway.close()
        worker.close()
    finally:
        server.terminate()
        server.wait()


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        time.sleep(0.02)
        return False


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
