"""Field managers: `metadata.managedFields` read, written and kept up to date after every write.

Does not merge objects (see `dev.sandbox.apply`). Source: apimachinery `pkg/util/managedfields`.
"""

from dataclasses import dataclass

from dev.sandbox import fieldsets
from dev.sandbox.fieldsets import Fields, Path
from dev.sandbox.resources import Obj, Resource
from dev.sandbox.schema import of

# Never owned by anyone: identity, and what only the server writes.
UNOWNED: frozenset[Path] = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:status",), ("f:spec",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "selfLink",
            "generation",
            "managedFields",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        )
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who wrote: name, Apply or Update, and through which subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    @property
    def told(self) -> str:
        """As conflicts name it."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == "Apply" else f"{text} using {self.api_version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What one manager owns, and since when (RFC 3339)."""

    fields: Fields
    time: str


Owners = dict[Manager, Owned]


def owners(obj: Obj) -> Owners:
    entries = obj.get("metadata", {}).get("managedFields", [])
    return {
        Manager(
            name=entry.get("manager", ""),
            operation=entry.get("operation", ""),
            api_version=entry.get("apiVersion", ""),
            subresource=entry.get("subresource", ""),
        ): Owned(fields=frozenset(fieldsets.decode(entry["fieldsV1"])), time=entry["time"])
        for entry in entries
    }


def with_owners(obj: Obj, owned: Owners) -> Obj:
    """The object with these owners; appliers first, then by time, as the server sorts them."""
    order = sorted(owned, key=lambda m: (m.operation, owned[m].time, m.name, m.subresource))
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    entries = [_entry(manager, owned[manager]) for manager in order if owned[manager].fields]
    if entries:
        metadata["managedFields"] = entries
    return {**obj, "metadata": metadata}


def _entry(manager: Manager, owned: Owned) -> Obj:
    return {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": owned.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldsets.encode(owned.fields),
        **({"subresource": manager.subresource} if manager.subresource else {}),
    }


def after_update(live: Obj | None, new: Obj, resource: Resource, who: Manager, now: str) -> Obj:
    """The new object with its writer owning what it added or changed.

    A writer may edit managedFields directly, as kubectl does when it moves to server-side apply.
    """
    before = owners(new) or (owners(live) if live else {})
    change = fieldsets.compare(unmanaged(live or blank(resource)), unmanaged(new), of(resource))
    written = (change.modified | change.added) - UNOWNED
    lost = written | change.removed
    after = {m: _less(o, lost) for m, o in before.items() if m != who}
    mine = before.get(who, Owned(fields=frozenset(), time=now))
    fields = (mine.fields - change.removed) | written
    after[who] = Owned(fields=fields, time=mine.time if fields == mine.fields else now)
    return with_owners(new, after)


def _less(owned: Owned, lost: Fields) -> Owned:
    return Owned(fields=owned.fields - lost, time=owned.time)


def unmanaged(obj: Obj) -> Obj:
    metadata = {k: v for k, v in obj.get("metadata", {}).items() if k != "managedFields"}
    return {**obj, "metadata": metadata}


def blank(resource: Resource) -> Obj:
    """A new object as Go makes it: the parts that are no pointers are there from the start."""
    pod = {"metadata": {}, "spec": {"containers": None}}
    blanks: dict[str, Obj] = {
        "Deployment": {"spec": {"template": pod, "strategy": {}}},
        "ReplicaSet": {"spec": {"template": pod}},
        "Pod": {"spec": pod["spec"]},
        "Service": {"status": {"loadBalancer": {}}},
    }
    return {"metadata": {}, "spec": {}, "status": {}, **blanks.get(resource.kind, {})}
