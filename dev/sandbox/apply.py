"""Server-side apply: merge, ownership, removal of dropped fields, conflicts; pure.

Source: structured-merge-diff v6 `merge/update.go`, Kubernetes page "Server-Side Apply".
"""

from typing import Any

from dev.sandbox import fieldsets, managers
from dev.sandbox.fieldsets import Fields, Path
from dev.sandbox.managers import UNOWNED, Manager, Owned, Owners
from dev.sandbox.resources import Obj, Resource
from dev.sandbox.schema import Type, of, parse
from dev.sandbox.status import ApiError, cause


def applied(live: Obj, config: Obj, resource: Resource, who: Manager) -> tuple[Obj, Fields]:
    """The live object with a configuration merged in and dropped fields gone, owners aside.

    Returns it with the set of fields that the configuration claims.
    """
    type_ = of(resource)
    claimed = frozenset(fieldsets.of_config(config, type_)) - UNOWNED
    before = managers.owners(live)
    last = before[who].fields if who in before else frozenset()
    merged = merge(managers.unmanaged(live), config, type_)
    others: set[Path] = set(claimed)
    for manager, owned in before.items():
        if manager != who:
            others |= owned.fields
    kept = {path[:n] for path in others for n in range(1, len(path) + 1)}
    return without(merged, type_, frozenset(last - kept)), claimed


def owned_after(
    live: Obj, new: Obj, resource: Resource, who: Manager, claimed: Fields, *, force: bool, now: str
) -> Owners:
    """Owners after an apply; raises the 409 that names managers and fields unless forced."""
    before = managers.owners(live)
    change = fieldsets.compare(managers.unmanaged(live), managers.unmanaged(new), of(resource))
    written = (change.modified | change.added) - UNOWNED
    others = {m: o for m, o in before.items() if m != who}
    clashes = {m: o.fields & written for m, o in others.items() if o.fields & written}
    if clashes and not force:
        raise conflicts(clashes)
    lost = written | change.removed
    after: Owners = {m: Owned(fields=o.fields - lost, time=o.time) for m, o in others.items()}
    same = who in before and before[who].fields == claimed
    after[who] = Owned(fields=claimed, time=before[who].time if same else now)
    return after


def conflicts(clashes: dict[Manager, Fields]) -> ApiError:
    """409 in the words of apimachinery `managedfields/internal/conflict.go`."""
    rows = [(m, fieldsets.told(p)) for m in clashes for p in sorted(clashes[m])]
    causes = [cause("FieldManagerConflict", f"conflict with {m.told}", p) for m, p in rows]
    if len(rows) == 1:
        text = f"Apply failed with 1 conflict: conflict with {rows[0][0].told}: {rows[0][1]}"
    else:
        lines: list[str] = []
        for name in sorted({m.told for m, _ in rows}):
            lines.append(f"conflicts with {name}:")
            lines += [f"- {path}" for m, path in rows if m.told == name]
        text = f"Apply failed with {len(rows)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", text, details={"causes": causes})


def merge(live: Any, config: Any, type_: Type) -> Any:
    """Configuration over live: maps and keyed lists by part, all else replaced."""
    if fieldsets.is_leaf(type_) or live is None or type(live) is not type(config):
        return _clean(config)
    if isinstance(config, dict):
        parts = {k: merge(live.get(k), v, type_.child(k)) for k, v in config.items()}
        return {**live, **{k: v for k, v in parts.items() if v is not None}}
    return _merge_list(live, config, type_)


def _merge_list(live: list[Any], config: list[Any], type_: Type) -> list[Any]:
    """Live items keep their place; the order among configured items is the configuration's."""
    item_type = parse(type_.item)
    old = {fieldsets.item_element(item, type_): item for item in live}
    new = {fieldsets.item_element(item, type_): item for item in config}
    waiting = list(old)
    merged: list[Any] = []
    for element, item in new.items():
        if element in waiting:
            cut = waiting.index(element)
            merged += [old[e] for e in waiting[:cut] if e not in new]
            waiting = waiting[cut + 1 :]
        merged.append(merge(old.get(element), item, item_type))
    return merged + [old[e] for e in waiting if e not in new]


def _clean(value: Any) -> Any:
    """Nulls in a configuration say nothing."""
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if v is not None}
    return value


def without(value: Any, type_: Type, gone: Fields, path: Path = ()) -> Any:
    """A copy without the parts whose paths are in `gone`."""
    if not gone or fieldsets.is_leaf(type_):
        return value
    kept: list[tuple[str, Any]] = []
    for element, item, below in fieldsets.members(value, type_):
        here = (*path, element)
        if here not in gone:
            kept.append((element, without(item, below, gone, here)))
    if isinstance(value, dict):
        return {element[2:]: item for element, item in kept}
    return [item for _, item in kept] if isinstance(value, list) else value
