"""Endpoints and EndpointSlices that follow the ready Pods of each Service.

Source: Kubernetes `pkg/controller/{endpoint,endpointslice}`.
"""

from dev.sandbox.cluster import Cluster
from dev.sandbox.events import NODE
from dev.sandbox.resources import (
    ENDPOINTS,
    ENDPOINTSLICES,
    OLD_ENDPOINTSLICES,
    PODS,
    SERVICES,
    Obj,
    Resource,
)
from dev.sandbox.workloads import MANAGER, is_ready, owner_reference


class Endpointer:
    """Writes the endpoints of one Service at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def sync(self, namespace: str, name: str) -> None:
        service = self._cluster.store.get(SERVICES.key, namespace, name)
        if service is None:
            self._remove(namespace, name)
        elif service["spec"].get("selector"):
            pods = self._selected(service)
            self._put(ENDPOINTS, service, name, {"subsets": subsets(service, pods)})
            slices = ENDPOINTSLICES if self._cluster.modern else OLD_ENDPOINTSLICES
            self._put(slices, service, f"{name}-sandbox", sliced(service, pods))

    def _selected(self, service: Obj) -> list[Obj]:
        wanted = service["spec"]["selector"].items()
        pods = self._cluster.store.all(PODS.key, service["metadata"]["namespace"])
        return [
            pod
            for pod in pods
            if wanted <= (pod["metadata"].get("labels") or {}).items()
            and pod["status"].get("podIP")
            and not pod["metadata"].get("deletionTimestamp")
        ]

    def _put(self, resource: Resource, service: Obj, name: str, content: Obj) -> None:
        namespace = service["metadata"]["namespace"]
        live = self._cluster.store.get(resource.key, namespace, name)
        if live is not None:
            who = self._cluster.writer(resource, MANAGER)
            self._cluster.update(resource, live, {**live, **content}, who)
            return
        labels = dict(service["metadata"].get("labels") or {})
        metadata: Obj = {"name": name}
        if resource is not ENDPOINTS:
            labels["kubernetes.io/service-name"] = service["metadata"]["name"]
            labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io"
            metadata["ownerReferences"] = [owner_reference(service)]
        if labels:
            metadata["labels"] = labels
        self._cluster.create(resource, {"metadata": metadata, **content}, namespace, MANAGER)

    def _remove(self, namespace: str, name: str) -> None:
        if self._cluster.store.get(ENDPOINTS.key, namespace, name) is not None:
            self._cluster.store.remove(ENDPOINTS.key, namespace, name)


def _target(pod: Obj) -> Obj:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def subsets(service: Obj, pods: list[Obj]) -> list[Obj]:
    """Addresses that are ready and those that are not, behind the same ports."""
    if not pods:
        return []
    ports = _ports(service, pods[0])
    subset: Obj = {"ports": ports}
    for key, wanted in (("addresses", True), ("notReadyAddresses", False)):
        rows = [
            {"ip": pod["status"]["podIP"], "nodeName": NODE, "targetRef": _target(pod)}
            for pod in pods
            if is_ready(pod) is wanted
        ]
        if rows:
            subset[key] = rows
    return [subset]


def sliced(service: Obj, pods: list[Obj]) -> Obj:
    endpoints = [
        {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": (ok := is_ready(pod)), "serving": ok, "terminating": False},
            "nodeName": NODE,
            "targetRef": _target(pod),
        }
        for pod in pods
    ]
    ports = _ports(service, pods[0]) if pods else []
    return {"addressType": "IPv4", "endpoints": endpoints, "ports": ports}


def _ports(service: Obj, pod: Obj) -> list[Obj]:
    """The Service's ports as the Pod's container numbers them."""
    named = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or []
        if port.get("name")
    }
    return [
        {
            **({"name": port["name"]} if port.get("name") else {}),
            "port": named.get(port["targetPort"], port["targetPort"]),
            "protocol": port["protocol"],
        }
        for port in service["spec"]["ports"]
        if not isinstance(port["targetPort"], str) or port["targetPort"] in named
    ]
