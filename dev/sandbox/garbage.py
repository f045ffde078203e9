"""What a delete takes with it: grace for Pods, finalizers, owner references.

Source: Kubernetes page "Garbage Collection". Deletes run to their end here, step by step, as the
store reports what went.
"""

import asyncio

from dev.sandbox.cluster import Cluster
from dev.sandbox.resources import Obj
from dev.sandbox.store import Change

FOREGROUND = "foregroundDeletion"


class Garbage:
    """Deletes objects and then what they owned."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._store.listen(self._on_change)

    def delete(
        self, storage: str, obj: Obj, policy: str = "Background", *, grace: int | None = None
    ) -> tuple[Obj, bool]:
        """Begins a delete. Returns the object and whether it is already gone."""
        metadata = obj["metadata"]
        if storage == "pods" and obj.get("spec", {}).get("nodeName") and grace != 0:
            seconds = obj["spec"].get("terminationGracePeriodSeconds", 30)
            return self._mark(storage, obj, grace=seconds if grace is None else grace), False
        if policy == "Foreground" and self._dependents(metadata["uid"]):
            marked = self._mark(storage, obj, finalizer=FOREGROUND)
            for key, dependent in self._dependents(metadata["uid"]):
                self.delete(key, dependent, policy)
            return marked, False
        if policy == "Orphan":
            self._orphan(metadata["uid"])
        if metadata.get("finalizers"):
            return self._mark(storage, obj), False
        return self.remove(storage, obj), True

    def remove(self, storage: str, obj: Obj) -> Obj:
        metadata = obj["metadata"]
        if self._store.get(storage, metadata.get("namespace", ""), metadata["name"]) is None:
            return obj
        return self._store.remove(storage, metadata.get("namespace", ""), metadata["name"])

    def _mark(self, storage: str, obj: Obj, *, grace: int = 0, finalizer: str = "") -> Obj:
        metadata = dict(obj["metadata"])
        if metadata.get("deletionTimestamp"):
            return obj
        metadata["deletionTimestamp"] = self._cluster.now()
        metadata["deletionGracePeriodSeconds"] = grace
        if finalizer:
            metadata["finalizers"] = [*metadata.get("finalizers", []), finalizer]
        if "generation" in metadata:
            metadata["generation"] += 1
        return self._store.put(storage, {**obj, "metadata": metadata})

    def _dependents(self, uid: str) -> list[tuple[str, Obj]]:
        return [
            (storage, obj)
            for storage, obj in self._store.everything()
            if any(ref["uid"] == uid for ref in obj["metadata"].get("ownerReferences", []))
        ]

    def _orphan(self, uid: str) -> None:
        for storage, obj in self._dependents(uid):
            kept = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
            metadata = {k: v for k, v in obj["metadata"].items() if k != "ownerReferences"}
            if kept:
                metadata["ownerReferences"] = kept
            self._store.put(storage, {**obj, "metadata": metadata})

    def _on_change(self, change: Change) -> None:
        if change.kind == "DELETED":
            asyncio.get_running_loop().call_soon(self._collect, change.obj)

    def _collect(self, gone: Obj) -> None:
        for storage, obj in self._dependents(gone["metadata"]["uid"]):
            self.delete(storage, obj)
        for ref in gone["metadata"].get("ownerReferences", []):
            self._finish_owner(ref["uid"])

    def _finish_owner(self, uid: str) -> None:
        """Removes an owner that waited in the foreground for its last dependent."""
        for storage, obj in self._store.everything():
            metadata = obj["metadata"]
            waits = FOREGROUND in metadata.get("finalizers", [])
            if metadata["uid"] == uid and waits and not self._dependents(uid):
                self.remove(storage, obj)
