"""The kinds that the simulated API server serves, one row each; no behavior."""

from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]  # one decoded API object; its shape is checked by dev.sandbox.schema

ALL_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One served resource; `model` names its type in schema.json, `storage` where it is kept."""

    group: str
    version: str
    plural: str
    kind: str
    model: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    storage: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def label(self) -> str:
        """How errors name it: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def key(self) -> str:
        return self.storage or self.label


DEPLOYMENTS = Resource(
    group="apps",
    version="v1",
    plural="deployments",
    kind="Deployment",
    model="V1Deployment",
    short=("deploy",),
    subresources=("scale", "status"),
)
REPLICASETS = Resource(
    group="apps",
    version="v1",
    plural="replicasets",
    kind="ReplicaSet",
    model="V1ReplicaSet",
    short=("rs",),
    subresources=("status",),
)
PODS = Resource(
    group="",
    version="v1",
    plural="pods",
    kind="Pod",
    model="V1Pod",
    short=("po",),
    subresources=("log", "status"),
)
SERVICES = Resource(
    group="", version="v1", plural="services", kind="Service", model="V1Service", short=("svc",)
)
CONFIGMAPS = Resource(
    group="",
    version="v1",
    plural="configmaps",
    kind="ConfigMap",
    model="V1ConfigMap",
    short=("cm",),
)
SECRETS = Resource(group="", version="v1", plural="secrets", kind="Secret", model="V1Secret")
NAMESPACES = Resource(
    group="",
    version="v1",
    plural="namespaces",
    kind="Namespace",
    model="V1Namespace",
    namespaced=False,
    short=("ns",),
)
ENDPOINTS = Resource(
    group="", version="v1", plural="endpoints", kind="Endpoints", model="V1Endpoints", short=("ep",)
)
EVENTS = Resource(
    group="", version="v1", plural="events", kind="Event", model="CoreV1Event", short=("ev",)
)
NEW_EVENTS = Resource(
    group="events.k8s.io",
    version="v1",
    plural="events",
    kind="Event",
    model="EventsV1Event",
    short=("ev",),
    verbs=("get", "list", "watch"),
    storage="events",
)
ENDPOINTSLICES = Resource(
    group="discovery.k8s.io",
    version="v1",
    plural="endpointslices",
    kind="EndpointSlice",
    model="V1EndpointSlice",
)
OLD_ENDPOINTSLICES = Resource(
    group="discovery.k8s.io",
    version="v1beta1",
    plural="endpointslices",
    kind="EndpointSlice",
    model="V1EndpointSlice",
)
LEASES = Resource(
    group="coordination.k8s.io", version="v1", plural="leases", kind="Lease", model="V1Lease"
)
AUTOSCALERS = Resource(
    group="autoscaling",
    version="v2",
    plural="horizontalpodautoscalers",
    kind="HorizontalPodAutoscaler",
    model="V2HorizontalPodAutoscaler",
    short=("hpa",),
)

COMMON = (
    DEPLOYMENTS,
    REPLICASETS,
    PODS,
    SERVICES,
    CONFIGMAPS,
    SECRETS,
    NAMESPACES,
    ENDPOINTS,
    EVENTS,
    NEW_EVENTS,
    LEASES,
)


def served(*, modern: bool) -> tuple[Resource, ...]:
    """All resources of a v1.36-like server, or of one like v1.20."""
    return (*COMMON, *((ENDPOINTSLICES, AUTOSCALERS) if modern else (OLD_ENDPOINTSLICES,)))
