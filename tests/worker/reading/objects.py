"""Kubernetes objects for the tests of reading, as small as they can be."""

from typing import Any


def owned(kind: str, name: str, uid: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "name": name, "uid": uid, "controller": True}]


def deployment(name: str = "web", *, desired: int = 2, ready: int = 2) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "uid": f"d-{name}",
            "generation": 3,
            "labels": {"app": name},
            "annotations": {
                "deployment.kubernetes.io/revision": "2",
                "kubectl.kubernetes.io/last-applied-configuration": "canary-annotation",
            },
            "managedFields": [{"manager": "canary-manager"}],
        },
        "spec": {
            "replicas": desired,
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": {"containers": [container()]}},
        },
        "status": {
            "observedGeneration": 3,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": desired,
            "conditions": [{"type": "Available", "status": "True", "reason": "Minimum"}],
        },
    }


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": "registry.example/web:1.2",
        "env": [{"name": "SECRET", "value": "canary-env"}],
        "command": ["sh", "-c", "canary-command"],
        **fields,
    }


def replica_set(name: str, owner: str, *, desired: int = 2, revision: str = "2") -> dict[str, Any]:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "uid": f"r-{name}",
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": owned("Deployment", owner, f"d-{owner}"),
        },
        "spec": {"replicas": desired},
        "status": {"readyReplicas": desired},
    }


def pod(name: str = "web-1", owner: str = "web-rs", **fields: Any) -> dict[str, Any]:
    """A running Pod; `fields` replace parts of its status."""
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "uid": f"p-{name}",
            "ownerReferences": owned("ReplicaSet", owner, f"r-{owner}"),
        },
        "spec": {"containers": [container()]},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {"name": "app", "ready": True, "restartCount": 0, "state": running}
            ],
            **fields,
        },
    }


def crashing(name: str) -> dict[str, Any]:
    return pod(
        name,
        containerStatuses=[
            {
                "name": "app",
                "ready": False,
                "restartCount": 7,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {
                    "terminated": {
                        "exitCode": 137,
                        "reason": "OOMKilled",
                        "finishedAt": "2026-01-01T00:00:00Z",
                    }
                },
            }
        ],
    )


def service(name: str = "web") -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": name, "uid": f"s-{name}"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.0.0.1",
            "selector": {"app": name},
            "ports": [{"port": 80, "targetPort": "http", "name": "http"}],
        },
    }


def config_map(name: str = "settings") -> dict[str, Any]:
    return {
        "kind": "ConfigMap",
        "metadata": {"name": name, "uid": f"c-{name}"},
        "data": {"b.yaml": "canary-value", "a.txt": "canary-value"},
        "binaryData": {"c.bin": "Y2FuYXJ5"},
    }


def event(name: str, uid: str, note: str = "Back-off", **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "type": "Warning",
        "reason": "BackOff",
        "note": note,
        "regarding": {"kind": "Pod", "name": "web-1", "uid": uid},
        "deprecatedCount": 5,
        "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
        "deprecatedLastTimestamp": "2026-01-02T00:00:00Z",
        **fields,
    }
