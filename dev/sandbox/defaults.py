"""What the server fills in for the served kinds; pure, works on a copy it is given.

Does not invent identities or addresses (see `dev.sandbox.cluster`). Source: Kubernetes
`pkg/apis/{apps,core}/v1/defaults.go`.
"""

from collections.abc import Callable

from dev.sandbox.resources import Obj, Resource


def fill(obj: Obj, resource: Resource, *, modern: bool) -> None:
    """Fills in place; `modern` is false for a server like v1.20."""
    defaulter = DEFAULTERS.get(resource.kind)
    if defaulter is not None:
        defaulter(obj, modern)


def _default(obj: Obj, **values: object) -> None:
    for key, value in values.items():
        if obj.get(key) is None:
            obj[key] = value


def deployment(obj: Obj, modern: bool) -> None:
    spec = obj.setdefault("spec", {})
    _default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    _default(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _default(strategy.setdefault("rollingUpdate", {}), maxUnavailable="25%", maxSurge="25%")
    template(spec.setdefault("template", {}), modern)
    obj.setdefault("status", {})


def template(obj: Obj, modern: bool) -> None:
    metadata = obj.setdefault("metadata", {})
    if not modern:
        metadata.setdefault("creationTimestamp", None)
    pod_spec(obj.setdefault("spec", {}))


def pod_spec(spec: Obj) -> None:
    _default(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    if spec.get("serviceAccountName"):
        _default(spec, serviceAccount=spec["serviceAccountName"])
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for volume in spec.get("volumes") or []:
        _volume(volume)
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(name) or []:
            _container(container)


def _volume(volume: Obj) -> None:
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(source), dict):
            _default(volume[source], defaultMode=420)
    if isinstance(volume.get("hostPath"), dict):
        _default(volume["hostPath"], type="")
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def pull_policy(image: str) -> str:
    """Always for `:latest` or no tag, else IfNotPresent."""
    last = image.rpartition("/")[2]
    if "@" in last:
        return "IfNotPresent"
    tag = last.partition(":")[2] or "latest"
    return "Always" if tag == "latest" else "IfNotPresent"


def _container(container: Obj) -> None:
    _default(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=pull_policy(container.get("image") or ""),
    )
    _requests_from_limits(container["resources"])
    for port in container.get("ports") or []:
        _default(port, protocol="TCP")
    for env in container.get("env") or []:
        field = (env.get("valueFrom") or {}).get("fieldRef")
        if field:
            _default(field, apiVersion="v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            _probe(container[probe])


def _requests_from_limits(resources: Obj) -> None:
    limits = resources.get("limits") or {}
    for part in ("limits", "requests"):
        if resources.get(part):
            resources[part] = {k: _quantity(v) for k, v in resources[part].items()}
    if limits:
        requests = resources.setdefault("requests", {})
        for key, value in (resources.get("limits") or {}).items():
            requests.setdefault(key, value)


def _quantity(value: object) -> str:
    """Canonical form of the quantities that people write most: numbers and `1000m`."""
    text = str(value)
    if text.endswith("m") and text[:-1].isdigit() and int(text[:-1]) % 1000 == 0:
        return str(int(text[:-1]) // 1000)
    if text.replace(".", "", 1).isdigit() and "." in text:
        whole = round(float(text) * 1000)
        return str(whole // 1000) if whole % 1000 == 0 else f"{whole}m"
    return text


def _probe(probe: Obj) -> None:
    _default(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if probe.get("httpGet"):
        _default(probe["httpGet"], path="/", scheme="HTTP")
    if probe.get("grpc"):
        _default(probe["grpc"], service="")


def service(obj: Obj, modern: bool) -> None:
    spec = obj.setdefault("spec", {})
    _default(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        _default(spec, sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10800}})
    for port in spec.get("ports") or []:
        _default(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    if modern and spec["type"] != "ExternalName":
        _default(spec, internalTrafficPolicy="Cluster")
    if modern and spec["type"] in ("NodePort", "LoadBalancer"):
        _default(spec, externalTrafficPolicy="Cluster")
        if spec["type"] == "LoadBalancer":
            _default(spec, allocateLoadBalancerNodePorts=True)
    _default(obj, status={"loadBalancer": {}})


def pod(obj: Obj, modern: bool) -> None:
    del modern
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    _default(spec, enableServiceLinks=True, serviceAccountName="default", serviceAccount="default")
    _default(spec, priority=0, preemptionPolicy="PreemptLowerPriority")
    tolerated = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    if not spec.get("tolerations"):
        spec["tolerations"] = [
            {"key": k, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for k in tolerated
        ]
    _default(obj, status={"phase": "Pending", "qosClass": qos(spec)})


def qos(spec: Obj) -> str:
    """BestEffort without any resources, Guaranteed when limits equal requests, else Burstable."""
    parts = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(part.get("requests") or part.get("limits") for part in parts):
        return "BestEffort"
    same = all(
        {"cpu", "memory"} <= set(part.get("limits") or {})
        and part.get("requests") == part.get("limits")
        for part in parts
    )
    return "Guaranteed" if same else "Burstable"


def replicaset(obj: Obj, modern: bool) -> None:
    spec = obj.setdefault("spec", {})
    _default(spec, replicas=1)
    template(spec.setdefault("template", {}), modern)
    _default(obj, status={"replicas": 0})


def secret(obj: Obj, modern: bool) -> None:
    del modern
    _default(obj, type="Opaque")


DEFAULTERS: dict[str, Callable[[Obj, bool], None]] = {
    "Deployment": deployment,
    "ReplicaSet": replicaset,
    "Pod": pod,
    "Service": service,
    "Secret": secret,
}
