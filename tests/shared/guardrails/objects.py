"""Plain good objects to break in tests, and ways to break them."""

import copy

from shared.documents import (
    Manifest,
)
from shared.guardrails import Policy, Violation, check_write
from shared.manifests import (
    JSON,
    Kind,
    Object,
    ObjectRef,
)

DIGEST = "sha256:" + "a" * 64


def deployment(**pod_spec: JSON) -> Object:
    spec: Object = {"containers": [{"name": "web", "image": "nginx:1.27"}], **pod_spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }


def container(**fields: JSON) -> Object:
    """A Deployment whose only container has these fields too."""
    return deployment(containers=[{"name": "web", "image": "nginx:1.27", **fields}])


def service(**spec: JSON) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec},
    }


def config_map(**data: JSON) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "demo"},
        "data": data,
    }


def with_at(body: Object, path: str, value: JSON) -> Object:
    """A copy in which the dotted path holds the value."""
    result = copy.deepcopy(body)
    at: JSON = result
    *steps, last = path.split(".")
    for step in steps:
        if isinstance(at, list):
            at = at[int(step)]
        else:
            assert isinstance(at, dict)
            at = at.setdefault(step, {})
    assert isinstance(at, dict)
    at[last] = value
    return result


def manifest(body: Object) -> Manifest:
    kind = Kind(str(body["kind"]))
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    ref = ObjectRef.of(kind, "demo", str(metadata["name"]))
    return Manifest(document=1, kind=kind, ref=ref, body=body)


def written(body: Object, live: Object | None = None, **policy: object) -> tuple[Violation, ...]:
    """What the guardrails say to writing the object."""
    return check_write(manifest(body), live, Policy(**policy))  # type: ignore[arg-type]  # as given


def ids(violations: tuple[Violation, ...]) -> set[str]:
    return {item.rule_id for item in violations}
