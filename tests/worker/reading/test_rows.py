"""How objects become rows: kubectl's words for Pods, ports, owners."""

from typing import Any

import msgspec
import pytest

from tests.worker.reading.objects import pod
from worker.reading import shapes
from worker.reading.diagnostics import selector_text
from worker.reading.rows import event_row, pod_row, port_text


def _pod(**status: Any) -> shapes.Pod:
    return msgspec.convert(pod("web-1", **status), shapes.Pod)


def _container(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "ready": False, "restartCount": 0, **fields}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, None),
        ({"phase": "Pending", "containerStatuses": []}, None),
        ({"phase": "Failed", "reason": "Evicted", "containerStatuses": []}, "Evicted"),
        (
            {"containerStatuses": [_container(state={"waiting": {"reason": "ErrImagePull"}})]},
            "ErrImagePull",
        ),
        (
            {"containerStatuses": [_container(state={"terminated": {"exitCode": 3}})]},
            "ExitCode:3",
        ),
        (
            {
                "phase": "Succeeded",
                "containerStatuses": [
                    _container(state={"terminated": {"exitCode": 0, "reason": "Completed"}})
                ],
            },
            None,
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    _container(state={"terminated": {"exitCode": 1, "reason": "Error"}})
                ],
            },
            "Init:Error",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [_container(state={"running": {}})],
                "containerStatuses": [_container(state={"waiting": {"reason": "PodInitializing"}})],
            },
            "Init:Running",
        ),
    ],
)
def test_a_pods_reason_is_the_word_that_kubectl_prints(
    status: dict[str, Any], reason: str | None
) -> None:
    assert pod_row(_pod(**status)).reason == reason


def test_a_pod_that_is_going_says_so() -> None:
    going = _pod()
    going.metadata.deletion_timestamp = "2026-01-01T00:00:00Z"

    assert pod_row(going).reason == "Terminating"


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ({"port": 80}, "80/TCP"),
        ({"port": 80, "targetPort": 80}, "80/TCP"),
        ({"port": 53, "protocol": "UDP", "targetPort": "dns"}, "53/UDP->dns"),
        ({"port": 80, "nodePort": 30080, "name": "web"}, "80:30080/TCP (web)"),
    ],
)
def test_a_port_is_one_word(port: dict[str, Any], text: str) -> None:
    assert port_text(msgspec.convert(port, shapes.ServicePort)) == text


def test_an_event_without_any_time_is_still_a_row() -> None:
    row = event_row({"metadata": {"name": "e"}})

    assert (row.count, row.last_seen) == (1, None)


def test_a_selector_object_becomes_a_query() -> None:
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "env", "operator": "NotIn", "values": ["dev"]},
            {"key": "x", "operator": "Exists"},
            {"key": "y", "operator": "DoesNotExist"},
        ],
    }

    assert selector_text(selector) == "app=web,tier in (a,b),env notin (dev),x,!y"
