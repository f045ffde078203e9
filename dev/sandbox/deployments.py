"""The Deployment controller: one ReplicaSet per template, rolled within bounds, and the status.

Source: Kubernetes `pkg/controller/deployment`.
"""

import copy
from collections.abc import Callable
from datetime import datetime

from dev.sandbox import workloads
from dev.sandbox.cluster import Cluster
from dev.sandbox.events import Recorder
from dev.sandbox.garbage import Garbage
from dev.sandbox.resources import DEPLOYMENTS, PODS, REPLICASETS, Obj
from dev.sandbox.workloads import HASH, MANAGER, REVISION, controlled_by, with_condition

NAME = "deployment-controller"
DEADLINE_SCALE = 0.1  # a progress deadline of 60 s passes in 6 s at pace 1


class Deployments:
    """Brings one Deployment at a time a step nearer to its wish.

    `later` runs the same Deployment again after some seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        garbage: Garbage,
        later: Callable[[float, str, str], None],
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._garbage = garbage
        self._later = later

    def sync(self, namespace: str, name: str) -> None:
        live = self._cluster.store.get(DEPLOYMENTS.key, namespace, name)
        if live is None:
            return
        if not live["metadata"].get("deletionTimestamp"):
            current, old = self._sets(live)
            if not live["spec"].get("paused"):
                current = current or self._new_set(live, old)
                self._roll(live, current, old)
                self._forget(live, old)
            live = self._with_revision(live, current)
        self._status(live)

    def _owned(self, live: Obj) -> list[Obj]:
        rows = self._cluster.store.all(REPLICASETS.key, live["metadata"]["namespace"])
        return [rs for rs in rows if controlled_by(rs, live)]

    def _sets(self, live: Obj) -> tuple[Obj | None, list[Obj]]:
        """The ReplicaSet of the present template, and all others, oldest first."""
        owned = sorted(self._owned(live), key=_revision)
        hashed = workloads.template_hash(live["spec"]["template"])
        current = next((rs for rs in owned if rs["metadata"]["labels"].get(HASH) == hashed), None)
        return current, [rs for rs in owned if rs is not current]

    def _new_set(self, live: Obj, old: list[Obj]) -> Obj:
        hashed = workloads.template_hash(live["spec"]["template"])
        template = copy.deepcopy(live["spec"]["template"])
        labels = {**(template["metadata"].get("labels") or {}), HASH: hashed}
        template["metadata"]["labels"] = labels
        selector = copy.deepcopy(live["spec"]["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: hashed}
        replicaset = {
            "metadata": {
                "name": f"{live['metadata']['name']}-{hashed}",
                "labels": dict(labels),
                "annotations": self._annotations(live, max(map(_revision, old), default=0) + 1),
                "ownerReferences": [workloads.owner_reference(live)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        namespace = live["metadata"]["namespace"]
        return self._cluster.create(REPLICASETS, replicaset, namespace, MANAGER)

    def _annotations(self, live: Obj, revision: int) -> dict[str, str]:
        most, _ = workloads.bounds(live["spec"])
        return {
            "deployment.kubernetes.io/desired-replicas": str(live["spec"]["replicas"]),
            "deployment.kubernetes.io/max-replicas": str(most),
            REVISION: str(revision),
        }

    def _with_revision(self, live: Obj, current: Obj | None) -> Obj:
        """Both carry the highest revision; a rollback takes a new one."""
        if current is None:
            return live
        owned = self._owned(live)
        highest = max(map(_revision, owned), default=1)
        fresh = self._cluster.get(
            REPLICASETS, live["metadata"]["namespace"], current["metadata"]["name"]
        )
        number = _revision(fresh) if _revision(fresh) == highest else highest + 1
        self._annotate_set(live, fresh, number)
        if live["metadata"].get("annotations", {}).get(REVISION) == str(number):
            return live
        metadata = copy.deepcopy(live["metadata"])
        metadata.setdefault("annotations", {})[REVISION] = str(number)
        marked = {**live, "metadata": metadata}
        return self._cluster.update_status(DEPLOYMENTS, live, marked, MANAGER)

    def _annotate_set(self, live: Obj, replicaset: Obj, number: int) -> None:
        wanted = {**replicaset["metadata"]["annotations"], **self._annotations(live, number)}
        if wanted == replicaset["metadata"]["annotations"]:
            return
        metadata = {**replicaset["metadata"], "annotations": wanted}
        who = self._cluster.writer(REPLICASETS, MANAGER)
        self._cluster.update(REPLICASETS, replicaset, {**replicaset, "metadata": metadata}, who)

    def _roll(self, live: Obj, current: Obj, old: list[Obj]) -> None:
        wanted: int = live["spec"]["replicas"]
        if live["spec"]["strategy"]["type"] == "Recreate":
            for rs in old:
                self._scale(live, rs, 0)
            if not any(self._pods(rs) for rs in old):
                self._scale(live, current, wanted)
            return
        most, fewest = workloads.bounds(live["spec"])
        total = current["spec"]["replicas"] + sum(rs["spec"]["replicas"] for rs in old)
        have: int = current["spec"]["replicas"]
        if have > wanted:
            self._scale(live, current, wanted)
        elif have < wanted:
            self._scale(live, current, have + max(0, min(wanted - have, most - total)))
        self._shrink(live, current, old, fewest)

    def _shrink(self, live: Obj, current: Obj, old: list[Obj], fewest: int) -> None:
        """Old Pods go as far as enough others are available; those that never worked go first."""
        available = sum(_available(rs) for rs in [current, *old])
        for rs in old:
            broken = rs["spec"]["replicas"] - _available(rs)
            spare = max(0, available - fewest)
            gone = min(rs["spec"]["replicas"], broken + spare)
            if gone > 0:
                self._scale(live, rs, rs["spec"]["replicas"] - gone)
                available -= max(0, gone - broken)

    def _pods(self, replicaset: Obj) -> list[Obj]:
        pods = self._cluster.store.all(PODS.key, replicaset["metadata"]["namespace"])
        return [pod for pod in pods if controlled_by(pod, replicaset)]

    def _scale(self, live: Obj, replicaset: Obj, to: int) -> None:
        before = replicaset["spec"]["replicas"]
        if before == to:
            return
        fresh = self._cluster.get(
            REPLICASETS, live["metadata"]["namespace"], replicaset["metadata"]["name"]
        )
        spec = {**fresh["spec"], "replicas": to}
        who = self._cluster.writer(REPLICASETS, MANAGER)
        self._cluster.update(REPLICASETS, fresh, {**fresh, "spec": spec}, who)
        way = "up" if to > before else "down"
        origin = f" from {before}" if self._cluster.modern else ""
        text = f"Scaled {way} replica set {fresh['metadata']['name']}{origin} to {to}"
        self._recorder.record(live, "Normal", "ScalingReplicaSet", text, NAME)

    def _forget(self, live: Obj, old: list[Obj]) -> None:
        idle = [rs for rs in old if rs["spec"]["replicas"] == 0 and not rs["status"]["replicas"]]
        surplus = len(idle) - live["spec"]["revisionHistoryLimit"]
        for rs in idle[: max(surplus, 0)]:
            self._garbage.delete(REPLICASETS.key, rs)

    def _status(self, live: Obj) -> None:
        current, _ = self._sets(live)
        owned = self._owned(live)
        counts = _counts(live, current, owned)
        status = {**counts, "observedGeneration": live["metadata"]["generation"]}
        conditions = self._available(
            live, counts, list(live.get("status", {}).get("conditions", []))
        )
        status["conditions"] = self._progressing(live, current, counts, conditions)
        self._cluster.update_status(DEPLOYMENTS, live, {**live, "status": status}, MANAGER)

    def _available(self, live: Obj, counts: Obj, conditions: list[Obj]) -> list[Obj]:
        _, fewest = workloads.bounds(live["spec"])
        enough = counts.get("availableReplicas", 0) >= fewest
        has = "has" if enough else "does not have"
        condition = {
            "type": "Available",
            "status": "True" if enough else "False",
            "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            "message": f"Deployment {has} minimum availability.",
        }
        return with_condition(conditions, condition, self._cluster.now())

    def _progressing(
        self, live: Obj, current: Obj | None, counts: Obj, conditions: list[Obj]
    ) -> list[Obj]:
        """Source: `deployment/progress.go`; complete, progressing, or out of time."""
        if current is None:
            return conditions
        told = f'ReplicaSet "{current["metadata"]["name"]}"'
        old = next((c for c in conditions if c["type"] == "Progressing"), None)
        if _complete(live, counts):
            return self._progress(
                conditions, "True", "NewReplicaSetAvailable", f"{told} has successfully progressed."
            )
        if old is None or _moved(live, counts) or old["reason"] == "NewReplicaSetAvailable":
            self._wait_for_deadline(live)
            reason = "NewReplicaSetCreated" if old is None else "ReplicaSetUpdated"
            text = (
                f"Created new replica set {told[11:]}" if old is None else f"{told} is progressing."
            )
            return self._progress(conditions, "True", reason, text, renew=True)
        if self._timed_out(live, old):
            text = f"{told} has timed out progressing."
            return self._progress(conditions, "False", "ProgressDeadlineExceeded", text)
        return conditions

    def _progress(
        self, conditions: list[Obj], status: str, reason: str, message: str, *, renew: bool = False
    ) -> list[Obj]:
        condition = {"type": "Progressing", "status": status, "reason": reason, "message": message}
        now = self._cluster.now()
        found = with_condition(conditions, condition, now)
        if not renew:
            return found
        return [{**c, "lastUpdateTime": now} if c["type"] == "Progressing" else c for c in found]

    def _deadline(self, live: Obj) -> float:
        seconds: int = live["spec"]["progressDeadlineSeconds"]
        return seconds * DEADLINE_SCALE * self._cluster.pace

    def _wait_for_deadline(self, live: Obj) -> None:
        metadata = live["metadata"]
        # Times in conditions are whole seconds: one more makes sure the deadline has passed.
        self._later(self._deadline(live) + 1.0, metadata["namespace"], metadata["name"])

    def _timed_out(self, live: Obj, condition: Obj) -> bool:
        since = datetime.fromisoformat(condition["lastUpdateTime"])
        return (self._cluster.clock() - since).total_seconds() >= self._deadline(live)


def _revision(replicaset: Obj) -> int:
    return int(replicaset["metadata"].get("annotations", {}).get(REVISION, "0"))


def _available(replicaset: Obj) -> int:
    number: int = replicaset.get("status", {}).get("availableReplicas", 0)
    return number


def _counts(live: Obj, current: Obj | None, owned: list[Obj]) -> Obj:
    """Replica counts of a Deployment's status; zeros are left out as Go does."""
    total = sum(rs["status"].get("replicas", 0) for rs in owned)
    available = sum(map(_available, owned))
    counts = {
        "replicas": total,
        "updatedReplicas": current["status"].get("replicas", 0) if current else 0,
        "readyReplicas": sum(rs["status"].get("readyReplicas", 0) for rs in owned),
        "availableReplicas": available,
        "unavailableReplicas": max(0, max(total, live["spec"]["replicas"]) - available),
    }
    return {key: value for key, value in counts.items() if value}


def _complete(live: Obj, counts: Obj) -> bool:
    wanted = live["spec"]["replicas"]
    return all(
        counts.get(key, 0) == wanted for key in ("replicas", "updatedReplicas", "availableReplicas")
    )


def _moved(live: Obj, counts: Obj) -> bool:
    """More new, more ready or fewer old Pods than the last status told."""
    before = live.get("status", {})

    def old(status: Obj) -> int:
        number: int = status.get("replicas", 0) - status.get("updatedReplicas", 0)
        return number

    return (
        counts.get("updatedReplicas", 0) > before.get("updatedReplicas", 0)
        or counts.get("readyReplicas", 0) > before.get("readyReplicas", 0)
        or counts.get("availableReplicas", 0) > before.get("availableReplicas", 0)
        or old(counts) < old(before)
    )
