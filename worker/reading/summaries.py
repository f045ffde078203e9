"""One object in some depth: what get_k8s_resource and the diagnostics show of it. Pure.

Left out on purpose: env, commands, volumes, annotations outside a short list, ConfigMap values.
"""

from collections.abc import Callable
from typing import Any, Final

from shared.results import ConditionRow, ContainerRow, Summary
from worker.reading import shapes
from worker.reading.rows import REVISION, keys_of, pod_reason, port_text, to_seconds

SHOWN_ANNOTATIONS: Final = frozenset(
    {
        REVISION,
        "infragate.dev/plan-digest",
        "kubectl.kubernetes.io/default-container",
        "kubectl.kubernetes.io/restartedAt",
    }
)


def workload_summary(kind: str, workload: shapes.Workload) -> Summary:
    """A Deployment or a ReplicaSet with its template's containers."""
    spec, status = workload.spec, workload.status
    is_deployment = kind == "Deployment"
    template = spec.template.spec if spec.template else None
    return Summary(
        **_identity(kind, workload.metadata),
        observed_generation=status.observed_generation,
        paused=spec.paused or None,
        strategy=spec.strategy.type if spec.strategy else None,
        selector=spec.selector.match_labels if spec.selector else None,
        desired=spec.replicas,
        ready=status.ready_replicas,
        available=status.available_replicas,
        updated=status.updated_replicas if is_deployment else None,
        conditions=_conditions(status.conditions),
        containers=_containers(template, shapes.PodStatus()) if template else None,
    )


def pod_summary(pod: shapes.Pod) -> Summary:
    """A Pod, each container with its state, its last state and what its probes say."""
    status = pod.status
    return Summary(
        **_identity("Pod", pod.metadata),
        phase=status.phase,
        reason=pod_reason(pod),
        message=status.message,
        node=pod.spec.node_name,
        pod_ip=status.pod_ip,
        ready=sum(it.ready for it in status.container_statuses or ()),
        conditions=_conditions(status.conditions),
        containers=_containers(pod.spec, status),
    )


def service_summary(service: shapes.Service) -> Summary:
    """A Service."""
    return Summary(
        **_identity("Service", service.metadata),
        type=service.spec.type,
        cluster_ip=service.spec.cluster_ip or "",
        selector=service.spec.selector,
        ports=[port_text(port) for port in service.spec.ports or ()],
    )


def config_map_summary(config_map: shapes.ConfigMap) -> Summary:
    """A ConfigMap: the names of its keys."""
    return Summary(**_identity("ConfigMap", config_map.metadata), keys=keys_of(config_map))


SUMMARIES: Final[dict[str, tuple[type[Any], Callable[[Any], Summary]]]] = {
    "Deployment": (shapes.Workload, lambda it: workload_summary("Deployment", it)),
    "ReplicaSet": (shapes.Workload, lambda it: workload_summary("ReplicaSet", it)),
    "Pod": (shapes.Pod, pod_summary),
    "Service": (shapes.Service, service_summary),
    "ConfigMap": (shapes.ConfigMap, config_map_summary),
}
"""What to decode and how to summarize it, by kind."""


def _identity(kind: str, meta: shapes.Meta) -> dict[str, Any]:
    annotations = meta.annotations or {}
    shown = {key: annotations[key] for key in sorted(SHOWN_ANNOTATIONS & annotations.keys())}
    owners = [f"{owner.kind}/{owner.name}" for owner in meta.owner_references or ()]
    return {
        "kind": kind,
        "name": meta.name,
        "uid": meta.uid,
        "created": meta.creation_timestamp,
        "deleting_since": meta.deletion_timestamp,
        "generation": meta.generation,
        "labels": meta.labels,
        "annotations": shown or None,
        "owners": owners or None,
    }


def _conditions(conditions: list[shapes.Condition] | None) -> list[ConditionRow]:
    return [
        ConditionRow(
            type=condition.type,
            status=condition.status,
            reason=condition.reason,
            message=condition.message or None,
            since=condition.last_transition_time,
        )
        for condition in conditions or ()
    ]


def _containers(spec: shapes.PodSpec, status: shapes.PodStatus) -> list[ContainerRow]:
    init = {it.name: it for it in status.init_container_statuses or ()}
    main = {it.name: it for it in status.container_statuses or ()}
    return [
        *(_container(it, init.get(it.name), init=True) for it in spec.init_containers or ()),
        *(_container(it, main.get(it.name), init=None) for it in spec.containers),
    ]


def _container(
    container: shapes.Container, status: shapes.ContainerStatus | None, *, init: bool | None
) -> ContainerRow:
    resources = container.resources or shapes.Resources()
    return ContainerRow(
        name=container.name,
        image=container.image,
        init=init,
        ports=[f"{it.container_port}/{it.protocol or 'TCP'}" for it in container.ports or ()]
        or None,
        requests=_amounts(resources.requests),
        limits=_amounts(resources.limits),
        probes=_probes(container, status) or None,
        **(_lived(status) if status else {}),
    )


def _lived(status: shapes.ContainerStatus) -> dict[str, Any]:
    """What has happened to a container of a Pod."""
    state, last = status.state or shapes.ContainerState(), status.last_state
    ended = state.terminated or (last.terminated if last else None)
    told = (state.waiting and state.waiting.message) or (ended and ended.message)
    return {
        "ready": status.ready,
        "restarts": status.restart_count,
        "state": _state_text(state),
        "last_state": (_state_text(last) or None) if last else None,
        "exit_code": ended.exit_code if ended else None,
        "message": told or None,
    }


def _state_text(state: shapes.ContainerState) -> str:
    """`waiting: CrashLoopBackOff`, `running since …`, `terminated: OOMKilled, exit 137, at …`."""
    if state.waiting:
        return f"waiting: {state.waiting.reason or 'no reason given'}"
    if state.running:
        return f"running since {to_seconds(state.running.started_at)}"
    if ended := state.terminated:
        signal = f", signal {ended.signal}" if ended.signal else ""
        at = to_seconds(ended.finished_at)
        return f"terminated: {ended.reason or 'Error'}, exit {ended.exit_code}{signal}, at {at}"
    return ""


def _probes(container: shapes.Container, status: shapes.ContainerStatus | None) -> dict[str, str]:
    """Each probe that is defined: what it asks and, for a Pod, its verdict."""
    running = bool(status and status.state and status.state.running)
    verdicts = {
        "startup": ("passed" if status and status.started else "not passed") if running else "",
        "readiness": ("passing" if status and status.ready else "failing") if running else "",
        "liveness": "",  # its failures are restarts and events; the status does not say
    }
    probes = {
        "startup": container.startup_probe,
        "readiness": container.readiness_probe,
        "liveness": container.liveness_probe,
    }
    return {
        name: " ".join(filter(None, (_probe_text(probe), verdicts[name])))
        for name, probe in probes.items()
        if probe
    }


def _probe_text(probe: shapes.Probe) -> str:
    if probe.http_get:
        return f"http :{probe.http_get.port}{probe.http_get.path or '/'}"
    if probe.tcp_socket:
        return f"tcp :{probe.tcp_socket.port}"
    if probe.grpc:
        return f"grpc :{probe.grpc.port}"
    return "exec"


def _amounts(given: dict[str, str | int | float] | None) -> dict[str, str] | None:
    return {name: str(amount) for name, amount in given.items()} if given else None
