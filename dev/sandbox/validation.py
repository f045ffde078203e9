"""What the server refuses with 422 and its causes, all but pod templates; pure.

Pod templates are in `dev.sandbox.pod_validation`. Not complete: rules that people and agents run
into. Source: Kubernetes `pkg/apis/{core,apps}/validation`.
"""

import re
from collections.abc import Callable
from typing import Any

from dev.sandbox import names, pod_validation, selectors
from dev.sandbox.causes import LAST_PORT, Causes, bad, go, labels, required, unsupported
from dev.sandbox.resources import Obj, Resource
from dev.sandbox.status import cause, invalid


def check(new: Obj, live: Obj | None, resource: Resource) -> None:
    """Raises 422 with every cause found; `live` is None on create."""
    causes = [*metadata(new, resource)]
    causes += RULES.get(resource.kind, _nothing)(new)
    if live is not None:
        causes += FROZEN.get(resource.kind, _frozen_nothing)(new, live)
    if causes:
        raise invalid(resource.group, resource.kind, new["metadata"].get("name", ""), causes)


def _nothing(_: Obj) -> Causes:
    yield from ()


def _frozen_nothing(_: Obj, __: Obj) -> Causes:
    yield from ()


def metadata(obj: Obj, resource: Resource) -> Causes:
    found = obj["metadata"]
    name = found.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    else:
        rule = names.dns1035_label if resource.kind == "Service" else names.subdomain
        yield from (bad("metadata.name", name, why) for why in rule(name))
    yield from labels(found.get("labels"), "metadata.labels")
    for key in found.get("annotations") or {}:
        yield from (bad("metadata.annotations", key, w) for w in names.qualified(key.lower()))


def deployment(obj: Obj) -> Causes:
    spec = obj["spec"]
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        if (spec.get(field) or 0) < 0:
            yield bad(f"spec.{field}", spec[field], "must be greater than or equal to 0")
    yield from _selector(spec)
    yield from pod_validation.template(spec["template"], "spec.template")
    yield from _strategy(spec)
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        yield bad(
            "spec.progressDeadlineSeconds",
            spec["progressDeadlineSeconds"],
            "must be greater than minReadySeconds",
        )


def _selector(spec: Obj) -> Causes:
    selector, found = spec.get("selector"), spec["template"]["metadata"].get("labels")
    if not selector:
        yield required("spec.selector")
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield bad(
            "spec.selector", _go_selector(selector), "empty selector is invalid for deployment"
        )
    if not selector or not selectors.matches(selector, found or {}):
        field = "spec.template.metadata.labels"
        text = f"Invalid value: {_go_map(found)}: `selector` does not match template `labels`"
        yield cause("FieldValueInvalid", text, field)


def _go_map(value: dict[str, str] | None) -> str:
    if value is None:
        return "map[string]string(nil)"
    inner = ", ".join(f"{go(k)}:{go(v)}" for k, v in sorted(value.items()))
    return f"map[string]string{{{inner}}}"


def _go_selector(selector: Obj) -> str:
    return (
        f"v1.LabelSelector{{MatchLabels:{_go_map(selector.get('matchLabels'))},"
        " MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"
    )


