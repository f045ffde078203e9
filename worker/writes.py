"""How an intent is sent: as a dry-run when planning, with fresh preconditions when applying.

| intent | write | what stops a change in between |
|---|---|---|
| create | POST, never apply (apply would upsert) | 409 when the name is taken |
| apply | server-side apply | uid and resourceVersion in metadata |
| patch | JSON Patch | `test` on uid and resourceVersion |
| delete | DeleteOptions | preconditions uid and resourceVersion |

An apply is never forced against anybody else. Our own earlier creates and patches count as another
manager to the API server (operation `Update`), so a conflict with nobody but ourselves is retried
forced, against the very same resourceVersion. A create is adopted right after the POST, so that
leaving a field out of a later manifest removes it, as with kubectl.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shared.digests import object_digest
from shared.errors import ClusterFault, Conflict
from shared.json_patches import escaped
from shared.manifests import ALLOCATED, Kind, Object, mapping_at, mappings_at, normalized, text_at
from shared.plans import DIGEST_ANNOTATION, Intent, PlannedObject
from worker.cluster import FIELD_MANAGER, ApplyConflict, Cluster, Written

_ANNOTATION_POINTER = f"/metadata/annotations/{escaped(DIGEST_ANNOTATION)}"
RETRIES: Final = 2
"""Of a write that found a newer version without a change; enough for a busy status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the server made of a write; `result` is None after a delete."""

    result: Object | None
    warnings: tuple[str, ...] = ()


def send(
    cluster: Cluster,
    ref: tuple[str, str, str],
    intent: Intent,
    *,
    live: Object | None,
    digest: str | None,
    dry_run: bool,
) -> Sent:
    """Sends one intent for (kind, namespace, name) against the object as it was just read.

    `digest` is written as annotation with the change; None while planning, when none exists yet.

    Raises:
        ClusterFault: it was refused, or whether it happened is unknown.
    """
    kind, namespace, name = ref
    if intent.verb == "delete":
        return _delete(cluster, ref, intent, live=live, dry_run=dry_run)
    if intent.verb == "patch":
        operations = _operations(intent, live=live, digest=digest)
        written = cluster.patch(kind, namespace, name, operations, dry_run=dry_run)
    elif intent.verb == "create":
        body = _marked(_object(intent), digest)
        written = cluster.create(kind, namespace, body, dry_run=dry_run)
        if not dry_run:
            _adopt(cluster, ref, written.object)
    else:
        body = _pinned(_marked(_object(intent), digest), live)
        written = _apply(cluster, ref, body, dry_run=dry_run)
    return Sent(result=written.object, warnings=written.warnings)


def send_planned(
    cluster: Cluster,
    namespace: str,
    planned: PlannedObject,
    *,
    live: Object | None,
    digest: str | None,
    dry_run: bool,
) -> Sent:
    """Sends a planned object's intent; again, with the fresh version, if only that has moved on.

    Status writes move it all the time, most of all on workloads that are in trouble. A conflict is
    the server's word that nothing was written, so this repeats no write.

    Raises:
        ClusterFault: as `send`.
    """
    ref = (planned.kind, namespace, planned.name)
    for _ in range(RETRIES):
        try:
            return send(cluster, ref, planned.intent, live=live, digest=digest, dry_run=dry_run)
        except ApplyConflict:
            raise
        except Conflict:
            live = _only_moved_on(cluster, namespace, planned)
            if live is None:
                raise
    return send(cluster, ref, planned.intent, live=live, digest=digest, dry_run=dry_run)


def predicted(intent: Intent, result: Object) -> Object:
    """Returns the normal form of a dry-run's result, without what the server allocates anew."""
    quiet = normalized(result)
    spec = quiet.get("spec")
    if intent.verb != "create" or quiet.get("kind") != Kind.SERVICE or not isinstance(spec, dict):
        return quiet
    asked = mapping_at(_object(intent), "spec")
    kept = {key: value for key, value in spec.items() if key in asked or key not in ALLOCATED}
    return {**quiet, "spec": kept}


def carries(live: Object | None, digest: str) -> bool:
    """Says whether an object bears the mark of the plan with this digest."""
    return (
        live is not None
        and mapping_at(live, "metadata", "annotations").get(DIGEST_ANNOTATION) == digest
    )


