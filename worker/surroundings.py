"""What lies around the objects of a plan: Pods, endpoints, autoscalers, users of a ConfigMap.

Only for the reviewer's information: what RBAC does not let us see is left out, not guessed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from shared.errors import ClusterFault
from shared.guardrails import Effect, Facts
from shared.manifests import JSON, Kind, Object, list_at, mapping_at, mappings_at, text_at
from shared.messages import PlanCall
from shared.plans import Operation
from worker.cluster import Cluster

MAX_LISTED: Final = 500

FoundT = TypeVar("FoundT")


def of(call: PlanCall, effects: tuple[Effect, ...], cluster: Cluster) -> Facts:
    """Returns what can be seen around the effects of one plan."""
    namespace = call.namespace
    services = [item.name for item in effects if item.kind is Kind.SERVICE and item.live]
    config_maps = [item.name for item in effects if item.kind is Kind.CONFIG_MAP]
    scales = call.operation in {Operation.SCALE, Operation.APPLY}
    deployments = [item for item in effects if item.kind is Kind.DEPLOYMENT and item.live]
    return Facts(
        pods={item.name: _pods(item.live or {}) for item in deployments},
        autoscaled=_seen(lambda: _autoscaled(cluster, namespace), frozenset())
        if scales and deployments
        else frozenset(),
        endpoints={
            name: _seen(lambda name=name: _ready(cluster, namespace, name), 0)  # type: ignore[misc]  # a default binds the loop's name
            for name in services
        },
        fronts=_seen(lambda: _fronts(cluster, namespace, effects), {}),
        consumers=_seen(lambda: _consumers(cluster, namespace, config_maps), {})
        if config_maps
        else {},
    )


def _seen(look: Callable[[], FoundT], otherwise: FoundT) -> FoundT:
    try:
        return look()
    except ClusterFault:
        return otherwise


def _pods(deployment: Mapping[str, JSON]) -> int:
    replicas = mapping_at(deployment, "status").get("replicas")
    return replicas if isinstance(replicas, int) else 0


def _autoscaled(cluster: Cluster, namespace: str) -> frozenset[str]:
    found = cluster.list("HorizontalPodAutoscaler", namespace, limit=MAX_LISTED).items
    targets = [mapping_at(item, "spec", "scaleTargetRef") for item in found]
    return frozenset(
        text_at(target, "name") for target in targets if text_at(target, "kind") == Kind.DEPLOYMENT
    )


def _ready(cluster: Cluster, namespace: str, service: str) -> int:
    if not cluster.identity.has_endpoint_slices:
        endpoints = cluster.get("Endpoints", namespace, service) or {}
        return sum(
            len(list_at(subset, "addresses")) for _, subset in mappings_at(endpoints, "subsets")
        )
    slices = cluster.list(
        "EndpointSlice", namespace, label_selector=f"kubernetes.io/service-name={service}"
    ).items
    return sum(
        mapping_at(endpoint, "conditions").get("ready") is not False
        for found in slices
        for _, endpoint in mappings_at(found, "endpoints")
    )


def _fronts(
    cluster: Cluster, namespace: str, effects: tuple[Effect, ...]
) -> dict[str, tuple[str, ...]]:
    """Returns the Services that lead to Deployments which are left without Pods, if any are."""
    ending = {item.name: item.live for item in effects if item.live and _ends(item)}
    if not ending:
        return {}
    gone = {item.name for item in effects if item.kind is Kind.SERVICE and item.result is None}
    services = cluster.list(Kind.SERVICE, namespace, limit=MAX_LISTED).items
    selectors = {
        text_at(service, "metadata", "name"): mapping_at(service, "spec", "selector").items()
        for service in services
    }
    return {
        name: tuple(
            f"Service {service}"
            for service, selector in selectors.items()
            if selector and service not in gone and selector <= _labels(live).items()
        )
        for name, live in ending.items()
    }


def _ends(effect: Effect) -> bool:
    """Whether a Deployment that has Pods is left without any."""
    if effect.kind is not Kind.DEPLOYMENT or not _pods(effect.live or {}):
        return False
    return effect.result is None or mapping_at(effect.result, "spec").get("replicas") == 0


def _labels(deployment: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return mapping_at(deployment, "spec", "template", "metadata", "labels")


def _consumers(
    cluster: Cluster, namespace: str, config_maps: list[str]
) -> dict[str, tuple[str, ...]]:
    deployments = cluster.list(Kind.DEPLOYMENT, namespace, limit=MAX_LISTED).items
    used = [(f"Deployment {text_at(d, 'metadata', 'name')}", set(_used(d))) for d in deployments]
    return {name: tuple(user for user, names in used if name in names) for name in config_maps}


def _used(deployment: Object) -> Iterator[str]:
    """Yields the names of the ConfigMaps that a Pod template mounts or reads."""
    spec = mapping_at(deployment, "spec", "template", "spec")
    for _, volume in mappings_at(spec, "volumes"):
        yield text_at(volume, "configMap", "name")
        for _, source in mappings_at(volume, "projected", "sources"):
            yield text_at(source, "configMap", "name")
    for containers in ("containers", "initContainers"):
        for _, container in mappings_at(spec, containers):
            for _, source in mappings_at(container, "envFrom"):
                yield text_at(source, "configMapRef", "name")
            for _, variable in mappings_at(container, "env"):
                yield text_at(variable, "valueFrom", "configMapKeyRef", "name")
