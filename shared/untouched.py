"""What a plan keeps of an object's fields that it leaves alone: their values are not copied. Pure.

A plan lies in Redis, in evidence files and on pages. What it changes must be there to be judged;
an environment value or a password among arguments that it does not touch must not.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.diff_telling import is_hidden
from shared.manifests import JSON, Kind, Object, Path

NOT_COPIED: Final = "(unchanged, not in the plan)"
"""Stands for such a value."""

_MISSING: Final = object()


def without_untouched(before: Object, after: Object, kind: Kind) -> Object:
    """Return `before` without the values that could be secrets and are the same in `after`.

    Those are the values that no agent is shown, and commands with their arguments. `before` and
    `after` are normal forms of one object of this kind.
    """
    return {
        key: _kept(value, after.get(key, _MISSING), kind, (key,)) for key, value in before.items()
    }


def _kept(before: JSON, after: object, kind: Kind, path: Path) -> JSON:
    if after is _MISSING:
        return before
    if before == after:
        return _blanked(before, kind, path)
    if isinstance(before, dict) and isinstance(after, Mapping):
        return {
            key: _kept(value, after.get(key, _MISSING), kind, (*path, key))
            for key, value in before.items()
        }
    if isinstance(before, list) and isinstance(after, Sequence) and not isinstance(after, str):
        return [
            _kept(item, _partner(item, index, after), kind, (*path, index))
            for index, item in enumerate(before)
        ]
    return before


def _partner(item: JSON, index: int, after: Sequence[JSON]) -> object:
    """The item of `after` that is this one: by name where it has one, else in the same place."""
    if isinstance(item, dict) and "name" in item:
        named = (one for one in after if isinstance(one, dict) and one.get("name") == item["name"])
        return next(named, _MISSING)
    return after[index] if index < len(after) else _MISSING


def _blanked(value: JSON, kind: Kind, path: Path) -> JSON:
    if isinstance(value, dict):
        return {key: _blanked(item, kind, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_blanked(item, kind, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, str) and (is_hidden(path, kind) or _is_command(path)):
        return NOT_COPIED
    return value


def _is_command(path: Path) -> bool:
    return any(step in {"args", "command"} for step in path[:-1])
