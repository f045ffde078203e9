"""How results read: dense columns like kubectl's, for the model. Pure; the same in, the same out.

What is written here is made of cleaned values only. The part that came out of the cluster is kept
apart from our own words, so that `presenting` can put a fence around it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from shared.results import (
    ContainerRow,
    DiagnosticsResult,
    EndpointRow,
    EventRow,
    EventsResult,
    FindingRow,
    PodRow,
    ReplicaSetRow,
    ResourceResult,
    StatusResult,
    Summary,
    Table,
)

Row: TypeAlias = Sequence[object]


class Text(NamedTuple):
    """Our own words, and those that came out of the cluster."""

    head: str
    body: str


def status_text(result: StatusResult) -> Text:
    """One line of totals, then a table for each kind that has any."""
    tables = {
        "Deployment": result.deployments,
        "Service": result.services,
        "ConfigMap": result.config_maps,
        "Pod": result.pods,
        "ReplicaSet": result.replica_sets,
    }
    totals = ", ".join(_counted(kind, table) for kind, table in tables.items())
    idle = [it for it in result.replica_sets.items if not it.desired]
    blocks = [
        _table(
            ("DEPLOYMENT", "READY", "UPDATED", "AVAILABLE"),
            (
                (it.name, f"{it.ready}/{it.desired}", it.updated, it.available)
                for it in result.deployments.items
            ),
        ),
        _table(
            ("SERVICE", "TYPE", "CLUSTER-IP", "PORTS"),
            ((it.name, it.type, it.cluster_ip, ",".join(it.ports)) for it in result.services.items),
        ),
        _table(
            ("CONFIGMAP", "KEYS"),
            ((it.name, ",".join(it.keys) or "-") for it in result.config_maps.items),
        ),
        _pods(result.pods.items),
        _replica_sets([it for it in result.replica_sets.items if it.desired]),
        f"({len(idle)} old ReplicaSets at 0 replicas)" if idle else "",
    ]
    return Text(f"Namespace {result.namespace}: {totals}.", _joined(blocks))


def events_text(result: EventsResult) -> Text:
    """The events as a table."""
    shown = f"{len(result.events)} of {result.total}" if result.truncated else str(result.total)
    return Text(f"Events in {result.namespace}: {shown}, newest first.", _events(result.events))


def resource_text(result: ResourceResult) -> Text:
    """One object."""
    resource = result.resource
    return Text(
        f"{resource.kind} {resource.name} in {result.namespace}.", _joined(_summary(resource))
    )


def diagnostics_text(result: DiagnosticsResult) -> Text:
    """The findings first, then what they are derived from."""
    resource = result.resource
    count = len(result.findings)
    verdict = f"{count} finding{'s' * (count != 1)}." if count else "no findings."
    blocks = [
        _findings(result.findings),
        *_summary(resource),
        _replica_sets(result.replica_sets or ()),
        _pods(result.pods or ()),
        _endpoints(result.endpoints or ()),
        _events(result.events),
    ]
    head = f"{resource.kind} {resource.name} in {result.namespace}: {verdict}"
    return Text(head, _joined(blocks))


def _counted(kind: str, table: Table[PodRow] | Table[ReplicaSetRow] | object) -> str:
    total = getattr(table, "total", 0)
    shown = len(getattr(table, "items", ()))
    some = f" ({shown} shown)" if shown < total else ""
    return f"{total} {kind}{'s' * (total != 1)}{some}"


def _summary(it: Summary) -> list[str]:
    counts = {"ready": it.ready, "updated": it.updated, "available": it.available}
    facts = {
        "phase": it.phase,
        "reason": it.reason if it.reason != it.phase else None,
        "message": it.message,
        "desired": it.desired,
        **counts,
        "paused": it.paused,
        "strategy": it.strategy,
        "type": it.type,
        "clusterIP": it.cluster_ip,
        "ports": ",".join(it.ports or ()),
        "keys": ",".join(it.keys or ()),
        "node": it.node,
        "podIP": it.pod_ip,
        "selector": _pairs(it.selector),
        "owners": ",".join(it.owners or ()),
        "labels": _pairs(it.labels),
        "annotations": _pairs(it.annotations),
        "generation": _generation(it),
        "created": it.created,
        "deleting since": it.deleting_since,
    }
    lines = "\n".join(f"{name}: {fact}" for name, fact in facts.items() if fact not in (None, ""))
    conditions = _table(
        ("CONDITION", "STATUS", "REASON", "MESSAGE"),
        ((c.type, c.status, c.reason or "-", c.message or "") for c in it.conditions or ()),
    )
    containers = "\n".join(_container(container) for container in it.containers or ())
    return [lines, conditions, containers]


def _generation(it: Summary) -> str:
    if it.observed_generation is None or it.generation == it.observed_generation:
        return ""
    return f"{it.generation}, but only {it.observed_generation} is observed"


def _container(it: ContainerRow) -> str:
    facts = {
        "ready": it.ready,
        "restarts": it.restarts,
        "state": it.state,
        "last": it.last_state,
        "exit": it.exit_code,
        "ports": ",".join(it.ports or ()),
        "requests": _pairs(it.requests),
        "limits": _pairs(it.limits),
        "probes": _pairs(it.probes),
        "message": it.message,
    }
    told = "; ".join(f"{name} {fact}" for name, fact in facts.items() if fact not in (None, ""))
    label = "init container" if it.init else "container"
    return f"{label} {it.name}: image {it.image}{'; ' * bool(told)}{told}"


def _findings(findings: Iterable[FindingRow]) -> str:
    return "\n".join(
        f"[{it.severity}] {it.code}: {it.message} (evidence: {_pairs(it.evidence)})"
        for it in findings
    )


def _pods(pods: Sequence[PodRow]) -> str:
    return _table(
        ("POD", "READY", "STATUS", "RESTARTS"),
        (
            (it.name, f"{it.ready}/{it.containers}", it.reason or it.phase, it.restarts)
            for it in pods
        ),
    )


def _replica_sets(replica_sets: Sequence[ReplicaSetRow]) -> str:
    return _table(
        ("REPLICASET", "READY", "REVISION", "OWNER"),
        (
            (it.name, f"{it.ready}/{it.desired}", it.revision or "-", it.owner or "-")
            for it in replica_sets
        ),
    )


def _endpoints(endpoints: Sequence[EndpointRow]) -> str:
    return _table(
        ("ENDPOINT", "READY", "POD", "PORTS"),
        (
            (it.address, "yes" if it.ready else "no", it.pod or "-", ",".join(it.ports))
            for it in endpoints
        ),
    )


def _events(events: Sequence[EventRow]) -> str:
    return _table(
        ("LAST SEEN", "TYPE", "COUNT", "REASON", "OBJECT", "NOTE"),
        (
            (it.last_seen, it.type, it.count, it.reason, f"{it.kind}/{it.name}", it.note)
            for it in events
        ),
    )


def _table(header: Row, rows: Iterable[Row]) -> str:
    """Columns two blanks apart, or nothing without rows; a line break in a cell becomes ` ⏎ `."""
    cells = [[" ⏎ ".join(str(cell).splitlines()) for cell in row] for row in (header, *rows)]
    if len(cells) == 1:
        return ""
    widths = [max(len(row[column]) for row in cells) for column in range(len(header) - 1)]
    padded = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in cells
    )
    return "\n".join(line.rstrip() for line in padded)


def _pairs(mapping: dict[str, object] | dict[str, str] | None) -> str:
    return ", ".join(f"{key}={value}" for key, value in (mapping or {}).items())


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(block for block in blocks if block)
