"""What the cluster holds at the start: namespaces, a canary Secret, and the demo workloads.

The demo is a healthy nginx with Service and ConfigMap, and five Deployments that fail, each in
another way. Putting it twice changes nothing.
"""

import base64
import json
import secrets

from dev.sandbox.cluster import Cluster
from dev.sandbox.rbac import DEMO, SYSTEM
from dev.sandbox.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    SECRETS,
    SERVICES,
    Obj,
    Resource,
)

MANAGER = "kubectl-client-side-apply"
BUSYBOX = "localhost/busybox:1.35"
READY_FILE = "/tmp/ready"  # noqa: S108 - in a container that does not exist
# Tests search for this everywhere a Secret's value must never appear.
CANARY = "canary-secret-value-7f3c9a"


def put_base(cluster: Cluster) -> None:
    """What every cluster has."""
    for name in ("default", "kube-system", "kube-public", SYSTEM, DEMO):
        labels = {"kubernetes.io/metadata.name": name} if cluster.modern else {}
        if name == DEMO:
            labels["app.kubernetes.io/part-of"] = DEMO
        namespace = {
            "metadata": {"name": name, **({"labels": labels} if labels else {})},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        _put(cluster, NAMESPACES, namespace, "")
    for name in ("default", SYSTEM, DEMO):
        ca = {"ca.crt": f"simulated certificate of run {secrets.token_hex(4)}\n"}
        _put(cluster, CONFIGMAPS, {"metadata": {"name": "kube-root-ca.crt"}, "data": ca}, name)


def put_demo(cluster: Cluster) -> None:
    """The demo in its namespace, as `kubectl apply` would leave it."""
    _put(cluster, SECRETS, _secret(), DEMO)
    _apply(cluster, CONFIGMAPS, nginx_config())
    _apply(cluster, DEPLOYMENTS, nginx())
    _apply(cluster, SERVICES, nginx_service())
    for deployment in broken():
        _apply(cluster, DEPLOYMENTS, deployment)


def _apply(cluster: Cluster, resource: Resource, obj: Obj) -> None:
    """With the annotation in which kubectl remembers what it sent."""
    metadata = {"annotations": {}, **obj["metadata"], "namespace": DEMO}
    named = {"apiVersion": resource.api_version, "kind": resource.kind}
    sent = json.dumps({**named, **obj, "metadata": metadata}, sort_keys=True, separators=(",", ":"))
    remembered = {"kubectl.kubernetes.io/last-applied-configuration": sent + "\n"}
    _put(cluster, resource, {**obj, "metadata": {**metadata, "annotations": remembered}}, DEMO)


def _put(cluster: Cluster, resource: Resource, obj: Obj, namespace: str) -> None:
    if cluster.store.get(resource.key, namespace, obj["metadata"]["name"]) is None:
        cluster.create(resource, obj, namespace, MANAGER)


def _secret() -> Obj:
    data = {"password": base64.b64encode(CANARY.encode()).decode()}
    return {"metadata": {"name": "nginx-credentials"}, "data": data}


def nginx_config() -> Obj:
    text = 'location = /hello { return 200 "hello from the configmap\\n"; }\n'
    metadata = {"name": "nginx-config", "labels": {"app": "nginx"}}
    return {"metadata": metadata, "data": {"extra.inc": text}}


def nginx_service() -> Obj:
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}
    return {
        "metadata": {"name": "nginx", "labels": {"app": "nginx"}},
        "spec": {"selector": {"app": "nginx"}, "ports": [port]},
    }


def nginx() -> Obj:
    probe = ["/bin/busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/healthz"]
    container = {
        "name": "nginx",
        "image": "localhost/nginx:1.22",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "200m", "memory": "64Mi"},
        },
        "readinessProbe": {"exec": {"command": probe}, "periodSeconds": 3},
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/nginx/conf.d"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "volumes": [{"name": "conf", "configMap": {"name": "nginx-config"}}],
    }
    return _deployment("nginx", pod, {"app": "nginx"}, replicas=2)


def broken() -> list[Obj]:
    """Crash loop, image pull, unschedulable, out of memory, readiness."""
    return [
        _broken(
            "crash",
            _shell("echo starting; echo 'fatal: no such file: /etc/app/config.yaml' >&2; exit 3"),
        ),
        _broken("image", {"image": "localhost/nginx:9.99", "imagePullPolicy": "IfNotPresent"}),
        _broken(
            "unschedulable",
            {
                "image": BUSYBOX,
                "command": ["sleep", "3600"],
                "resources": {"requests": {"cpu": "512"}},
            },
        ),
        _broken(
            "oom",
            {
                **_shell("echo loading everything into memory; exec tail /dev/zero"),
                "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "32Mi"}},
            },
        ),
        _broken(
            "readiness",
            {
                **_shell("echo waiting for the database; sleep 360000"),
                "readinessProbe": {"exec": {"command": ["cat", READY_FILE]}, "periodSeconds": 5},
            },
            grace=1,
        ),
    ]


def _shell(script: str) -> Obj:
    return {"image": BUSYBOX, "command": ["sh", "-c", script]}


def _broken(what: str, container: Obj, grace: int = 0) -> Obj:
    name = f"broken-{what}"
    pod: Obj = {"containers": [{"name": "app", **container}]}
    if grace:
        pod["terminationGracePeriodSeconds"] = grace
    deployment = _deployment(name, pod, {"app": name, "part-of": "broken"}, replicas=1)
    deployment["spec"]["progressDeadlineSeconds"] = 60
    return deployment


def _deployment(name: str, pod: Obj, labels: dict[str, str], *, replicas: int) -> Obj:
    return {
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": labels["app"]}},
            "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
        },
    }
