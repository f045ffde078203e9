"""The ReplicaSet controller: as many Pods as asked for, and the count of them.

Source: Kubernetes `pkg/controller/replicaset`.
"""

from dev.sandbox.cluster import Cluster
from dev.sandbox.events import Recorder
from dev.sandbox.garbage import Garbage
from dev.sandbox.resources import PODS, REPLICASETS, Obj
from dev.sandbox.workloads import MANAGER, controlled_by, is_active, is_ready, owner_reference

NAME = "replicaset-controller"


class ReplicaSets:
    """Brings one ReplicaSet at a time to its wish."""

    def __init__(self, cluster: Cluster, recorder: Recorder, garbage: Garbage) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._garbage = garbage

    def sync(self, namespace: str, name: str) -> None:
        live = self._cluster.store.get(REPLICASETS.key, namespace, name)
        if live is None:
            return
        if not live["metadata"].get("deletionTimestamp"):
            self._scale(live)
        self._count(live)

    def pods(self, replicaset: Obj) -> list[Obj]:
        namespace = replicaset["metadata"]["namespace"]
        return [
            p for p in self._cluster.store.all(PODS.key, namespace) if controlled_by(p, replicaset)
        ]

    def _scale(self, live: Obj) -> None:
        active = [pod for pod in self.pods(live) if is_active(pod)]
        missing = live["spec"]["replicas"] - len(active)
        for _ in range(missing):
            self._create(live)
        # Unready and young Pods go first.
        expendable = sorted(active, key=lambda p: int(p["metadata"]["resourceVersion"]))[::-1]
        for pod in sorted(expendable, key=is_ready)[: max(-missing, 0)]:
            self._garbage.delete(PODS.key, pod)
            self._tell(live, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _create(self, live: Obj) -> None:
        template, metadata = live["spec"]["template"], live["metadata"]
        pod = {
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "labels": dict(template["metadata"].get("labels") or {}),
                "ownerReferences": [owner_reference(live)],
            },
            "spec": template["spec"],
        }
        if template["metadata"].get("annotations"):
            pod["metadata"]["annotations"] = dict(template["metadata"]["annotations"])
        made = self._cluster.create(PODS, pod, metadata["namespace"], MANAGER)
        self._tell(live, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    def _tell(self, live: Obj, reason: str, message: str) -> None:
        self._recorder.record(live, "Normal", reason, message, NAME)

    def _count(self, live: Obj) -> None:
        active = [pod for pod in self.pods(live) if is_active(pod)]
        ready = sum(map(is_ready, active))
        status: Obj = {"replicas": len(active)}
        if active:
            status["fullyLabeledReplicas"] = len(active)
        if ready:
            status |= {"readyReplicas": ready, "availableReplicas": ready}
        status["observedGeneration"] = live["metadata"]["generation"]
        self._cluster.update_status(REPLICASETS, live, {**live, "status": status}, MANAGER)