def base_digest(live: Object | None) -> str | None:
    """Returns the digest of the normal form of a live object; None for none."""
    return None if live is None else object_digest(normalized(live))


def uid_of(live: Object | None) -> str | None:
    """Returns an object's uid; None for none."""
    return None if live is None else text_at(live, "metadata", "uid")


def read(cluster: Cluster, namespace: str, planned: PlannedObject) -> Object | None:
    """Returns the live object that a planned object is about.

    Raises:
        ClusterFault: the API server did not answer or refused.
    """
    return cluster.get(planned.kind, namespace, planned.name)


def _only_moved_on(cluster: Cluster, namespace: str, planned: PlannedObject) -> Object | None:
    """Returns the live object if it is still the one that was planned on."""
    try:
        live = read(cluster, namespace, planned)
    except ClusterFault:
        return None
    same = uid_of(live) == planned.uid and base_digest(live) == planned.base_digest
    return live if same else None


def _apply(cluster: Cluster, ref: tuple[str, str, str], body: Object, *, dry_run: bool) -> Written:
    kind, namespace, name = ref
    try:
        return cluster.apply(kind, namespace, name, body, dry_run=dry_run)
    except ApplyConflict as conflict:
        if {cause.manager for cause in conflict.causes} != {FIELD_MANAGER}:
            raise
        return cluster.apply(kind, namespace, name, body, dry_run=dry_run, force=True)


def _adopt(cluster: Cluster, ref: tuple[str, str, str], created: Object) -> None:
    """Turns our entry of a fresh object's managedFields into one of server-side apply.

    Bookkeeping only, so a failure is no failure of the write: fields that a later manifest leaves
    out then stay, which that plan's diff shows.
    """
    kind, namespace, name = ref
    for index, entry in mappings_at(created, "metadata", "managedFields"):
        if (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Update"):
            path = f"/metadata/managedFields/{index}"
            operations: list[Object] = [
                {"op": "test", "path": "/metadata/uid", "value": uid_of(created)},
                {"op": "test", "path": f"{path}/manager", "value": FIELD_MANAGER},
                {"op": "replace", "path": f"{path}/operation", "value": "Apply"},
            ]
            with suppress(ClusterFault):
                cluster.patch(kind, namespace, name, operations, dry_run=False)
            return


def _delete(
    cluster: Cluster,
    ref: tuple[str, str, str],
    intent: Intent,
    *,
    live: Object | None,
    dry_run: bool,
) -> Sent:
    kind, namespace, name = ref
    cluster.delete(
        kind,
        namespace,
        name,
        uid=text_at(live or {}, "metadata", "uid"),
        resource_version=text_at(live or {}, "metadata", "resourceVersion"),
        propagation=str(intent.body),
        dry_run=dry_run,
    )
    return Sent(result=None)


def _operations(intent: Intent, *, live: Object | None, digest: str | None) -> list[Object]:
    metadata = mapping_at(live or {}, "metadata")
    tests: list[Object] = [
        {"op": "test", "path": "/metadata/uid", "value": metadata.get("uid")},
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
    ]
    asked = [item for item in intent.body if isinstance(item, dict)]  # type: ignore[union-attr]  # a patch's body is a list, made in worker.intents
    if digest is None:
        return [*tests, *asked]
    mark: Object = {"op": "add", "path": _ANNOTATION_POINTER, "value": digest}
    if not metadata.get("annotations"):
        mark = {"op": "add", "path": "/metadata/annotations", "value": {DIGEST_ANNOTATION: digest}}
    return [*tests, *asked, mark]


def _object(intent: Intent) -> Object:
    if not isinstance(intent.body, dict):
        raise TypeError("the intent carries no object")
    return intent.body


def _marked(body: Object, digest: str | None) -> Object:
    if digest is None:
        return body
    metadata = dict(mapping_at(body, "metadata"))
    annotations = {**mapping_at(metadata, "annotations"), DIGEST_ANNOTATION: digest}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _pinned(body: Object, live: Object | None) -> Object:
    metadata = mapping_at(live or {}, "metadata")
    pins = {key: metadata[key] for key in ("uid", "resourceVersion")}
    return {**body, "metadata": {**mapping_at(body, "metadata"), **pins}}
