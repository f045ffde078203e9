"""Request bodies: JSON and YAML read, patches applied to an object, deprecations noticed."""

import json
from typing import Any

from dev.sandbox import patches, schema
from dev.sandbox.resources import Obj, Resource
from dev.sandbox.status import ApiError, bad_request

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def object_of(body: bytes, resource: Resource) -> tuple[Any, list[str]]:
    try:
        return schema.parse_json(body)
    except ValueError as error:
        text = body.decode(errors="replace")
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get"
            f" version/kind; json parse error: {error} ({text[:200]})"
        ) from error


def yaml_or_json(body: bytes) -> tuple[Any, list[str]]:
    try:
        return schema.parse_json(body)
    except ValueError:
        pass
    import yaml  # noqa: PLC0415 - slow to import, and most clients send JSON

    try:
        return yaml.safe_load(body), []
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def patched(live: Obj, body: bytes, content_type: str, resource: Resource) -> Any:
    try:
        patch = json.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if content_type == JSON_PATCH:
        return patches.json_patch(live, patch)
    if content_type == MERGE:
        return patches.merge_patch(live, patch)
    if content_type == STRATEGIC:
        return patches.strategic(live, patch, schema.of(resource))
    accepted = f"{JSON_PATCH}, {MERGE}, {STRATEGIC}, {APPLY}"
    text = "the body of the request was in an unknown format - accepted media types include: "
    raise ApiError(415, "UnsupportedMediaType", text + accepted, details={})


def deprecations(obj: Obj) -> list[str]:
    """A few of the warnings of `pkg/api/pod/warnings.go` that people meet."""
    template = obj.get("spec", {}).get("template") if obj["kind"] == "Deployment" else None
    if template is None:
        return []
    found = []
    for key in template["metadata"].get("annotations") or {}:
        if key.startswith("seccomp.security.alpha.kubernetes.io/"):
            found.append(
                f"spec.template.metadata.annotations[{key}]: non-functional in v1.27+; use the"
                ' "seccompProfile" field instead'
            )
        if key.startswith("container.apparmor.security.beta.kubernetes.io/"):
            found.append(
                f"spec.template.metadata.annotations[{key}]: deprecated since v1.30; use the"
                ' "appArmorProfile" field instead'
            )
    return found
