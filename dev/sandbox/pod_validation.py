"""What the server refuses in a pod template; pure. Pod Security is no part of it.

Source: Kubernetes `pkg/apis/core/validation/validation.go`.
"""

from typing import Any

from dev.sandbox import causes as rules
from dev.sandbox import names
from dev.sandbox.quantities import quantity
from dev.sandbox.resources import Obj
from dev.sandbox.status import cause

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def template(obj: Obj, field: str) -> rules.Causes:
    """Causes for a Deployment's template."""
    yield from rules.labels(obj["metadata"].get("labels"), f"{field}.metadata.labels")
    spec, below = obj["spec"], f"{field}.spec"
    volumes = set()
    for i, volume in enumerate(spec.get("volumes") or []):
        volumes.add(volume.get("name"))
        yield from _volume(volume, f"{below}.volumes[{i}]")
    if not spec.get("containers"):
        yield rules.required(f"{below}.containers")
    seen: set[str] = set()
    for kind in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(kind) or []):
            yield from _container(container, f"{below}.{kind}[{i}]", volumes, seen)
    if spec.get("ephemeralContainers"):
        text = "Forbidden: ephemeral containers not allowed in pod template"
        yield cause("FieldValueForbidden", text, f"{below}.ephemeralContainers")
    if spec["restartPolicy"] != "Always":
        yield rules.unsupported(f"{below}.restartPolicy", spec["restartPolicy"], ("Always",))
    if spec["terminationGracePeriodSeconds"] < 0:
        value = spec["terminationGracePeriodSeconds"]
        yield rules.bad(
            f"{below}.terminationGracePeriodSeconds", value, "must be greater than or equal to 0"
        )


def _volume(volume: Obj, field: str) -> rules.Causes:
    name = volume.get("name") or ""
    if not name:
        yield rules.required(f"{field}.name")
    else:
        yield from (rules.bad(f"{field}.name", name, why) for why in names.dns1123_label(name))
    sources = [key for key in volume if key != "name"]
    if len(sources) > 1:
        text = "Forbidden: may not specify more than 1 volume type"
        yield cause("FieldValueForbidden", text, f"{field}.{sources[1]}")
    config = volume.get("configMap")
    if isinstance(config, dict) and not config.get("name"):
        yield rules.required(f"{field}.configMap.name")


def _container(container: Obj, field: str, volumes: set[Any], seen: set[str]) -> rules.Causes:
    name = container.get("name") or ""
    if not name:
        yield rules.required(f"{field}.name")
    else:
        yield from (rules.bad(f"{field}.name", name, why) for why in names.dns1123_label(name))
    if name in seen:
        yield cause("FieldValueDuplicate", f"Duplicate value: {rules.go(name)}", f"{field}.name")
    seen.add(name)
    yield from _image(container, field)
    for i, port in enumerate(container.get("ports") or []):
        yield from _port(port, f"{field}.ports[{i}]")
    for i, env in enumerate(container.get("env") or []):
        if not env.get("name"):
            yield rules.required(f"{field}.env[{i}].name")
    for i, mount in enumerate(container.get("volumeMounts") or []):
        yield from _mount(mount, f"{field}.volumeMounts[{i}]", volumes)
    yield from _resources(container["resources"], f"{field}.resources")


def _image(container: Obj, field: str) -> rules.Causes:
    image = container.get("image") or ""
    if not image:
        yield rules.required(f"{field}.image")
    elif image != image.strip():
        yield rules.bad(f"{field}.image", image, "must not have leading or trailing whitespace")
    policy = container["imagePullPolicy"]
    if policy not in PULL_POLICIES:
        yield rules.unsupported(f"{field}.imagePullPolicy", policy, PULL_POLICIES)


def _port(port: Obj, field: str) -> rules.Causes:
    if port.get("name"):
        why = names.port_name(port["name"])
        yield from (rules.bad(f"{field}.name", port["name"], text) for text in why)
    number = port.get("containerPort")
    if not number:
        yield rules.required(f"{field}.containerPort")
    elif not 1 <= number <= rules.LAST_PORT:
        text = "must be between 1 and 65535, inclusive"
        yield rules.bad(f"{field}.containerPort", number, text)
    if port["protocol"] not in PROTOCOLS:
        yield rules.unsupported(f"{field}.protocol", port["protocol"], PROTOCOLS)


def _mount(mount: Obj, field: str, volumes: set[Any]) -> rules.Causes:
    name = mount.get("name") or ""
    if not name:
        yield rules.required(f"{field}.name")
    elif name not in volumes:
        yield cause("FieldValueNotFound", f"Not found: {rules.go(name)}", f"{field}.name")
    if not mount.get("mountPath"):
        yield rules.required(f"{field}.mountPath")


def _resources(resources: Obj, field: str) -> rules.Causes:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for part, values in (("limits", limits), ("requests", requests)):
        for key, value in values.items():
            if _amount(value) is None or quantity(value) < 0:
                text = "must be greater than or equal to 0"
                yield rules.bad(f"{field}.{part}[{key}]", value, text)
    for key, value in requests.items():
        asked, most = _amount(value), _amount(limits.get(key))
        if asked is not None and most is not None and asked > most:
            text = f"must be less than or equal to {key} limit"
            yield rules.bad(f"{field}.requests", value, text)


def _amount(value: Any) -> Any:
    try:
        return quantity(value)
    except ValueError:
        return None
