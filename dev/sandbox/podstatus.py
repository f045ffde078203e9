"""The status of a Pod at each station of its life, as a kubelet writes it; pure."""

import hashlib
from dataclasses import dataclass, field

from dev.sandbox.resources import Obj

NODE_IP = "198.51.100.20"


@dataclass(slots=True, kw_only=True)
class Container:
    """One container's present: `state` and `last` are ContainerState objects."""

    name: str
    image: str
    state: Obj = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Obj = field(default_factory=dict)
    ready: bool = False
    restarts: int = 0

    def as_status(self, uid: str) -> Obj:
        ran = bool(self.state.get("running") or self.state.get("terminated") or self.last)
        return {
            "name": self.name,
            "state": self.state,
            "lastState": self.last,
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": f"sha256:{_hex(self.image)}" if ran else "",
            **({"containerID": self.container_id(uid)} if ran else {}),
            "started": "running" in self.state,
        }

    def container_id(self, uid: str) -> str:
        return f"containerd://{_hex(f'{uid}/{self.name}/{self.restarts}')}"


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def pending(why: str, pod: Obj, now: str) -> Obj:
    """A Pod that no node takes; `why` in the scheduler's words."""
    condition = _condition("PodScheduled", "False", now, "Unschedulable", why)
    return {"phase": "Pending", "conditions": [condition], "qosClass": pod["status"]["qosClass"]}


def placed(pod: Obj, containers: list[Container], now: str, address: str) -> Obj:
    """A Pod on its node. Times of unchanged conditions stay."""
    uid, before = pod["metadata"]["uid"], pod["status"]
    unready = [c.name for c in containers if not c.ready]
    why = f"containers with unready status: [{' '.join(unready)}]"
    ready = ("False", "ContainersNotReady", why) if unready else ("True", "", "")
    new = [
        _condition("Initialized", "True", now),
        _condition("Ready", ready[0], now, *ready[1:]),
        _condition("ContainersReady", ready[0], now, *ready[1:]),
        _condition("PodScheduled", "True", now),
    ]
    never_ran = all("waiting" in c.state and not c.last for c in containers)
    return {
        "phase": "Pending" if never_ran else "Running",
        "conditions": [_settled(c, before.get("conditions", [])) for c in new],
        "hostIP": NODE_IP,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": before.get("startTime", now),
        "containerStatuses": [c.as_status(uid) for c in containers],
        "qosClass": before["qosClass"],
    }


def _condition(kind: str, status: str, now: str, reason: str = "", message: str = "") -> Obj:
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": now,
        **({"reason": reason, "message": message} if reason else {}),
    }


def _settled(new: Obj, old: list[Obj]) -> Obj:
    for condition in old:
        if condition["type"] == new["type"] and condition["status"] == new["status"]:
            return {**new, "lastTransitionTime": condition["lastTransitionTime"]}
    return new
