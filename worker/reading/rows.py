"""One object, one row: how each kind looks in a list. Pure; nothing is cleaned here yet.

What a Pod's `reason` says follows kubectl (k8s.io/kubernetes/pkg/printers/internalversion), since
that is the word that people and agents search for.
"""

from shared.results import (
    ConfigMapRow,
    DeploymentRow,
    EndpointRow,
    EventRow,
    PodRow,
    ReplicaSetRow,
    ServiceRow,
)
from worker.cluster import JSONObject
from worker.reading import shapes

REVISION = "deployment.kubernetes.io/revision"


def deployment_row(deployment: shapes.Workload) -> DeploymentRow:
    """A Deployment and its four counts."""
    return DeploymentRow(
        name=deployment.metadata.name,
        desired=deployment.spec.replicas,
        ready=deployment.status.ready_replicas,
        available=deployment.status.available_replicas,
        updated=deployment.status.updated_replicas,
    )


def replica_set_row(replica_set: shapes.Workload) -> ReplicaSetRow:
    """A ReplicaSet, the Deployment that owns it, and which of its revisions it is."""
    owner = owner_of(replica_set.metadata)
    return ReplicaSetRow(
        name=replica_set.metadata.name,
        desired=replica_set.spec.replicas,
        ready=replica_set.status.ready_replicas,
        owner=f"{owner.kind}/{owner.name}" if owner else None,
        revision=(replica_set.metadata.annotations or {}).get(REVISION),
    )


def service_row(service: shapes.Service) -> ServiceRow:
    """A Service and its ports."""
    return ServiceRow(
        name=service.metadata.name,
        type=service.spec.type,
        cluster_ip=service.spec.cluster_ip or "",
        ports=[port_text(port) for port in service.spec.ports or ()],
    )


def config_map_row(config_map: shapes.ConfigMap) -> ConfigMapRow:
    """A ConfigMap and the names of its keys."""
    return ConfigMapRow(name=config_map.metadata.name, keys=keys_of(config_map))


def pod_row(pod: shapes.Pod) -> PodRow:
    """A Pod as `kubectl get pods` has it."""
    statuses = pod.status.container_statuses or []
    everyone = [*(pod.status.init_container_statuses or ()), *statuses]
    reason = pod_reason(pod)
    return PodRow(
        name=pod.metadata.name,
        phase=pod.status.phase,
        ready=sum(status.ready for status in statuses),
        containers=len(pod.spec.containers),
        restarts=sum(status.restart_count for status in everyone),
        reason=reason if reason != pod.status.phase else None,
    )


def pod_reason(pod: shapes.Pod) -> str:
    """Kubectl's STATUS: the most telling word about a Pod."""
    if pod.metadata.deletion_timestamp:
        return "Terminating"
    for status in pod.status.init_container_statuses or ():
        if (word := _blocking(status)) is not None:
            return f"Init:{word}"
    words = [_word(status) for status in pod.status.container_statuses or ()]
    told = [word for word in words if word]
    return told[0] if told else pod.status.reason or pod.status.phase


def _blocking(status: shapes.ContainerStatus) -> str | None:
    """Why an init container holds the Pod up; None when it is done."""
    state = status.state or shapes.ContainerState()
    if state.terminated and state.terminated.exit_code == 0:
        return None
    if state.running and status.started and status.ready:
        return None  # a sidecar
    return _word(status) or ("Running" if state.running else "Pending")


def _word(status: shapes.ContainerStatus) -> str:
    state = status.state or shapes.ContainerState()
    if state.waiting:
        return state.waiting.reason or "Waiting"
    if (ended := state.terminated) and (ended.exit_code != 0 or ended.reason != "Completed"):
        return ended.reason or f"ExitCode:{ended.exit_code}"
    return ""


def port_text(port: shapes.ServicePort) -> str:
    """`80:30080/TCP->http (web)`: port, node port, protocol, target, name."""
    node = f":{port.node_port}" if port.node_port else ""
    target = f"->{port.target_port}" if port.target_port not in (None, "", port.port) else ""
    name = f" ({port.name})" if port.name else ""
    return f"{port.port}{node}/{port.protocol or 'TCP'}{target}{name}"


def keys_of(config_map: shapes.ConfigMap) -> list[str]:
    """The names of all keys, sorted."""
    return sorted([*(config_map.data or ()), *(config_map.binary_data or ())])


def owner_of(meta: shapes.Meta) -> shapes.Owner | None:
    """The controller that made the object."""
    owners = meta.owner_references or ()
    return next((owner for owner in owners if owner.controller), None)


def event_row(event: JSONObject) -> EventRow:
    """An event of events.k8s.io/v1, in its new form or its deprecated one."""
    regarding = event.get("regarding") or {}
    series = event.get("series") or {}
    created = (event.get("metadata") or {}).get("creationTimestamp")
    first = event.get("deprecatedFirstTimestamp") or event.get("eventTime") or created
    last = series.get("lastObservedTime") or event.get("deprecatedLastTimestamp") or first
    return EventRow(
        type=event.get("type") or "Normal",
        reason=event.get("reason") or "",
        kind=regarding.get("kind") or "",
        name=regarding.get("name") or "",
        note=event.get("note") or "",
        count=series.get("count") or event.get("deprecatedCount") or 1,
        first_seen=to_seconds(first),
        last_seen=to_seconds(last),
    )


def to_seconds(time: str | None) -> str | None:
    """RFC 3339 without fractions, which nobody reads."""
    return f"{time[:19]}Z" if time else None


def slice_rows(endpoints: shapes.EndpointSlice) -> list[EndpointRow]:
    """The addresses of an EndpointSlice; `ready` absent means ready (the API's own rule)."""
    ports = _ports(endpoints.ports)
    return [
        EndpointRow(
            address=address,
            ready=endpoint.conditions is None or endpoint.conditions.ready is not False,
            pod=_pod_name(endpoint.target_ref),
            ports=ports,
        )
        for endpoint in endpoints.endpoints or ()
        for address in endpoint.addresses
    ]


def endpoints_rows(endpoints: shapes.Endpoints) -> list[EndpointRow]:
    """The addresses of an Endpoints object."""
    return [
        EndpointRow(
            address=address.ip,
            ready=ready,
            pod=_pod_name(address.target_ref),
            ports=_ports(subset.ports),
        )
        for subset in endpoints.subsets or ()
        for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses))
        for address in addresses or ()
    ]


def _ports(ports: list[shapes.EndpointPort] | None) -> list[str]:
    return [f"{port.port}/{port.protocol or 'TCP'}" for port in ports or () if port.port]


def _pod_name(target: shapes.TargetRef | None) -> str | None:
    return target.name if target and target.kind == "Pod" else None
