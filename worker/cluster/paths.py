"""Where each kind that InfraGate may touch lives in the API, and how its URL is made. No I/O.

The table is closed: a kind that is not in it (Secret, Role, Node, …) has no URL, whoever asks.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

LEASE_NAMESPACE: Final = "infragate-system"

_SEGMENT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
"""An RFC 1123 subdomain: all names and namespaces of the kinds in the table are such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The address of one kind: API group and version, plural, whether it lies in a namespace."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def prefix(self) -> str:
        """`/api/v1` for the core group, `/apis/<group>/<version>` for all others."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


RESOURCES: Final = MappingProxyType(
    {
        "Deployment": Resource(group="apps", version="v1", plural="deployments"),
        "ReplicaSet": Resource(group="apps", version="v1", plural="replicasets"),
        "Pod": Resource(group="", version="v1", plural="pods"),
        "Service": Resource(group="", version="v1", plural="services"),
        "ConfigMap": Resource(group="", version="v1", plural="configmaps"),
        "Endpoints": Resource(group="", version="v1", plural="endpoints"),
        "EndpointSlice": Resource(group="discovery.k8s.io", version="v1", plural="endpointslices"),
        "Event": Resource(group="events.k8s.io", version="v1", plural="events"),
        "HorizontalPodAutoscaler": Resource(
            group="autoscaling", version="v1", plural="horizontalpodautoscalers"
        ),
        "Lease": Resource(group="coordination.k8s.io", version="v1", plural="leases"),
        "Namespace": Resource(group="", version="v1", plural="namespaces", namespaced=False),
    }
)


def resource_of(kind: str) -> Resource:
    """The address of `kind` (exact spelling). Raises ValueError for a kind outside the table."""
    try:
        return RESOURCES[kind]
    except KeyError:
        msg = f"InfraGate never touches objects of kind {kind!r}."
        raise ValueError(msg) from None


def url_of(kind: str, namespace: str, name: str = "", *, subresource: str = "") -> str:
    """The path of one object, or of the collection when `name` is empty.

    `namespace` is ignored for cluster-scoped kinds. Raises ValueError for anything that is not
    an RFC 1123 name: whatever checks came before, no `/`, `..` or `?` gets into a URL here.
    """
    resource = resource_of(kind)
    parts = [resource.prefix]
    if resource.namespaced:
        parts += ["namespaces", _segment(namespace)]
    parts.append(resource.plural)
    parts += [_segment(part) for part in (name, subresource) if part]
    return "/".join(parts)


def template_of(path: str) -> str:
    """A path of `url_of` with `{namespace}` and `{name}` in the places of names, for traces."""
    parts = path.split("/")
    if "namespaces" in parts:
        at = parts.index("namespaces")  # names come after it, whatever they are
        parts[at + 1 : at + 2] = ["{namespace}"] if len(parts) > at + 1 else []
        parts[at + 3 : at + 4] = ["{name}"] if len(parts) > at + 3 else []
    return "/".join(parts)


def _segment(text: str) -> str:
    if not _SEGMENT.fullmatch(text) or ".." in text:
        msg = "Not a Kubernetes name."
        raise ValueError(msg)
    return text
