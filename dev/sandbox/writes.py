"""The writes that a request can ask for: create, update, four kinds of patch, scale, delete.

Turns bodies and options into calls of `dev.sandbox.cluster`; knows nothing of sockets.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dev.sandbox import apply, bodies, managers, schema
from dev.sandbox.cluster import Cluster
from dev.sandbox.fieldsets import MissingKeyError
from dev.sandbox.garbage import Garbage
from dev.sandbox.managers import Manager, Owned
from dev.sandbox.resources import LEASES, Obj, Resource
from dev.sandbox.schema import Decoded
from dev.sandbox.status import (
    ApiError,
    bad_request,
    cause,
    conflict,
    invalid,
    success,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Create, update and patch options; `validation` is Strict, Warn or Ignore."""

    manager: str
    manager_given: bool = False
    dry_run: bool = False
    force: bool | None = None
    validation: str = "Warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: HTTP status, body, warnings for the Warning header."""

    code: int
    body: Obj
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Delete options; `grace` in seconds, None for the Pod's own."""

    dry_run: bool = False
    policy: str = "Background"
    grace: int | None = None
    preconditions: Obj = field(default_factory=dict)


def removal(body: bytes, query: Mapping[str, list[str]]) -> Removal:
    """Options of the body or, only when there is none, of the query.

    The real server does not look at the query of a delete that has a body: `?dryRun=All` beside
    a body deletes. Whoever gets this wrong shall find out here.
    """
    given: Obj = json.loads(body) if body else {}
    if not body:
        given = {k: v[0] for k, v in query.items() if v} | {"dryRun": query.get("dryRun") or []}
    policy, dry_run = given.get("propagationPolicy") or "Background", given.get("dryRun") or []
    if policy not in ("Background", "Foreground", "Orphan"):
        allowed = '"Foreground", "Background", "Orphan", "nil"'
        text = f'Unsupported value: "{policy}": supported values: {allowed}'
        raise bad_options("DeleteOptions", "FieldValueNotSupported", text, "propagationPolicy")
    if dry_run not in ([], ["All"]):
        raise bad_dry_run("DeleteOptions", dry_run)
    grace = given.get("gracePeriodSeconds")
    return Removal(
        dry_run=bool(dry_run),
        policy=policy,
        grace=None if grace is None else int(grace),
        preconditions=given.get("preconditions") or {},
    )


