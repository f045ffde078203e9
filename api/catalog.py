"""The fourteen tools as agents see them: names, arguments, bounds, annotations, result shapes.

This is the contract of docs/tools.md: a name, an argument or a default here never changes. Every
byte is paid for in every conversation, so descriptions are short and schemas slim (12 KB in all).
"""

from dataclasses import dataclass
from typing import Any, Final

from mcp_types import Tool, ToolAnnotations

from api.plan_results import APPLY_SCHEMA, PLAN_SCHEMA
from shared.plans import MAX_REASON_LENGTH
from shared.results import READ_RESULTS, output_schema

Schema = dict[str, Any]

_READ: Final = ToolAnnotations(
    read_only_hint=True, idempotent_hint=True, open_world_hint=False, destructive_hint=False
)
_PLAN: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)
_APPLY: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)

_TEXT: Final[Schema] = {"type": "string"}
_NAMESPACE: Final[Schema] = {"namespace": _TEXT}
_NAMED: Final[Schema] = {"namespace": _TEXT, "name": _TEXT}
_REASON: Final[Schema] = {"reason": {"type": "string", "maxLength": MAX_REASON_LENGTH}}
_SELECTOR: Final[Schema] = {"labelSelector": _TEXT}


def _number(default: int, low: int, high: int) -> Schema:
    return {"type": "integer", "default": default, "minimum": low, "maximum": high}


def _events(default: int = 50) -> Schema:
    return {"limit": _number(default, 1, 100)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tool. `optional` names the arguments that need not be given."""

    name: str
    description: str
    arguments: Schema
    optional: tuple[str, ...]
    annotations: ToolAnnotations
    output: Schema

    def tool(self) -> Tool:
        """Returns the tool as `tools/list` shows it."""
        schema: Schema = {"type": "object", "properties": self.arguments}
        required = [name for name in self.arguments if name not in self.optional]
        if required:
            schema["required"] = required
        return Tool(
            name=self.name,
            description=self.description,
            input_schema=schema,
            output_schema=self.output,
            annotations=self.annotations,
        )


def _read(name: str, description: str, arguments: Schema, *optional: str) -> Entry:
    return Entry(
        name=name,
        description=description,
        arguments=arguments,
        optional=optional,
        annotations=_READ,
        output=output_schema(READ_RESULTS[name]),
    )


def _request(name: str, description: str, arguments: Schema) -> Entry:
    return Entry(
        name=name,
        description=f"{description} Makes a plan; a person must approve it before it is applied.",
        arguments={**arguments, **_REASON},
        optional=("reason",),
        annotations=_PLAN,
        output=PLAN_SCHEMA,
    )


ENTRIES: Final = (
    Entry(
        name="get_allowed_namespaces",
        description="The namespaces you may use.",
        arguments={},
        optional=(),
        annotations=_READ,
        output={
            "type": "object",
            "properties": {"namespaces": {"type": "array", "items": _TEXT}},
            "required": ["namespaces"],
        },
    ),
    _read(
        "get_k8s_status",
        "What runs in a namespace: Deployments, Services, ConfigMaps (keys), Pods, ReplicaSets.",
        {**_NAMESPACE, **_SELECTOR, "limit": _number(100, 1, 500)},
        "labelSelector",
        "limit",
    ),
    _read(
        "get_k8s_events",
        "Events of a namespace, newest first.",
        {**_NAMESPACE, **_SELECTOR, "fieldSelector": _TEXT, **_events()},
        "labelSelector",
        "fieldSelector",
        "limit",
    ),
    _read(
        "get_pod_logs",
        "The end of a container's log; previous=true for the run before the last restart.",
        {
            **_NAMESPACE,
            "podName": _TEXT,
            "container": _TEXT,
            "tailLines": _number(200, 1, 500),
            "previous": {"type": "boolean", "default": False},
        },
        "container",
        "tailLines",
        "previous",
    ),
    _read(
        "get_k8s_resource",
        "One Deployment, ReplicaSet, Pod, Service or ConfigMap, summarized.",
        {**_NAMESPACE, "kind": _TEXT, "name": _TEXT},
    ),
    _read(
        "get_deployment_diagnostics",
        "A Deployment with its ReplicaSets, Pods and events, and what is wrong with it.",
        {**_NAMED, **_events()},
        "limit",
    ),
    _read(
        "get_pod_diagnostics",
        "A Pod with its containers and events, and what is wrong with it.",
        {**_NAMESPACE, "podName": _TEXT, **_events()},
        "limit",
    ),
    _read(
        "get_service_diagnostics",
        "A Service with its endpoints and Pods, and what is wrong with it.",
        {**_NAMED, **_events()},
        "limit",
    ),
    _request(
        "request_apply_manifest",
        "Create or change Deployments, Services, ConfigMaps from YAML or JSON.",
        {**_NAMESPACE, "manifest": _TEXT},
    ),
    _request(
        "request_delete_manifest",
        "Delete the objects that the documents name.",
        {**_NAMESPACE, "manifest": _TEXT},
    ),
    _request(
        "request_scale_deployment",
        "Set a Deployment's replicas.",
        {**_NAMED, "replicas": {"type": "integer", "minimum": 0, "maximum": 5}},
    ),
    _request("request_restart_deployment", "Restart a Deployment's Pods.", _NAMED),
    _request(
        "request_set_deployment_image",
        "Set one container's image (with a tag, not latest).",
        {**_NAMED, "container": _TEXT, "image": _TEXT},
    ),
    Entry(
        name="apply_approved_plan",
        description="Apply a plan that a person approved, or learn what became of it. Safe to "
        "repeat. waitSeconds waits for the decision.",
        arguments={"planId": _TEXT, "waitSeconds": _number(0, 0, 300)},
        optional=("waitSeconds",),
        annotations=_APPLY,
        output=APPLY_SCHEMA,
    ),
)
"""In the order in which they are listed."""

TOOLS: Final = tuple(entry.tool() for entry in ENTRIES)
BY_NAME: Final = {entry.name: entry for entry in ENTRIES}