def _strategy(spec: Obj) -> Causes:
    strategy = spec["strategy"]
    if strategy["type"] not in ("Recreate", "RollingUpdate"):
        yield unsupported("spec.strategy.type", strategy["type"], ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling:
        text = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield cause("FieldValueForbidden", text, "spec.strategy.rollingUpdate")
    elif rolling:
        yield from _rolling(rolling)


def _rolling(rolling: Obj) -> Causes:
    for field in ("maxUnavailable", "maxSurge"):
        value = rolling.get(field)
        good = re.fullmatch(r"\d+%", value) if isinstance(value, str) else (value or 0) >= 0
        if not good:
            why = "must be an integer or percentage (e.g '5%%')"
            yield bad(f"spec.strategy.rollingUpdate.{field}", value, why)
    if rolling.get("maxUnavailable") in (0, "0%") and rolling.get("maxSurge") in (0, "0%"):
        why = "may not be 0 when `maxSurge` is 0"
        yield bad("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], why)


def frozen_deployment(new: Obj, live: Obj) -> Causes:
    if new["spec"].get("selector") != live["spec"].get("selector"):
        text = (
            f"Invalid value: {_go_selector(new['spec'].get('selector') or {})}: field is immutable"
        )
        yield cause("FieldValueInvalid", text, "spec.selector")


def service(obj: Obj) -> Causes:
    spec = obj["spec"]
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    for i, port in enumerate(ports):
        yield from _service_port(port, f"spec.ports[{i}]", alone=len(ports) == 1)
    yield from _duplicates(ports)
    yield from labels(spec.get("selector"), "spec.selector")
    if spec["sessionAffinity"] not in ("ClientIP", "None"):
        yield unsupported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None"))
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec["type"] not in kinds:
        yield unsupported("spec.type", spec["type"], kinds)
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        yield required("spec.externalName")


def _service_port(port: Obj, field: str, *, alone: bool) -> Causes:
    name = port.get("name") or ""
    if not name and not alone:
        yield required(f"{field}.name")
    elif name:
        yield from (bad(f"{field}.name", name, why) for why in names.dns1123_label(name))
    yield from _port_number(port.get("port") or 0, f"{field}.port")
    target = port.get("targetPort")
    if isinstance(target, str):
        yield from (bad(f"{field}.targetPort", target, why) for why in names.port_name(target))
    else:
        yield from _port_number(target or 0, f"{field}.targetPort")
    if port["protocol"] not in pod_validation.PROTOCOLS:
        yield unsupported(f"{field}.protocol", port["protocol"], pod_validation.PROTOCOLS)


def _port_number(value: int, field: str) -> Causes:
    if not 1 <= value <= LAST_PORT:
        yield bad(field, value, "must be between 1 and 65535, inclusive")


def _duplicates(ports: list[Obj]) -> Causes:
    seen: set[tuple[Any, Any]] = set()
    names_seen: set[str] = set()
    for i, port in enumerate(ports):
        pair = (port.get("port"), port["protocol"])
        name = port.get("name") or ""
        if name and name in names_seen:
            yield cause(
                "FieldValueDuplicate", f"Duplicate value: {go(name)}", f"spec.ports[{i}].name"
            )
        if pair in seen:
            text = f'Duplicate value: {{"protocol":"{pair[1]}","port":{pair[0]}}}'
            yield cause("FieldValueDuplicate", text, f"spec.ports[{i}]")
        seen.add(pair)
        names_seen.add(name)


def frozen_service(new: Obj, live: Obj) -> Causes:
    before, after = live["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if before and after != before and new["spec"]["type"] != "ExternalName":
        text = f'Invalid value: []string{{"{after or ""}"}}: may not change once set'
        yield cause("FieldValueInvalid", text, "spec.clusterIPs[0]")


def configmap(obj: Obj) -> Causes:
    size = 0
    for part in ("data", "binaryData"):
        for key, value in (obj.get(part) or {}).items():
            size += len(value)
            yield from (bad(f"{part}[{key}]", key, why) for why in names.config_key(key))
    if size > 1024 * 1024:
        text = "Too long: must have at most 1048576 bytes"
        yield cause("FieldValueTooLong", text, "")


def frozen_configmap(new: Obj, live: Obj) -> Causes:
    if not live.get("immutable"):
        return
    for part in ("data", "binaryData"):
        if new.get(part) != live.get(part):
            text = "Forbidden: field is immutable when `immutable` is set"
            yield cause("FieldValueForbidden", text, part)


RULES: dict[str, Callable[[Obj], Causes]] = {
    "Deployment": deployment,
    "Service": service,
    "ConfigMap": configmap,
}
FROZEN: dict[str, Callable[[Obj, Obj], Causes]] = {
    "Deployment": frozen_deployment,
    "Service": frozen_service,
    "ConfigMap": frozen_configmap,
}