class Writes:
    """Answers write requests that were authorized."""

    def __init__(self, cluster: Cluster, garbage: Garbage) -> None:
        self._cluster = cluster
        self._garbage = garbage

    def create(self, resource: Resource, namespace: str, body: bytes, options: Options) -> Answer:
        decoded = self._decode(resource, body, options)
        made = self._cluster.create(
            resource, decoded.obj, namespace, options.manager, dry_run=options.dry_run
        )
        return Answer(code=201, body=made, warnings=self._warnings(decoded, made, options))

    def update(
        self, resource: Resource, namespace: str, name: str, body: bytes, options: Options
    ) -> Answer:
        decoded = self._decode(resource, body, options)
        live = self._cluster.get(resource, namespace, name)
        metadata = decoded.obj.setdefault("metadata", {})
        uid = metadata.get("uid")
        if uid and uid != live["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
            raise conflict(resource, name, why + live["metadata"]["uid"])
        if resource is LEASES and not metadata.get("resourceVersion"):
            text = "Invalid value: 0x0: must be specified for an update"
            causes = [cause("FieldValueInvalid", text, "metadata.resourceVersion")]
            raise invalid(resource.group, resource.plural, name, causes)
        who = self._cluster.writer(resource, options.manager)
        new = self._cluster.update(resource, live, decoded.obj, who, dry_run=options.dry_run)
        return Answer(code=200, body=new, warnings=self._warnings(decoded, new, options))

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        content_type: str,
        options: Options,
    ) -> Answer:
        if content_type == bodies.APPLY:
            return self._apply(resource, namespace, name, body, options)
        if options.force is not None:
            text = "Forbidden: may not be specified for non-apply patch"
            raise bad_options("PatchOptions", "FieldValueForbidden", text, "force")
        live = self._cluster.get(resource, namespace, name)
        patched = bodies.patched(live, body, content_type, resource)
        decoded = self._decode_patched(resource, patched, options)
        who = self._cluster.writer(resource, options.manager)
        new = self._cluster.update(resource, live, decoded.obj, who, dry_run=options.dry_run)
        return Answer(code=200, body=new, warnings=self._warnings(decoded, new, options))

    def _decode_patched(self, resource: Resource, patched: Any, options: Options) -> Decoded:
        """A patch that leads to something unreadable is 422, not 400."""
        try:
            decoded = schema.decode(patched, resource, duplicates=[])
            self._complain(resource, decoded, options)
        except ApiError as error:
            why = error.status["message"].partition(": ")[2]
            text = f"Invalid value: {json.dumps(json.dumps(patched))}: {why}"
            raise invalid("", "", "", [cause("FieldValueInvalid", text, "patch")]) from error
        return decoded

    def _apply(
        self, resource: Resource, namespace: str, name: str, body: bytes, options: Options
    ) -> Answer:
        if not options.manager_given:
            text = "Required value: is required for apply patch"
            raise bad_options("PatchOptions", "FieldValueRequired", text, "fieldManager")
        config, duplicates = self._configuration(resource, namespace, name, body)
        who = Manager(name=options.manager, operation="Apply", api_version=resource.api_version)
        live = self._cluster.store.get(resource.key, namespace, name)
        warnings = tuple(f'duplicate field "{d}"' for d in duplicates)
        if warnings and options.validation == "Strict":
            raise bad_request(f"error strict decoding YAML: {warnings[0]}")
        try:
            if live is None:
                made = self._apply_new(resource, namespace, config, who, options)
                return Answer(code=201, body=made, warnings=warnings)
            new = self._apply_over(resource, live, config, who, options)
        except MissingKeyError as error:
            raise _untyped(
                resource,
                namespace,
                name,
                f'associative list with keys has an element that omits key field "{error}"',
                modern=self._cluster.modern,
            ) from error
        return Answer(code=200, body=new, warnings=warnings)

    def _configuration(
        self, resource: Resource, namespace: str, name: str, body: bytes
    ) -> tuple[Obj, list[str]]:
        """The applied document, checked against the schema."""
        raw, duplicates = bodies.yaml_or_json(body)
        if not isinstance(raw, dict):
            raise bad_request("error decoding YAML: not an object")
        if raw.get("kind") != resource.kind or raw.get("apiVersion") != resource.api_version:
            given = f"{raw.get('apiVersion')}, Kind={raw.get('kind')}"
            raise bad_request(f"invalid object type: /{given}")
        if (raw.get("metadata") or {}).get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        unknown = [
            f".{path}: field not declared in schema"
            for path in schema.unknown_fields(raw, schema.of(resource))
        ]
        if unknown:
            text = unknown[0] if len(unknown) == 1 else "errors:\n  " + "\n  ".join(unknown)
            raise _untyped(resource, namespace, name, text, modern=self._cluster.modern)
        schema.check_types(raw, schema.of(resource), resource.kind)
        config: Obj = schema.without_unknown(raw, schema.of(resource))
        config.pop("status", None)
        config.setdefault("metadata", {}).setdefault("name", name)
        return config, duplicates

    def _apply_new(
        self, resource: Resource, namespace: str, config: Obj, who: Manager, options: Options
    ) -> Obj:
        name, uid = config["metadata"]["name"], config["metadata"].get("uid")
        if uid:
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object"
            raise conflict(resource, name, why + " was found")
        blank: Obj = {"metadata": {}}
        _, claimed = apply.applied(blank, config, resource, who)
        config["metadata"].pop("resourceVersion", None)
        new = self._cluster.prepared(resource, config, namespace)
        owned = {who: Owned(fields=claimed, time=self._cluster.now())}
        new = managers.with_owners(new, owned)
        return self._cluster.commit_new(resource, new, dry_run=options.dry_run)

    def _apply_over(
        self, resource: Resource, live: Obj, config: Obj, who: Manager, options: Options
    ) -> Obj:
        now = self._cluster.now()
        merged, claimed = apply.applied(live, config, resource, who)
        owned = apply.owned_after(
            live, merged, resource, who, claimed, force=bool(options.force), now=now
        )
        ready = self._cluster.readied(resource, live, merged)
        new = managers.with_owners(ready, owned)
        return self._cluster.commit(resource, live, new, dry_run=options.dry_run)

    def delete(self, resource: Resource, namespace: str, name: str, wish: Removal) -> Answer:
        live = self._cluster.get(resource, namespace, name)
        self._cluster.check_preconditions(resource, live, wish.preconditions)
        uid = live["metadata"]["uid"]
        if wish.dry_run:
            return Answer(code=200, body=success(resource, name, uid))
        marked, gone = self._garbage.delete(resource.key, live, wish.policy, grace=wish.grace)
        return Answer(code=200, body=success(resource, name, uid) if gone else marked)

    def _decode(self, resource: Resource, body: bytes, options: Options) -> Decoded:
        raw, duplicates = bodies.object_of(body, resource)
        given = (raw.get("apiVersion"), raw.get("kind")) if isinstance(raw, dict) else ("", "")
        if given[1] and given != (resource.api_version, resource.kind):
            version = (given[0] or "").rpartition("/")[2]
            group = resource.group.partition(".")[0] or "core"
            raise bad_request(
                f'{given[1]} in version "{version}" cannot be handled as a {resource.kind}:'
                f" converting ({version}.{given[1]}) to ({group}.{resource.kind}): unknown"
                " conversion"
            )
        decoded = schema.decode(raw, resource, duplicates=duplicates)
        self._complain(resource, decoded, options)
        return decoded

    def _complain(self, resource: Resource, decoded: Decoded, options: Options) -> None:
        if decoded.complaints and self._cluster.modern and options.validation == "Strict":
            told = ", ".join(decoded.complaints)
            raise schema.cannot_handle(resource.kind, f"strict decoding error: {told}")

    def _warnings(self, decoded: Decoded, made: Obj, options: Options) -> tuple[str, ...]:
        if not self._cluster.modern:
            return ()
        unknown = decoded.complaints if options.validation == "Warn" else ()
        return (*unknown, *bodies.deprecations(made))


def bad_options(kind: str, reason: str, text: str, field: str) -> ApiError:
    return invalid("meta.k8s.io", kind, "", [cause(reason, text, field)])


def bad_dry_run(kind: str, values: list[str]) -> ApiError:
    told = ", ".join(f'"{value}"' for value in values)
    text = f'Unsupported value: []string{{{told}}}: supported values: "All"'
    return bad_options(kind, "FieldValueNotSupported", text, "dryRun")


def _untyped(resource: Resource, namespace: str, name: str, why: str, *, modern: bool) -> ApiError:
    which = f" ({namespace}/{name}; {resource.api_version}, Kind={resource.kind})" if modern else ""
    return ApiError(500, "", f"failed to create typed patch object{which}: {why}")
