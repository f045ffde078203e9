"""What lies around the objects of a plan: Pods, endpoints, autoscalers, users of a ConfigMap.

Only for the reviewer's information: what RBAC does not let us see is left out, not guessed.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from shared.errors import ClusterFault
from shared.guardrails import Effect, Facts
from shared.manifests import JSON, Kind, Object, list_at, mapping_at, mappings_at, text_at
from shared.messages import PlanCall
from shared.plans import Operation
from worker.cluster import Cluster, together

MAX_LISTED: Final = 500
_AUTOSCALER: Final = "HorizontalPodAutoscaler"
_SCALING: Final = frozenset({Operation.SCALE, Operation.APPLY})
MAX_FRONTS: Final = 5
"""Services in front of changed Deployments whose ready addresses are counted: a call for each."""

Found = Mapping[str, tuple[Object, ...]]
"""Objects of a plan's namespace by kind; a kind that could not be seen is not there."""


def looks(
    call: PlanCall, kinds: frozenset[Kind], cluster: Cluster
) -> dict[str, Callable[[], tuple[Object, ...] | None]]:
    """Returns what to ask about the namespace of a plan about objects of `kinds`, by kind.

    None of it depends on the objects, so it can be asked while these are. None is what cannot be
    seen.
    """
    asked: list[str] = []
    if Kind.DEPLOYMENT in kinds:
        asked += [Kind.SERVICE, *([_AUTOSCALER] if call.operation in _SCALING else [])]
    if Kind.CONFIG_MAP in kinds:
        asked.append(Kind.DEPLOYMENT)
    return {kind: partial(_seen, cluster, kind, call.namespace) for kind in asked}


def of(call: PlanCall, effects: tuple[Effect, ...], found: Found, cluster: Cluster) -> Facts:
    """Returns what can be seen around the effects of one plan; `found` is what `looks` found."""
    services = [item.name for item in effects if item.kind is Kind.SERVICE and item.live]
    config_maps = [item.name for item in effects if item.kind is Kind.CONFIG_MAP]
    deployments = [item for item in effects if item.kind is Kind.DEPLOYMENT and item.live]
    serves: dict[str, tuple[str, ...]] = {}
    if deployments and Kind.SERVICE in found:
        serves = _serves(found[Kind.SERVICE], deployments)
    fronts = list(dict.fromkeys(name for names in serves.values() for name in names))
    consumers: dict[str, tuple[str, ...]] = {}
    if config_maps and Kind.DEPLOYMENT in found:
        consumers = _consumers(found[Kind.DEPLOYMENT], config_maps)
    return Facts(
        pods={item.name: _pods(item.live or {}) for item in deployments},
        autoscaled=_autoscaled(found.get(_AUTOSCALER, ())) if deployments else {},
        endpoints=_endpoints(cluster, call.namespace, [*services, *fronts[:MAX_FRONTS]]),
        serves=serves,
        fronts=_fronts(serves, effects),
        consumers=consumers,
    )


def _seen(cluster: Cluster, kind: str, namespace: str) -> tuple[Object, ...] | None:
    try:
        return cluster.list(kind, namespace, limit=MAX_LISTED).items
    except ClusterFault:
        return None


def _pods(deployment: Mapping[str, JSON]) -> int:
    replicas = mapping_at(deployment, "status").get("replicas")
    return replicas if isinstance(replicas, int) else 0


def _autoscaled(found: tuple[Object, ...]) -> dict[str, str]:
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
    names = list(dict.fromkeys(services))
    if not names:
        return {}
    counts = together(*(partial(_ready, cluster, namespace, name) for name in names))
    return {name: n for name, n in zip(names, counts, strict=True) if n is not None}


def _ready(cluster: Cluster, namespace: str, service: str) -> int | None:
    try:
        return _addresses(cluster, namespace, service)
    except ClusterFault:
        return None


def _addresses(cluster: Cluster, namespace: str, service: str) -> int:
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


def _serves(services: tuple[Object, ...], deployments: list[Effect]) -> dict[str, tuple[str, ...]]:
    """Returns the Services that lead to the Pods of each Deployment."""
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
    deployments: tuple[Object, ...], config_maps: list[str]
) -> dict[str, tuple[str, ...]]:
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
