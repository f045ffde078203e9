"""What the read tools answer: the shapes that cross the wire and that output schemas declare. Pure.

A result has two faces. `structured` is the JSON that programs read; `rendered` is the text that the
model reads, with everything that came out of the cluster inside a fence. The worker makes both,
after cleaning, so that a secret never sits in one and not in the other.
"""

from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

JSON_BUDGET: Final = 32 * 1024
"""Bytes of structured content, and again of text, for every result but logs."""

LOG_BUDGET: Final = 64 * 1024

RowT = TypeVar("RowT")


class _Shape(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Hits(_Shape):
    """What cleaning found, by rule id, for the audit log. Never the text that was found."""

    redactions: dict[str, int] = {}
    injections: dict[str, int] = {}


class Result(_Shape):
    """Superclass of all results. `notes` say what was cut or marked, and which argument helps."""

    namespace: str
    notes: list[str] = []
    text: str = Field(default="", exclude=True)
    hits: Hits = Field(default=Hits(), exclude=True)

    def structured(self) -> dict[str, Any]:
        """The structured content: JSON types only, without what is absent."""
        return self.model_dump(mode="json", exclude_none=True)

    def rendered(self) -> str:
        """The text block."""
        return self.text

    def wire(self) -> dict[str, Any]:
        """Everything, for the reply of a worker; `result_from` reads it back."""
        return {**self.structured(), "text": self.text, "hits": self.hits.model_dump(mode="json")}


class DeploymentRow(_Shape):
    name: str
    desired: int
    ready: int
    available: int
    updated: int


class ServiceRow(_Shape):
    """`ports` as `80/TCP->8080 (http)`."""

    name: str
    type: str
    cluster_ip: str = Field(default="", alias="clusterIP")
    ports: list[str] = []


class ConfigMapRow(_Shape):
    """Key names only; values are never read."""

    name: str
    keys: list[str] = []


class PodRow(_Shape):
    """`reason` is what kubectl prints as STATUS, when that differs from the phase."""

    name: str
    phase: str
    ready: int
    containers: int
    restarts: int
    reason: str | None = None


class ReplicaSetRow(_Shape):
    name: str
    desired: int
    ready: int
    owner: str | None = None
    revision: str | None = None


class Table(_Shape, Generic[RowT]):
    """The rows of one kind. `total` is the true number; `truncated` when `items` are fewer."""

    total: int
    truncated: bool = False
    items: list[RowT] = []


class StatusResult(Result):
    """get_k8s_status."""

    deployments: Table[DeploymentRow]
    services: Table[ServiceRow]
    config_maps: Table[ConfigMapRow]
    pods: Table[PodRow]
    replica_sets: Table[ReplicaSetRow]


class EventRow(_Shape):
    type: str
    reason: str
    kind: str
    name: str
    note: str
    count: int
    first_seen: str | None = None
    last_seen: str | None = None


class EventsResult(Result):
    """get_k8s_events, newest first."""

    total: int
    truncated: bool = False
    events: list[EventRow]


class LogsResult(Result):
    """get_pod_logs. `log` is fenced; it is in the text too, but crosses the wire once."""

    pod: str
    container: str
    previous: bool
    lines: int
    truncated: bool = False
    log: str

    def rendered(self) -> str:
        """The head line and the fenced log."""
        return f"{self.text}\n{self.log}" if self.log else self.text


class ContainerRow(_Shape):
    """One container, of a template (name, image, …) or of a Pod (also state and history)."""

    name: str
    image: str
    init: bool | None = None
    ready: bool | None = None
    restarts: int | None = None
    state: str | None = None
    message: str | None = None
    last_state: str | None = None
    exit_code: int | None = None
    ports: list[str] | None = None
    probes: dict[str, str] | None = None
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class ConditionRow(_Shape):
    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    since: str | None = None


class Summary(_Shape):
    """One object, whatever its kind: the fields that the kind has."""

    kind: Literal["Deployment", "ReplicaSet", "Pod", "Service", "ConfigMap"]
    name: str
    uid: str
    created: str | None = None
    deleting_since: str | None = None
    generation: int | None = None
    observed_generation: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owners: list[str] | None = None
    selector: dict[str, str] | None = None
    paused: bool | None = None
    strategy: str | None = None
    desired: int | None = None
    ready: int | None = None
    available: int | None = None
    updated: int | None = None
    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    node: str | None = None
    pod_ip: str | None = Field(default=None, alias="podIP")
    restarts: int | None = None
    type: str | None = None
    cluster_ip: str | None = Field(default=None, alias="clusterIP")
    ports: list[str] | None = None
    keys: list[str] | None = None
    conditions: list[ConditionRow] | None = None
    containers: list[ContainerRow] | None = None


class ResourceResult(Result):
    """get_k8s_resource."""

    resource: Summary


class EndpointRow(_Shape):
    """An address behind a Service; `pod` when it is one."""

    address: str
    ready: bool
    pod: str | None = None
    ports: list[str] = []


class FindingRow(_Shape):
    """What a good SRE would say first; `evidence` names the fields it is derived from."""

    code: str
    severity: str
    message: str
    evidence: dict[str, Any]


class DiagnosticsResult(Result):
    """The three diagnostics. A list that makes no sense for the kind is absent, not empty."""

    findings: list[FindingRow]
    resource: Summary
    replica_sets: list[ReplicaSetRow] | None = None
    pods: list[PodRow] | None = None
    endpoints: list[EndpointRow] | None = None
    events: list[EventRow]
    totals: dict[str, int]


READ_RESULTS: Final[dict[str, type[Result]]] = {
    "get_k8s_status": StatusResult,
    "get_k8s_events": EventsResult,
    "get_pod_logs": LogsResult,
    "get_k8s_resource": ResourceResult,
    "get_deployment_diagnostics": DiagnosticsResult,
    "get_pod_diagnostics": DiagnosticsResult,
    "get_service_diagnostics": DiagnosticsResult,
}
"""The result of each read tool."""


def result_from(tool: str, wire: object) -> Result:
    """A worker's reply as the result of `tool`. Raises pydantic.ValidationError, KeyError."""
    return READ_RESULTS[tool].model_validate(wire)


def output_schema(result: type[BaseModel], *, depth: int = 1) -> dict[str, Any]:
    """The JSON Schema of `result` for `tools/list`, small: no titles, texts or defaults.

    Objects deeper than `depth` are declared as objects and no more, since every byte of the list
    is paid for in every conversation.
    """
    schema = result.model_json_schema(mode="serialization", by_alias=True)
    return _slim(schema, schema.get("$defs", {}), depth)


def _slim(schema: dict[str, Any], defs: dict[str, Any], depth: int) -> dict[str, Any]:
    if "$ref" in schema:
        return _slim(defs[schema["$ref"].rpartition("/")[2]], defs, depth)
    if "anyOf" in schema:  # `X | None`, which is left out when it is None
        given = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return _slim(given[0], defs, depth)
    slim: dict[str, Any] = {"type": schema["type"]} if "type" in schema else {}
    if schema.get("type") == "array" and schema.get("items"):
        slim["items"] = _slim(schema["items"], defs, depth)
    if schema.get("properties") and depth > 0:
        slim["properties"] = {
            name: _slim(value, defs, depth - 1) for name, value in schema["properties"].items()
        }
        if required := schema.get("required"):
            slim["required"] = required
    return slim
