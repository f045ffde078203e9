"""What operators are given: policy and kubeconfig, with no right too many."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.sandbox.rbac import applier_rules
from worker.policy import load_policy

REPOSITORY = Path(__file__).parents[1]
KUBE = REPOSITORY / ".kube"


def test_the_example_policy_is_one_that_a_worker_takes() -> None:
    (rule,) = load_policy(REPOSITORY / "deploy" / "policy.example.yaml").approvers

    assert rule.namespaces == ("mcp-nginx-demo",)


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
