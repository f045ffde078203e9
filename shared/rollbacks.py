"""What undoes a plan: for each of its objects the state to go back to, as the cluster is now. Pure.

A rollback never believes that a plan was applied: it looks. Where an object has what the plan made
of it, its earlier values are wanted back; where it has something else, somebody else was there
since, and nothing is undone over their heads. Values that the plan did not change stay as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shared.diffs import Change, Op, diff, item_names, patched, same
from shared.digests import object_digest
from shared.errors import Refusal
from shared.manifests import (
    ALLOCATED,
    JSON,
    Kind,
    Object,
    mapping_at,
    normalized,
    text_at,
)
from shared.plans import DIGEST_ANNOTATION, Action, Plan, PlannedChange, PlannedObject, State

WRITTEN: Final = frozenset({State.APPLIED, State.FAILED, State.OUTCOME_UNKNOWN})
"""States of plans that may have written something."""

_ORDER: Final = "[*]"
_MAX_NAMED: Final = 5
_INVERSE: Final[dict[Op, Op]] = {"add": "remove", "remove": "add", "change": "change"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """One object on its way back."""

    kind: Kind
    name: str
    live: Object | None
    """As it is now; None where the plan deleted it."""
    target: Object | None
    """Normal form of what it was before the plan; None where the plan created it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """An object that is no longer what the plan made of it, and how it is not."""

    why: str


def ways_back(plan: Plan, digest: str, live: Iterable[Object | None]) -> tuple[Back, ...] | Refusal:
    """Return what undoes the plan with this digest, or why nothing does.

    `live` are the plan's objects as they are now, in the plan's order. An object that the plan did
    not change, or that is back already, is in no `Back`.
    """
    ways: list[Back] = []
    overtaken: list[str] = []
    for planned, current in zip(plan.objects, live, strict=True):
        way = _way_back(planned, digest, current)
        if isinstance(way, Overtaken):
            overtaken.append(f"{planned.kind}/{planned.name}: {way.why}")
        elif way is not None:
            ways.append(way)
    if overtaken:
        return Refusal(
            code="rollback_overtaken",
            message="Somebody changed what the plan had written, so undoing it would undo their "
            f"work, too. {'; '.join(overtaken)}.",
        )
    if not ways:
        return Refusal(
            code="rollback_nothing",
            message="Nothing that this plan changed is in the cluster any more.",
        )
    return tuple(ways)


def _way_back(planned: PlannedObject, digest: str, live: Object | None) -> Back | Overtaken | None:
    if planned.action is Action.NO_OP:
        return None
    if planned.action is Action.CREATE:
        target: Object | Overtaken | None = _uncreated(planned, digest, live)
    elif planned.action is Action.DELETE:
        target = _undeleted(planned, live)
    else:
        target = _unchanged(planned, live)
    if isinstance(target, Overtaken):
        return target
    if target is None and (live is None or planned.action is not Action.CREATE):
        return None
    return Back(kind=Kind(planned.kind), name=planned.name, live=live, target=target)


def _uncreated(planned: PlannedObject, digest: str, live: Object | None) -> Overtaken | None:
    """Whether a created object is still that one; what it goes back to is nothing."""
    if live is None:
        return None
    if mapping_at(live, "metadata", "annotations").get(DIGEST_ANNOTATION) != digest:
        return Overtaken(why="it is not the one that the plan created, or was changed since")
    (made,) = planned.changes or (PlannedChange(path="", op="add"),)
    changed = [
        change.path
        for change in diff(made.new if isinstance(made.new, dict) else {}, normalized(live))
        if planned.kind != Kind.SERVICE or change.path not in {f"spec.{one}" for one in ALLOCATED}
    ]
    return Overtaken(why=_named(changed)) if changed else None


def _undeleted(planned: PlannedObject, live: Object | None) -> Object | Overtaken | None:
    if live is not None:
        gone = text_at(live, "metadata", "uid") != planned.uid
        return Overtaken(why="it was created anew") if gone else None
    (made,) = planned.changes or (PlannedChange(path="", op="remove"),)
    return _unallocated(made.old) if isinstance(made.old, dict) else None


def _unallocated(body: Object) -> Object:
    """A deleted object as one would ask for it: a Service gets new addresses."""
    spec = body.get("spec")
    if body.get("kind") != Kind.SERVICE or not isinstance(spec, dict):
        return body
    headless = spec.get("clusterIP") == "None"
    kept = {key: value for key, value in spec.items() if key not in ALLOCATED}
    return {**body, "spec": {**kept, "clusterIP": "None"} if headless else kept}


def _unchanged(planned: PlannedObject, live: Object | None) -> Object | Overtaken | None:
    if live is None:
        return Overtaken(why="it was deleted")
    if text_at(live, "metadata", "uid") != planned.uid:
        return Overtaken(why="it was deleted and created anew")
    now = normalized(live)
    if object_digest(now) == planned.base_digest:
        return None
    wanted = tuple(_inverse(one) for one in planned.changes if not one.path.endswith(_ORDER))
    if not _fits(now, wanted):
        misfits = [one.path for one in wanted if not _fits(now, (one,))]
        return Overtaken(why=_named(misfits or [one.path for one in wanted]))
    before = patched(now, wanted) or {}
    reordered = any(one.path.endswith("]") for one in planned.changes)  # items came, went or moved
    ordered = _in_order_of(before, planned.before, "") if reordered else before
    return ordered if isinstance(ordered, dict) and not same(ordered, now) else None


def _inverse(change: PlannedChange) -> Change:
    return Change(path=change.path, op=_INVERSE[change.op], old=change.new, new=change.old)


def _fits(now: Object, wanted: tuple[Change, ...]) -> bool:
    """Whether these changes, and no others, lead somewhere from here: each old value is there."""
    then = patched(now, wanted)
    if then is None:
        return False
    found = {change.path: change for change in diff(now, then)}
    return found.keys() == {one.path for one in wanted} and all(
        found[one.path].op == one.op and same(found[one.path].old, one.old) for one in wanted
    )


def _in_order_of(value: JSON, before: JSON, field: str) -> JSON:
    """The value with named items in their earlier order, where the names are the same as then.

    Environment variables refer to earlier ones, so their order can mean something.
    """
    if isinstance(value, dict) and isinstance(before, dict):
        return {key: _in_order_of(item, before.get(key), key) for key, item in value.items()}
    if not isinstance(value, list) or not isinstance(before, list):
        return value
    names = item_names(value, before, field)
    if names is None or set(names[0]) != set(names[1]):
        return value
    items = dict(zip(names[0], value, strict=True))
    return [
        _in_order_of(items[name], then, "") for name, then in zip(names[1], before, strict=True)
    ]


def _named(paths: list[str]) -> str:
    more = len(paths) - _MAX_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"{', '.join(paths[:_MAX_NAMED])}{rest} changed since"
