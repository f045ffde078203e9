"""How schema.json is made: fields from the official Python client, list semantics from OpenAPI.

Not used while the sandbox runs. `python -m dev.sandbox.generate_schema OPENAPI_V2.json` rewrites
schema.json next to this file. Where it comes from: the models of the `kubernetes` package, and
`x-kubernetes-*` extensions of a server's `/openapi/v2` (Kubernetes page "Server-Side Apply",
section "Merge strategy"). The notation is explained in `dev.sandbox.schema`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import kubernetes.client as models

ROOTS = [
    "V1Deployment",
    "V1ReplicaSet",
    "V1Pod",
    "V1Service",
    "V1ConfigMap",
    "V1Secret",
    "V1Namespace",
    "V1Endpoints",
    "V1EndpointSlice",
    "V1Lease",
    "V1Scale",
    "V2HorizontalPodAutoscaler",
    "V1SelfSubjectAccessReview",
    "CoreV1Event",
    "EventsV1Event",
]
SCALARS = {
    "str": "s",
    "int": "i",
    "float": "n",
    "bool": "b",
    "datetime": "t",
    "object": "j",
    "bytes": "s",
}
# What changed after the OpenAPI document that this was made from: fields and whole types.
NEWER = {
    "V1PodSpec.imagePullSecrets": "[V1LocalObjectReference|name~name]",
    "V1PodSpec.nodeSelector": "!{s}",
    "V1ServiceSpec.selector": "!{s}",
}
NEWER_ATOMIC = {
    "V1LocalObjectReference",
    "V1ObjectReference",
    "V1TypedLocalObjectReference",
    "V1SecretKeySelector",
    "V1ConfigMapKeySelector",
    "V1ObjectFieldSelector",
    "V1ResourceFieldSelector",
    "V1NodeSelector",
    "V1NodeSelectorTerm",
}


def wire_name(type_name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI properties of a Python model, or nothing when the document does not know it."""
    match = re.fullmatch(r"(Core|Events)?(V\d+)(\w+)", type_name)
    if match is None:
        return {}
    suffix = f".{match[2].lower()}.{match[3]}"
    found = [k for k in definitions if k.endswith(suffix)]
    if match[1]:
        found = [k for k in found if f".{match[1].lower()}." in k]
    return dict(definitions[found[0]]) if found else {}


def notation(python_type: str, field: dict[str, Any], format_: str) -> str:
    if field.get("format") == "int-or-string" or format_ == "int-or-string":
        return "x"
    if (inner := re.fullmatch(r"List\[(.*)\]", python_type)) is not None:
        return f"[{notation(inner[1], {}, '')}{list_semantics(field)}]"
    if (inner := re.fullmatch(r"Dict\[str, (.*)\]", python_type)) is not None:
        mark = "!" if field.get("x-kubernetes-map-type") == "atomic" else ""
        item = field.get("additionalProperties", {}).get("$ref", "")
        value = "q" if item.endswith("Quantity") else notation(inner[1], {}, "")
        return f"{mark}{{{value}}}"
    return SCALARS.get(python_type, python_type)


def list_semantics(field: dict[str, Any]) -> str:
    strategy = field.get("x-kubernetes-patch-strategy", "")
    merge_key = field.get("x-kubernetes-patch-merge-key", "")
    patch = f"~{merge_key}" if "merge" in strategy and merge_key else ""
    kind = field.get("x-kubernetes-list-type")
    keys = field.get("x-kubernetes-list-map-keys") or ([merge_key] if patch else [])
    if kind == "atomic" or (kind is None and "merge" not in strategy):
        return patch
    if kind == "set" or not keys:
        return "="
    return "|" + ",".join(keys) + patch


def resolve(ref: str, definitions: dict[str, Any]) -> dict[str, Any]:
    return dict(definitions.get(ref.removeprefix("#/definitions/"), {}))


def struct(type_name: str, definitions: dict[str, Any]) -> dict[str, str]:
    model = getattr(models, type_name)
    properties = wire_name(type_name, definitions).get("properties", {})
    fields: dict[str, str] = {}
    for python_name, python_type in model.openapi_types.items():
        name = model.attribute_map[python_name]
        field = properties.get(name, {})
        target = resolve(field.get("$ref", ""), definitions)
        text = notation(python_type, field, target.get("format", ""))
        if target.get("x-kubernetes-map-type") == "atomic":
            text = "!" + text
        if "retainKeys" in field.get("x-kubernetes-patch-strategy", ""):
            text = text + "^"
        if python_type in NEWER_ATOMIC:
            text = "!" + text.removeprefix("!")
        fields[name] = NEWER.get(f"{type_name}.{name}", text)
    return fields


def generate(definitions: dict[str, Any]) -> dict[str, dict[str, str]]:
    types: dict[str, dict[str, str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in types:
            continue
        types[name] = struct(name, definitions)
        waiting += [
            t
            for text in types[name].values()
            for t in re.findall(r"\b(?:Core|Events)?V\d\w+", text)
        ]
    return dict(sorted(types.items()))


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text())
    lines = [
        f"{json.dumps(name)}: {json.dumps(fields)}"
        for name, fields in generate(document["definitions"]).items()
    ]
    Path(__file__).with_name("schema.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
