"""get_k8s_status: what is in a namespace, five kinds at once. Nothing about single objects."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.questions import MAX_STATUS_LIMIT, StatusQuestion
from shared.results import DeploymentRow, PodRow, StatusResult, Table
from worker.cluster import Cluster, together
from worker.reading import shapes
from worker.reading.presenting import presented
from worker.reading.rows import (
    config_map_row,
    deployment_row,
    pod_row,
    replica_set_row,
    service_row,
)
from worker.reading.texts import status_text

RowT = TypeVar("RowT", bound=BaseModel)


def status(cluster: Cluster, question: StatusQuestion) -> StatusResult:
    """The first `limit` objects of each kind, those in trouble first, and the true totals."""

    def table(kind: str, shape: type[Any], row: Callable[[Any], RowT]) -> Callable[[], Table[RowT]]:
        return lambda: _table(cluster, question, kind, shape, row)

    deployments, services, config_maps, pods, replica_sets = together(
        table("Deployment", shapes.Workload, deployment_row),
        table("Service", shapes.Service, service_row),
        table("ConfigMap", shapes.ConfigMap, config_map_row),
        table("Pod", shapes.Pod, pod_row),
        table("ReplicaSet", shapes.Workload, replica_set_row),
    )
    tables = {"Deployments": deployments, "Services": services, "ConfigMaps": config_maps}
    tables |= {"Pods": pods, "ReplicaSets": replica_sets}
    result = StatusResult(
        namespace=question.namespace,
        notes=_notes(tables, question.limit),
        deployments=deployments,
        services=services,
        config_maps=config_maps,
        pods=pods,
        replica_sets=replica_sets,
    )
    return presented(result, status_text, narrow_with="labelSelector or a smaller limit")


def in_trouble_first(row: BaseModel) -> tuple[bool, str]:
    """A sort key: what is not ready comes first, then by name."""
    match row:
        case PodRow():
            return row.ready == row.containers or row.phase == "Succeeded", row.name
        case DeploymentRow():
            return row.ready >= row.desired, row.name
        case _:
            pass
    return True, str(getattr(row, "name", ""))


def _table(
    cluster: Cluster,
    question: StatusQuestion,
    kind: str,
    shape: type[Any],
    row: Callable[[Any], RowT],
) -> Table[RowT]:
    found = cluster.list_as(
        shape,
        kind,
        question.namespace,
        label_selector=question.label_selector.strip() or None,
        limit=question.limit,
    )
    rows = sorted(map(row, found.items), key=in_trouble_first)
    return Table(total=found.total, truncated=found.truncated, items=rows)


def _notes(tables: dict[str, Table[Any]], limit: int) -> list[str]:
    cut = [kind for kind, table in tables.items() if table.truncated]
    if not cut:
        return []
    more = f" or raise limit (up to {MAX_STATUS_LIMIT})" if limit < MAX_STATUS_LIMIT else ""
    return [f"Only the first {limit} of {', '.join(cut)}: narrow with labelSelector{more}."]
