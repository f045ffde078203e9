"""What the two workload controllers have in common: names, hashes, percentages, ownership; pure."""

import json
import math
import zlib
from typing import Any

from dev.sandbox.cluster import SAFE
from dev.sandbox.resources import Obj

MANAGER = "kube-controller-manager"
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def owner_reference(owner: Obj) -> Obj:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controlled_by(obj: Obj, owner: Obj) -> bool:
    uid = owner["metadata"]["uid"]
    return any(
        ref["uid"] == uid and ref.get("controller")
        for ref in obj["metadata"].get("ownerReferences", [])
    )


def template_hash(template: Obj, collisions: int = 0) -> str:
    text = json.dumps(template, sort_keys=True) + (str(collisions) if collisions else "")
    digits = str(zlib.crc32(text.encode()))
    return "".join(SAFE[ord(digit) % len(SAFE)] for digit in digits)


def share(value: Any, of: int, *, up: bool) -> int:
    """An int-or-percent of a number of replicas."""
    if isinstance(value, str) and value.endswith("%"):
        part = of * int(value[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value or 0)


def bounds(spec: Obj) -> tuple[int, int]:
    """The most and the fewest Pods that a rolling update may have."""
    replicas: int = spec["replicas"]
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge"), replicas, up=True)
    down = share(rolling.get("maxUnavailable"), replicas, up=False)
    if surge == 0 and down == 0:
        down = 1
    return replicas + surge, max(replicas - down, 0)


def is_ready(pod: Obj) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def is_active(pod: Obj) -> bool:
    phase = pod.get("status", {}).get("phase")
    return phase not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp")


def with_condition(
    conditions: list[Obj], new: Obj, now: str, *, update_time: bool = True
) -> list[Obj]:
    """Conditions with one replaced; transition time moves only with its status."""
    old = next((c for c in conditions if c["type"] == new["type"]), None)
    if old and all(old.get(k) == new.get(k) for k in ("status", "reason", "message")):
        return conditions
    moved = old is None or old["status"] != new["status"]
    stamped = {
        **new,
        "lastTransitionTime": now if moved or old is None else old["lastTransitionTime"],
    }
    if update_time:
        stamped["lastUpdateTime"] = now
    return [*(c for c in conditions if c["type"] != new["type"]), stamped]
