"""A cluster in memory for the verbs that change one: versions, preconditions, Leases, no network.

As little as `worker.cluster.Cluster` promises to applier and planner. Everything that takes effect
passes `effect`, where a test can look, fail, die, or let somebody else act first.
"""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, Final, TypeAlias

from shared.errors import AlreadyExists, Conflict, NotFound
from worker.cluster import ClusterIdentity, Listed, Written

Body: TypeAlias = dict[str, Any]
Effect: TypeAlias = Callable[[str], AbstractContextManager[None]]
"""Wraps one effect, named as `create ConfigMap/one`; a context that raises stands for a failure."""


IDENTITY: Final = ClusterIdentity(
    name="local",
    uid="cluster-1",
    uid_source="kube-system",
    ca_sha256="ca",
    version=(1, 36),
    server_strict=True,
    has_endpoint_slices=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealWrite:
    """One write that took effect, with the object as it was left (None: deleted)."""

    verb: str
    kind: str
    name: str
    result: Body | None


@dataclass
class ModelCluster:
    """Objects and Leases, and every real write in order."""

    clock: Callable[[], float]
    effect: Effect = lambda _: nullcontext()
    wrote: Callable[[RealWrite], None] = lambda _: None
    """Told of each write at the moment it takes effect."""
    objects: dict[tuple[str, str], Body] = field(default_factory=dict)
    leases: dict[str, Body] = field(default_factory=dict)
    writes: list[RealWrite] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)
    conflicts: list[Exception] = field(default_factory=list)
    """What the next applies that are not forced are answered with."""
    identity: ClusterIdentity = field(default_factory=lambda: IDENTITY)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def get(self, kind: str, namespace: str, name: str) -> Body | None:
        del namespace
        with self.effect(f"get {kind}/{name}"):
            return copy.deepcopy(self.objects.get((kind, name)))

    def list(self, kind: str, namespace: str, **_: object) -> Listed[Body]:
        del kind, namespace
        return Listed(items=(), total=0, truncated=False, resource_version="1")

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def create(self, kind: str, namespace: str, body: Body, *, dry_run: bool) -> Written:
        name = body["metadata"]["name"]

        def make(current: Body | None) -> Body:
            if current is not None:
                raise AlreadyExists(f"{name} exists", status=409)
            return _fresh(body, namespace, uid=f"u{next(self._numbers)}", operation="Update")

        return self._write("create", kind, name, make, dry_run=dry_run)

    def apply(
        self,
        kind: str,
        namespace: str,
        name: str,
        body: Body,
        *,
        dry_run: bool,
        force: bool = False,
    ) -> Written:
        def make(current: Body | None) -> Body:
            if self.conflicts and not force:
                raise self.conflicts.pop(0)
            if current is None:
                raise Conflict("uid mismatch: nothing is there", status=409)
            for key in ("uid", "resourceVersion"):
                if body["metadata"].get(key) != current["metadata"][key]:
                    raise Conflict(f"{key} differs", status=409)
            if force:
                self.forced.append(name)
            return {**current, **_merged(current, body), "metadata": _metadata(current, body)}

        del namespace
        return self._write("apply", kind, name, make, dry_run=dry_run)

    def patch(
        self, kind: str, namespace: str, name: str, operations: Sequence[Body], *, dry_run: bool
    ) -> Written:
        def make(current: Body | None) -> Body:
            if current is None:
                raise NotFound(f"{name} is not there", status=404)
            for operation in operations:
                _patched(current, operation)
            return current

        del namespace
        paths = [operation["path"] for operation in operations if operation["op"] != "test"]
        bookkeeping = all(path.startswith("/metadata/managedFields/") for path in paths)
        verb = "adopt" if bookkeeping else "patch"
        return self._write(verb, kind, name, make, dry_run=dry_run)

    def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str,
        propagation: str,
        dry_run: bool,
    ) -> None:
        del namespace
        with self.effect(f"{_dry(dry_run)}delete {kind}/{name}"):
            current = self.objects.get((kind, name))
            if current is None:
                raise NotFound(f"{name} is not there", status=404)
            found = current["metadata"]["uid"], current["metadata"]["resourceVersion"]
            if found != (uid, resource_version):
                raise Conflict("precondition failed", status=409)
            assert propagation == "Background"
            if not dry_run:
                del self.objects[kind, name]
                self._note(RealWrite(verb="delete", kind=kind, name=name, result=None))

    # ── claims ───────────────────────────────────────────────────────────────────────────────

    @property
    def plan_claims(self) -> dict[str, Body]:
        """The Leases of plans, without those of logins."""
        return {name: one for name, one in self.leases.items() if "login" not in name}

    def create_lease(self, name: str, *, holder: str, annotations: Mapping[str, str]) -> Body:
        with self.effect("create Lease"):
            if name in self.leases:
                raise AlreadyExists("taken", status=409)
            created = datetime.fromtimestamp(int(self.clock()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.leases[name] = {
                "metadata": {
                    "name": name,
                    "annotations": dict(annotations),
                    "creationTimestamp": created,
                },
                "spec": {"holderIdentity": holder},
            }
            return self.leases[name]

    def server_date(self) -> str:
        return formatdate(self.clock(), usegmt=True)

    def get_lease(self, name: str) -> Body | None:
        with self.effect("get Lease"):
            return copy.deepcopy(self.leases.get(name))

    def list_leases(self) -> tuple[Body, ...]:
        return tuple(copy.deepcopy(lease) for lease in self.leases.values())

    def delete_lease(self, name: str) -> None:
        self.leases.pop(name, None)

    # ── somebody else ────────────────────────────────────────────────────────────────────────

    def put(self, kind: str, name: str, **body: Any) -> Body:
        """Somebody else makes or changes an object, with no regard for versions."""
        old = self.objects.get((kind, name))
        made: Body = {"kind": kind, "metadata": {"name": name}, **body}
        uid = old["metadata"]["uid"] if old else f"u{next(self._numbers)}"
        fresh = _fresh(made, "demo", uid=uid, operation="Update", manager="kubectl")
        fresh["metadata"]["resourceVersion"] = str(next(self._numbers))
        self.objects[kind, name] = fresh
        return fresh

    def touch(self, kind: str, name: str) -> None:
        """The object's version moves on although nothing that counts was changed."""
        self.objects[kind, name]["metadata"]["resourceVersion"] = str(next(self._numbers))

    def remove(self, kind: str, name: str) -> None:
        """Somebody else deletes an object."""
        self.objects.pop((kind, name), None)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _write(
        self,
        verb: str,
        kind: str,
        name: str,
        make: Callable[[Body | None], Body],
        *,
        dry_run: bool,
    ) -> Written:
        with self.effect(f"{_dry(dry_run)}{verb} {kind}/{name}"):
            made = make(copy.deepcopy(self.objects.get((kind, name))))
            made["metadata"]["resourceVersion"] = str(next(self._numbers))
            if not dry_run:
                self.objects[kind, name] = copy.deepcopy(made)
                self._note(RealWrite(verb=verb, kind=kind, name=name, result=made))
            return Written(object=copy.deepcopy(made))

    def _note(self, write: RealWrite) -> None:
        self.writes.append(write)
        self.wrote(write)


def _dry(dry_run: bool) -> str:
    return "preview " if dry_run else ""


def _fresh(
    body: Body, namespace: str, *, uid: str, operation: str, manager: str = "infragate"
) -> Body:
    made = copy.deepcopy(body)
    entries = [
        {"manager": "kubelet", "operation": "Update"},
        {"manager": manager, "operation": operation},
    ]
    made["metadata"] |= {"namespace": namespace, "uid": uid, "managedFields": entries}
    return made


def _merged(current: Body, body: Body) -> Body:
    return {
        key: {**current.get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in copy.deepcopy(body).items()
        if key != "metadata"
    }


def _metadata(current: Body, body: Body) -> Body:
    """As given, with annotations added to those that are there."""
    annotations = {
        **current["metadata"].get("annotations", {}),
        **body["metadata"].get("annotations", {}),
    }
    merged = {**current["metadata"], **body["metadata"]}
    return {**merged, "annotations": annotations} if annotations else merged


def _patched(target: Body, operation: Body) -> None:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")]
    parent: Any = target
    for part in parts[1:-1]:
        parent = parent[int(part)] if isinstance(parent, list) else parent[part]
    last: Any = int(parts[-1]) if isinstance(parent, list) else parts[-1]
    if operation["op"] == "test":
        found = parent[last] if isinstance(parent, list) else parent.get(last)
        if found != operation["value"]:
            raise Conflict("The object is no longer what the patch expects.", status=422)
        return
    assert operation["op"] in {"add", "replace"}, operation
    parent[last] = copy.deepcopy(operation["value"])
