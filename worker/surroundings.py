"""What lies around the objects of a plan: Pods, endpoints, autoscalers, users of a ConfigMap.

Only for the reviewer's information: what RBAC does not let us see is left out, not guessed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final, TypeVar

from shared.errors import ClusterFault
from shared.guardrails import Effect, Facts
from shared.manifests import JSON, Kind, Object, list_at, mapping_at, mappings_at, text_at
from shared.messages import PlanCall
from shared.plans import Operation
from worker.cluster import Cluster

MAX_LISTED: Final = 500
MAX_FRONTS: Final = 5
"""Services in front of changed Deployments whose ready addresses are counted: a call for each."""

FoundT = TypeVar("FoundT")


def of(call: PlanCall, effects: tuple[Effect, ...], cluster: Cluster) -> Facts:
    """Returns what can be seen around the effects of one plan."""
    namespace = call.namespace
    services = [item.name for item in effects if item.kind is Kind.SERVICE and item.live]
    config_maps = [item.name for item in effects if item.kind is Kind.CONFIG_MAP]
    scales = call.operation in {Operation.SCALE, Operation.APPLY}
    deployments = [item for item in effects if item.kind is Kind.DEPLOYMENT and item.live]
    serves: Mapping[str, tuple[str, ...]] = _seen(
        lambda: _serves(cluster, namespace, deployments), {}
    )
    fronts = list(dict.fromkeys(name for names in serves.values() for name in names))
    return Facts(
        pods={item.name: _pods(item.live or {}) for item in deployments},
        autoscaled=_seen(lambda: _autoscaled(cluster, namespace), {})
        if scales and deployments
        else {},
        endpoints=_endpoints(cluster, namespace, [*services, *fronts[:MAX_FRONTS]]),
        serves=serves,
        fronts=_fronts(serves, effects),
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


def _autoscaled(cluster: Cluster, namespace: str) -> dict[str, str]:
    found = cluster.list("HorizontalPodAutoscaler", namespace, limit=MAX_LISTED).items
    return {
        text_at(item, "spec", "scaleTargetRef", "name"): _in_words(item)
        for item in found
        if text_at(item, "spec", "scaleTargetRef", "kind") == Kind.DEPLOYMENT
    }


def _in_words(autoscaler: Object) -> str:
    spec = mapping_at(autoscaler, "spec")
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", "?")
    return f"HorizontalPodAutoscaler {text_at(autoscaler, 'metadata', 'name')} ({least} to {most})"


def _endpoints(cluster: Cluster, namespace: str, services: list[str]) -> dict[str, int]:
    """Counts the ready addresses of each Service; what cannot be seen is left out."""
    counted: dict[str, int] = {}
    for name in dict.fromkeys(services):
        with suppress(ClusterFault):
            counted[name] = _ready(cluster, namespace, name)
    return counted


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


def _serves(
    cluster: Cluster, namespace: str, deployments: list[Effect]
) -> dict[str, tuple[str, ...]]:
    """Returns the Services that lead to the Pods of each Deployment."""
    if not deployments:
        return {}
    services = cluster.list(Kind.SERVICE, namespace, limit=MAX_LISTED).items
    selectors = {
        text_at(service, "metadata", "name"): mapping_at(service, "spec", "selector").items()
        for service in services
    }
    return {
        item.name: tuple(
            service
            for service, selector in selectors.items()
            if selector and selector <= _labels(item.live or {}).items()
        )
        for item in deployments
    }


def _fronts(
    serves: Mapping[str, tuple[str, ...]], effects: tuple[Effect, ...]
) -> dict[str, tuple[str, ...]]:
    """Returns the Services that stay and lead to Deployments which are left without Pods."""
    gone = {item.name for item in effects if item.kind is Kind.SERVICE and item.result is None}
    return {
        item.name: tuple(
            f"Service {service}" for service in serves.get(item.name, ()) if service not in gone
        )
        for item in effects
        if _ends(item)
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
