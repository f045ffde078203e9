"""What is found in objects of a real cluster: five failing Deployments, a quota, wrong Services."""

import json
from functools import cache
from pathlib import Path

import pytest

from shared.manifests import JSON, Object
from worker import findings
from worker.findings import Finding

FIXTURES = Path(__file__).parent / "fixtures"


@cache
def captured(file: str) -> dict[str, list[Object]]:
    content: dict[str, list[Object]] = json.loads((FIXTURES / f"{file}.json").read_text("utf-8"))
    return content


def of_deployment(file: str, name: str, events: str = "events") -> tuple[Finding, ...]:
    objects = captured(file)
    sets = owned(objects["replicaSets"], [one(objects["deployments"], name)])
    return findings.of_deployment(
        one(objects["deployments"], name),
        sets,
        owned(objects["pods"], sets),
        objects[events],
    )


def of_service(file: str, name: str, endpoints: str) -> tuple[Finding, ...]:
    objects = captured(file)
    service = one(objects["services"], name)
    selector = field(service, "spec", "selector")
    assert isinstance(selector, dict)
    pods = [
        pod
        for pod in objects["pods"]
        if isinstance(labels := field(pod, "metadata", "labels"), dict)
        and selector.items() <= labels.items()
    ]
    behind = [
        it for it in objects[endpoints] if str(field(it, "metadata", "name")).startswith(name)
    ]
    return findings.of_service(service, behind, pods, objects["events"])


def field(value: JSON, *path: str) -> JSON:
    for name in path:
        assert isinstance(value, dict)
        value = value.get(name)
    return value


def one(objects: list[Object], name: str) -> Object:
    return next(it for it in objects if field(it, "metadata", "name") == name)


def owned(objects: list[Object], owners: list[Object]) -> list[Object]:
    uids = {str(field(it, "metadata", "uid")) for it in owners}
    return [it for it in objects if any(uid in json.dumps(it["metadata"]) for uid in uids)]


def codes(found: tuple[Finding, ...]) -> list[str]:
    return [each.code for each in found]


@pytest.mark.parametrize("events", ["events", "coreEvents"])
@pytest.mark.parametrize(
    ("file", "name", "cause", "words"),
    [
        ("broken", "broken-crash", "crash_loop", ["last exit code 3 (Error)", "restarted 4 times"]),
        (
            "broken",
            "broken-image",
            "image_pull_failed",
            ["localhost/nginx:9.99", "ImagePullBackOff", "connection refused"],
        ),
        (
            "broken",
            "broken-unschedulable",
            "unschedulable",
            ["0/1 nodes are available: 1 Insufficient cpu."],
        ),
        ("broken", "broken-oom", "oom_killed", ["limit of 32Mi"]),
        (
            "broken",
            "broken-readiness",
            "probe_failing",
            ["readiness probe (22 times)", "can't open '/tmp/ready'"],
        ),
        ("refused", "no-config", "container_config_error", ['configmap "absent" not found']),
        ("refused", "over-quota", "quota_exceeded", ["exceeded quota", "limited: count/pods=2"]),
    ],
)
def test_the_cause_comes_first_and_is_told_in_the_clusters_words(
    file: str, name: str, cause: str, words: list[str], events: str
) -> None:
    found = of_deployment(file, name, events)

    assert found[0].code == cause
    assert found[0].severity == "critical"
    assert not [each for each in words if each not in found[0].message]
    assert codes(found)[-1] == "none_ready"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("broken-crash", "containerStatuses[app].lastState.terminated.exitCode", "3"),
        ("broken-image", "spec.containers[app].image", "localhost/nginx:9.99"),
        ("broken-unschedulable", "status.conditions[PodScheduled].reason", "Unschedulable"),
        ("broken-oom", "spec.containers[app].resources.limits.memory", "32Mi"),
        ("broken-readiness", "status.containerStatuses[app].ready", "false"),
    ],
)
def test_the_evidence_names_the_field_that_says_so(name: str, path: str, value: str) -> None:
    evidence = of_deployment("broken", name)[0].evidence

    assert [shown for where, shown in evidence.items() if where.endswith(path)] == [value]


def test_a_rollout_beyond_its_deadline_is_stuck() -> None:
    found = of_deployment("broken", "broken-image")

    assert codes(found) == ["image_pull_failed", "rollout_stuck", "none_ready"]
    assert "deadline of 60 s" in found[1].message


@pytest.mark.parametrize(("file", "name"), [("broken", "nginx"), ("refused", "healthy")])
def test_nothing_is_found_in_a_healthy_deployment(file: str, name: str) -> None:
    assert of_deployment(file, name) == ()


@pytest.mark.parametrize("endpoints", ["endpointSlices", "endpoints"])
@pytest.mark.parametrize(
    ("file", "name", "expected"),
    [
        ("broken", "nginx", []),
        ("refused", "no-match", [("critical", "selector_matches_nothing")]),
        ("refused", "wrong-name", [("critical", "port_not_exposed")]),
        ("refused", "wrong-port", [("warning", "port_not_exposed")]),
        (
            "refused",
            "not-ready",
            [("critical", "container_config_error"), ("critical", "no_ready_endpoints")],
        ),
    ],
)
def test_why_a_service_leads_nowhere(
    file: str, name: str, expected: list[tuple[str, str]], endpoints: str
) -> None:
    found = of_service(file, name, endpoints)

    assert [(each.severity, each.code) for each in found] == expected
