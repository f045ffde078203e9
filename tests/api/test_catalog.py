"""The contract with agents: fourteen tools, their names, order, defaults, bounds and size."""

import json
from typing import Any

import pytest
from mcp_types import ListToolsResult

from api.callers import APPLY_TOOLS, PLAN_TOOLS, READ_TOOLS, scope_for
from api.catalog import BY_NAME, ENTRIES, TOOLS
from shared.results import READ_RESULTS
from tests.api.contract import check_schema, validate

MAX_LIST_BYTES = 12 * 1024

LISTED: dict[str, dict[str, Any]] = json.loads(
    json.dumps(
        {
            tool["name"]: tool
            for tool in ListToolsResult(tools=list(TOOLS)).model_dump(
                mode="json", by_alias=True, exclude_none=True
            )["tools"]
        }
    )
)
"""As it crosses the wire."""

TEXT = {"type": "string"}
REASON = {"type": "string", "maxLength": 500}


def _number(low: int, high: int, default: int | None = None) -> dict[str, Any]:
    given = {"type": "integer", "minimum": low, "maximum": high}
    return given if default is None else given | {"default": default}


ARGUMENTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "get_allowed_namespaces": ({}, set()),
    "get_k8s_status": (
        {"namespace": TEXT, "labelSelector": TEXT, "limit": _number(1, 500, 100)},
        {"namespace"},
    ),
    "get_k8s_events": (
        {
            "namespace": TEXT,
            "labelSelector": TEXT,
            "fieldSelector": TEXT,
            "limit": _number(1, 100, 50),
        },
        {"namespace"},
    ),
    "get_pod_logs": (
        {
            "namespace": TEXT,
            "podName": TEXT,
            "container": TEXT,
            "tailLines": _number(1, 500, 200),
            "previous": {"type": "boolean", "default": False},
        },
        {"namespace", "podName"},
    ),
    "get_k8s_resource": (
        {"namespace": TEXT, "kind": TEXT, "name": TEXT},
        {"namespace", "kind", "name"},
    ),
    "get_deployment_diagnostics": (
        {"namespace": TEXT, "name": TEXT, "limit": _number(1, 100, 50)},
        {"namespace", "name"},
    ),
    "get_pod_diagnostics": (
        {"namespace": TEXT, "podName": TEXT, "limit": _number(1, 100, 50)},
        {"namespace", "podName"},
    ),
    "get_service_diagnostics": (
        {"namespace": TEXT, "name": TEXT, "limit": _number(1, 100, 50)},
        {"namespace", "name"},
    ),
    "request_apply_manifest": (
        {"namespace": TEXT, "manifest": TEXT, "reason": REASON},
        {"namespace", "manifest"},
    ),
    "request_delete_manifest": (
        {"namespace": TEXT, "manifest": TEXT, "reason": REASON},
        {"namespace", "manifest"},
    ),
    "request_scale_deployment": (
        {"namespace": TEXT, "name": TEXT, "replicas": _number(0, 5), "reason": REASON},
        {"namespace", "name", "replicas"},
    ),
    "request_restart_deployment": (
        {"namespace": TEXT, "name": TEXT, "reason": REASON},
        {"namespace", "name"},
    ),
    "request_set_deployment_image": (
        {"namespace": TEXT, "name": TEXT, "container": TEXT, "image": TEXT, "reason": REASON},
        {"namespace", "name", "container", "image"},
    ),
    "apply_approved_plan": ({"planId": TEXT, "waitSeconds": _number(0, 300, 0)}, {"planId"}),
}
"""tools.md, written out a second time: arguments with defaults and bounds, and the required."""

EACH = pytest.mark.parametrize("name", ARGUMENTS)


def test_there_are_fourteen_tools_in_this_order() -> None:
    assert [tool.name for tool in TOOLS] == list(ARGUMENTS)
    assert len(ARGUMENTS) == 14
    assert list(BY_NAME) == [entry.name for entry in ENTRIES] == list(ARGUMENTS)


@EACH
def test_arguments_defaults_and_bounds_are_those_of_the_contract(name: str) -> None:
    properties, required = ARGUMENTS[name]
    schema = LISTED[name]["inputSchema"]

    assert schema["type"] == "object"
    assert schema["properties"] == properties
    assert set(schema.get("required", ())) == required
    assert list(schema["properties"]) == list(properties)


@EACH
def test_annotations_say_what_a_tool_does(name: str) -> None:
    hints = LISTED[name]["annotations"]

    if name in READ_TOOLS:
        expected = {"readOnlyHint": True, "idempotentHint": True, "destructiveHint": False}
    elif name in PLAN_TOOLS:
        expected = {"readOnlyHint": False, "idempotentHint": False, "destructiveHint": False}
    else:
        expected = {"readOnlyHint": False, "idempotentHint": True, "destructiveHint": True}
    assert hints == expected | {"openWorldHint": False}


@EACH
def test_each_tool_declares_a_sound_output(name: str) -> None:
    schema = LISTED[name]["outputSchema"]

    check_schema(schema)
    assert schema["type"] == "object"
    assert set(schema["required"]) <= set(schema["properties"])


@EACH
def test_each_input_schema_is_sound_and_each_default_within_its_bounds(name: str) -> None:
    schema = LISTED[name]["inputSchema"]

    check_schema(schema)
    for argument in schema["properties"].values():
        if "default" in argument:
            validate(argument, argument["default"])


@EACH
def test_each_tool_says_what_it_does_in_a_few_words(name: str) -> None:
    description = LISTED[name]["description"]

    assert description.endswith((".", "of it."))
    assert len(description) <= 200


def test_what_needs_an_approval_says_so() -> None:
    for name in PLAN_TOOLS:
        assert "a person must approve it" in LISTED[name]["description"]


def test_the_list_stays_small() -> None:
    listed = json.dumps({"tools": list(LISTED.values())}, separators=(",", ":"), ensure_ascii=False)
    size = len(listed.encode())

    assert size <= MAX_LIST_BYTES, f"tools/list has {size} bytes, {MAX_LIST_BYTES} are allowed"


def test_every_tool_has_one_scope() -> None:
    assert set(ARGUMENTS) == READ_TOOLS | PLAN_TOOLS | APPLY_TOOLS
    scopes = [scope_for(name) for name in ARGUMENTS]
    assert scopes == ["mcp:tools.read"] * 8 + ["mcp:tools.plan"] * 5 + ["mcp:tools.apply"]


def test_every_read_that_asks_kubernetes_has_its_result() -> None:
    assert set(READ_RESULTS) == READ_TOOLS - {"get_allowed_namespaces"}
