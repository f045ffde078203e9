"""Refusals of requests in the words that agents know, in the order that they know."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.manifests import MAX_BYTES
from shared.messages import PlanCall
from shared.plans import Operation
from shared.requests import MAX_REPLICAS, request_refusal
from tests.worker.worlds import ROB

ALLOWED = ("b", "a")
GOOD: dict[Operation, dict[str, Any]] = {
    Operation.APPLY: {"manifest": "kind: Deployment"},
    Operation.DELETE: {"manifest": "kind: Deployment"},
    Operation.SCALE: {"name": "web", "replicas": 0},
    Operation.RESTART: {"name": "web"},
    Operation.SET_IMAGE: {"name": "web", "container": "app", "image": "registry:5000/app:1"},
}
ALL = pytest.mark.parametrize("operation", Operation)
NAMED = pytest.mark.parametrize(
    "operation", [Operation.SCALE, Operation.RESTART, Operation.SET_IMAGE]
)


def _message(operation: Operation, **changed: Any) -> str | None:
    given = {"namespace": "a", **GOOD[operation], **changed}
    call = PlanCall(operation=operation, requester=ROB, **given)
    refusal = request_refusal(call, ALLOWED)
    return refusal.message if refusal is not None else None


@ALL
def test_a_good_request_may_be_looked_into(operation: Operation) -> None:
    assert _message(operation) is None


@ALL
def test_the_namespace_comes_first(operation: Operation) -> None:
    nothing = {"manifest": "", "name": "", "replicas": 99, "container": "", "image": ""}

    assert _message(operation, **nothing, namespace=" ") == "Namespace is required."
    assert _message(operation, **nothing, namespace="default") == (
        "Namespace 'default' is not allowed. Allowed namespaces: a, b."
    )


@NAMED
@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_name_is_required(operation: Operation, name: str | None) -> None:
    assert _message(operation, name=name, replicas=99) == "Resource name is required."


@NAMED
@pytest.mark.parametrize("name", ["Web", "a/b", "-a", "a" * 254, "a..b", "web\n", "ü"])
def test_a_bad_name_is_refused(operation: Operation, name: str) -> None:
    message = _message(operation, name=name)

    assert message is not None
    assert message.startswith("Resource name '")
    assert "RFC 1123" in message


@given(replicas=st.none() | st.integers(-(2**40), 2**40))
@settings(max_examples=60)
def test_replicas_have_bounds(replicas: int | None) -> None:
    message = _message(Operation.SCALE, replicas=replicas)

    allowed = replicas is not None and 0 <= replicas <= MAX_REPLICAS == 5
    assert message == (None if allowed else "Replicas must be between 0 and 5.")


@pytest.mark.parametrize("manifest", ["", " \n ", None])
@pytest.mark.parametrize("operation", [Operation.APPLY, Operation.DELETE])
def test_a_manifest_is_required(operation: Operation, manifest: str | None) -> None:
    assert _message(operation, manifest=manifest) == "Manifest is required."


@pytest.mark.parametrize("operation", [Operation.APPLY, Operation.DELETE])
def test_a_manifest_has_a_bound_in_bytes(operation: Operation) -> None:
    assert _message(operation, manifest="a" * MAX_BYTES) is None
    too_large = "The manifest is larger than 256 KiB; split it."
    assert _message(operation, manifest="a" * (MAX_BYTES + 1)) == too_large
    assert _message(operation, manifest="ü" * (MAX_BYTES // 2 + 1)) == too_large


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"container": ""}, "Container name is required."),
        ({"container": None, "image": None}, "Container name is required."),
        ({"image": ""}, "Image is required."),
        ({"image": None}, "Image is required."),
        ({"image": "a b:1"}, "Image is not a valid image reference."),
        ({"image": "a" * 1025}, "Image is not a valid image reference."),
        ({"image": "a:1\n"}, "Image is not a valid image reference."),
    ],
)
def test_container_and_image_are_required(changed: dict[str, Any], message: str) -> None:
    assert _message(Operation.SET_IMAGE, **changed) == message


def test_a_bad_container_name_is_refused() -> None:
    message = _message(Operation.SET_IMAGE, container="App!")

    assert message is not None
    assert message.startswith("Container name 'App!' is not valid")
