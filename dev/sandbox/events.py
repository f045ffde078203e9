"""Events of the simulated cluster: recorded, counted, and shown in both API forms.

Stored as core/v1. Source: client-go `tools/record`, Kubernetes page "Event v1 events.k8s.io".
"""

import secrets

from dev.sandbox.cluster import Cluster
from dev.sandbox.resources import EVENTS, NEW_EVENTS, Obj, Resource

NODE = "sandbox"
SCHEDULER = "default-scheduler"


class Recorder:
    """Writes events; the same one again raises its count."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: dict[tuple[str, ...], tuple[str, str]] = {}

    def record(
        self,
        about: Obj,
        kind: str,
        reason: str,
        message: str,
        component: str,
        *,
        container: str = "",
    ) -> None:
        """One event about an object; `kind` is Normal or Warning, `component` who reports."""
        key = (about["metadata"]["uid"], kind, reason, message, component, container)
        if component != SCHEDULER and self._count_again(key):
            return
        namespace = about["metadata"]["namespace"]
        name = f"{about['metadata']['name']}.{secrets.token_hex(8)}"
        event = self._event(about, kind, reason, message, component, container)
        event["metadata"] = {"name": name}
        self._cluster.create(EVENTS, event, namespace, component)
        self._names[key] = (namespace, name)

    def _count_again(self, key: tuple[str, ...]) -> bool:
        known = self._names.get(key)
        live = self._cluster.store.get(EVENTS.key, *known) if known else None
        if live is None:
            return False
        again = {**live, "count": live["count"] + 1, "lastTimestamp": self._cluster.now()}
        self._cluster.store.put(EVENTS.key, again)
        return True

    def _event(
        self, about: Obj, kind: str, reason: str, message: str, component: str, container: str
    ) -> Obj:
        now = self._cluster.now()
        scheduled = component == SCHEDULER
        host = {"host": NODE} if component == "kubelet" else {}
        times: Obj = {"firstTimestamp": now, "lastTimestamp": now, "count": 1, "eventTime": None}
        if scheduled:
            fine = self._cluster.clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            times = {"firstTimestamp": None, "lastTimestamp": None, "eventTime": fine}
            times["action"] = "Binding" if reason == "Scheduled" else "Scheduling"
        modern = scheduled or self._cluster.modern
        return {
            "involvedObject": reference(about, container),
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {} if scheduled else {"component": component, **host},
            **times,
            "reportingComponent": component if modern else "",
            "reportingInstance": (host.get("host", "") if not scheduled else f"{SCHEDULER}-{NODE}")
            if modern
            else "",
        }


def reference(about: Obj, container: str = "") -> Obj:
    """An ObjectReference, as events carry it."""
    metadata = about["metadata"]
    return {
        "kind": about["kind"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "apiVersion": about["apiVersion"],
        "resourceVersion": metadata["resourceVersion"],
        **({"fieldPath": f"spec.containers{{{container}}}"} if container else {}),
    }


RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


def shown(obj: Obj, resource: Resource) -> Obj:
    """A stored object in the form of the API that asks; events are the only ones with two."""
    if resource is not NEW_EVENTS:
        return obj if obj["apiVersion"] == resource.api_version else _retold(obj, resource)
    renamed = {RENAMED.get(key, key): value for key, value in obj.items() if value != ""}
    return {**renamed, "apiVersion": resource.api_version}


def _retold(obj: Obj, resource: Resource) -> Obj:
    return {**obj, "apiVersion": resource.api_version}
