"""Workloads that really fail, and what the read tools say of them; on every kind of cluster."""

from collections.abc import Mapping
from typing import Any

import pytest

from dev.sandbox.seeds import broken
from shared.errors import Refusal
from tests.cluster.conftest import NAMESPACE, ClusterWorld, eventually
from worker import reading

pytestmark = pytest.mark.cluster


@pytest.fixture
def failing(here: ClusterWorld) -> ClusterWorld:
    """The five broken Deployments; a cluster without them gets them once and keeps them."""
    for deployment in broken():
        name = deployment["metadata"]["name"]
        if here.admin.get("Deployment", NAMESPACE, name) is None:
            body = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment}
            here.admin.create("Deployment", NAMESPACE, body, dry_run=False)
    return here


def asked(here: ClusterWorld, tool: str, **arguments: object) -> dict[str, Any]:
    given: Mapping[str, object] = {"namespace": NAMESPACE, **arguments}
    result = reading.answer(here.cluster, tool, given, allowed=(NAMESPACE,))
    assert not isinstance(result, Refusal), result
    return {**result.structured(), "text": result.rendered()}


def findings(here: ClusterWorld, name: str) -> dict[str, str]:
    found = asked(here, "get_deployment_diagnostics", name=name)["findings"]
    return {one["code"]: one["message"] for one in found}


def pod_of(here: ClusterWorld, name: str) -> str:
    pods = asked(here, "get_deployment_diagnostics", name=name)["pods"]
    return str(pods[0]["name"])


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("broken-crash", "crash_loop", "exit code 3"),
        ("broken-image", "image_pull_failed", "localhost/nginx:9.99"),
        ("broken-unschedulable", "unschedulable", "cpu"),
        ("broken-oom", "oom_killed", "32Mi"),
        ("broken-readiness", "probe_failing", "ready"),
    ],
)
def test_what_is_wrong_with_a_deployment_is_named_with_its_cause(
    failing: ClusterWorld, name: str, code: str, words: str
) -> None:
    eventually(lambda: words in findings(failing, name).get(code, ""))


def test_the_log_of_a_crashed_container_tells_why_it_crashed(failing: ClusterWorld) -> None:
    def last_words() -> bool:
        log = asked(failing, "get_pod_logs", podName=pod_of(failing, "broken-crash"), previous=True)
        return "fatal: no such file: /etc/app/config.yaml" in log["text"]

    eventually(last_words)


def test_a_pod_says_how_its_container_ended_and_how_often(failing: ClusterWorld) -> None:
    def crashed() -> bool:
        pod = asked(failing, "get_pod_diagnostics", podName=pod_of(failing, "broken-crash"))
        (container,) = pod["resource"]["containers"]
        return bool(container["restarts"] and container["exitCode"] == 3)

    eventually(crashed)


def test_events_name_the_object_that_they_are_about(failing: ClusterWorld) -> None:
    def told() -> bool:
        # Of a busy namespace the newest events are others; so the reason is asked for.
        only = "reason=FailedScheduling"
        events = asked(failing, "get_k8s_events", fieldSelector=only, limit=100)["events"]
        return any(one["name"].startswith("broken-unschedulable-") for one in events)

    eventually(told)


def test_a_namespace_at_a_glance_counts_what_is_ready(failing: ClusterWorld) -> None:
    def glance() -> bool:
        status = asked(failing, "get_k8s_status")
        rows = {row["name"]: row for row in status["deployments"]["items"]}
        return (rows["nginx"]["ready"], rows["broken-image"]["ready"]) == (2, 0)

    eventually(glance)
