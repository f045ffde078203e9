"""From what was asked to the exact write, object by object; pure, no cluster.

The intent is what the approval covers. The applier adds only what cannot be known before: fresh
preconditions and the annotation that carries the plan's own digest (`worker.writes`).
"""

from dataclasses import dataclass

from shared.documents import (
    Manifest,
)
from shared.errors import Refusal
from shared.json_patches import escaped
from shared.manifests import (
    RESTARTED_AT_ANNOTATION,
    Kind,
    Object,
    ObjectRef,
    list_at,
    mapping_at,
)
from shared.plans import Intent

PROPAGATION = "Background"
"""Pods and ReplicaSets go with their Deployment; the API server answers at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A write that was made for an object as it was just read."""

    live: Object | None
    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One object that the plan is about, with the manifest where one was given."""

    ref: ObjectRef
    kind: Kind
    manifest: Manifest | None = None
    given: Given | None = None
    """The write itself, where it is not made from what was asked."""

    @classmethod
    def of(cls, manifest: Manifest) -> "Wanted":
        """Returns the object that a document names."""
        return cls(ref=manifest.ref, kind=manifest.kind, manifest=manifest)

    @classmethod
    def deployment(cls, namespace: str, name: str) -> "Wanted":
        """Returns a Deployment by name."""
        return cls(
            ref=ObjectRef.of(Kind.DEPLOYMENT, namespace, name), kind=Kind.DEPLOYMENT, manifest=None
        )


def of_manifest(manifest: Manifest, live: Object | None) -> Intent:
    """Returns a create for an absent object, else a server-side apply."""
    return Intent(verb="create" if live is None else "apply", body=manifest.body)


def of_delete(wanted: Wanted, live: Object | None) -> Intent | Refusal:
    """Returns a delete, or that there is nothing to delete."""
    return missing(wanted.ref) if live is None else deletion()


def deletion() -> Intent:
    """Returns the delete of an object that is there."""
    return Intent(verb="delete", body=PROPAGATION)


def of_scale(replicas: int) -> Intent:
    """Returns the patch of the replica count."""
    return of_operations([{"op": "replace", "path": "/spec/replicas", "value": replicas}])


def of_restart(live: Object, *, at: str) -> Intent:
    """Returns the patch that rolls a Deployment, with the timestamp `at` (RFC 3339) fixed.

    The annotation is kubectl's, so that `kubectl rollout history` reads the same.
    """
    annotations = mapping_at(live, "spec", "template", "metadata").get("annotations")
    path = "/spec/template/metadata/annotations"
    if annotations:
        key = f"{path}/{escaped(RESTARTED_AT_ANNOTATION)}"
        return of_operations([{"op": "add", "path": key, "value": at}])
    return of_operations([{"op": "add", "path": path, "value": {RESTARTED_AT_ANNOTATION: at}}])


def of_image(live: Object, *, container: str, image: str) -> Intent | Refusal:
    """Returns the patch of one container's image, or that there is no such container."""
    names = [
        item.get("name") if isinstance(item, dict) else None
        for item in list_at(live, "spec", "template", "spec", "containers")
    ]
    if container not in names:
        known = ", ".join(str(name) for name in names)
        return Refusal(
            code="unknown_container",
            message=f"The Deployment has no container '{container}'. Containers: {known}.",
        )
    path = f"/spec/template/spec/containers/{names.index(container)}"
    return of_operations(
        [
            {"op": "test", "path": f"{path}/name", "value": container},
            {"op": "replace", "path": f"{path}/image", "value": image},
        ]
    )


def missing(ref: ObjectRef) -> Refusal:
    """Returns the refusal for an object that must exist and does not."""
    return Refusal(
        code="not_found",
        message=f"{ref.kind} '{ref.name}' does not exist in namespace '{ref.namespace}'. "
        "See get_k8s_status for what does.",
    )


def of_operations(operations: list[Object]) -> Intent:
    """Returns the patch of these RFC 6902 operations."""
    return Intent(verb="patch", body=[*operations])
