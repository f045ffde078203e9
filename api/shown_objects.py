"""What the plan page shows of one object: its changed paths, before and after, the exact write."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from api.changed_lines import ShownChange, before_and_after, change
from api.outline import outline
from shared.diffs import patched
from shared.manifests import JSON
from shared.plans import Action, PlannedChange, PlannedObject

MAX_PATHS: Final = 40
"""In the list; all of them are in the outline below it."""
MAX_VALUE: Final = 60

_ACTIONS: Final[dict[Action, str]] = {
    Action.CREATE: "create",
    Action.UPDATE: "change",
    Action.DELETE: "delete",
    Action.NO_OP: "no change",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPath:
    """A changed path with its values in short; None where there is none."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownObject:
    """One object of a plan."""

    kind: str
    name: str
    api_version: str
    action: str
    effect: str
    uid: str | None
    paths: tuple[ShownPath, ...]
    more_paths: int
    """How many are not in `paths`."""
    changes: tuple[ShownChange, ...]
    """The whole object before and after; path by path where the plan does not hold it."""
    added: int
    removed: int
    """Lines."""
    verb: str
    write: tuple[str, ...]
    """The exact request body, line by line."""


def shown_object(planned: PlannedObject, *, open_all: bool) -> ShownObject:
    """Returns one object of a plan; `open_all` folds nothing."""
    changes = _changes(planned, open_all=open_all)
    signs = [line.sign for one in changes for block in one.blocks for line in block.lines]
    paths = [one for one in planned.changes if one.path]
    return ShownObject(
        kind=planned.kind,
        name=planned.name,
        api_version=planned.api_version,
        action=planned.action.value,
        effect=_ACTIONS[planned.action],
        uid=planned.uid,
        paths=tuple(_path(one) for one in paths[:MAX_PATHS]),
        more_paths=max(0, len(paths) - MAX_PATHS),
        changes=changes,
        added=signs.count("+"),
        removed=signs.count("-"),
        verb=planned.intent.verb,
        write=tuple(outline(planned.intent.body)),
    )


def _changes(planned: PlannedObject, *, open_all: bool) -> tuple[ShownChange, ...]:
    after = _after(planned)
    if planned.before is not None and after is not None:
        return (before_and_after(planned.before, after, open_all=open_all),)
    return tuple(change(one, open_all=open_all) for one in planned.changes)


def _after(planned: PlannedObject) -> JSON:
    """The object as it will be; the planner has compared it with what the API server predicted."""
    if planned.before is None:
        return None
    return patched(planned.before, planned.changes)


def _path(one: PlannedChange) -> ShownPath:
    return ShownPath(
        path=one.path,
        old=None if one.op == "add" else _in_short(one.old),
        new=None if one.op == "remove" else _in_short(one.new),
    )


def _in_short(value: JSON) -> str:
    if isinstance(value, dict | list) and value:
        return _counted(len(value), "field" if isinstance(value, dict) else "item")
    if isinstance(value, str) and "\n" in value:
        return _counted(len(value.splitlines()), "line")
    return _cut(outline(value))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _cut(lines: Iterator[str]) -> str:
    text = next(lines)
    return (
        text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}… ({len(text):,} characters)"
    )
