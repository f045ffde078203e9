"""Sets of fields in the form of `managedFields[].fieldsV1`; no merging, no conflicts.

A path is a tuple of elements as FieldsV1 writes them: `f:name` a field, `k:{...}` a keyed list
item, `v:...` a set member. Source: structured-merge-diff v6, `fieldpath` and `typed/compare.go`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dev.sandbox.resources import Obj
from dev.sandbox.schema import Type, parse

Path = tuple[str, ...]
Fields = frozenset[Path]

KEY_DEFAULTS = {"protocol": "TCP"}  # the only list keys with a default among the served kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How one object became another, field by field."""

    added: Fields
    modified: Fields
    removed: Fields


class MissingKeyError(Exception):
    """A keyed list item without its key."""


def item_element(item: Any, type_: Type) -> str:
    """The path element of a list item."""
    if type_.family == "set":
        return "v:" + _compact(item)
    keys = {}
    for key in type_.keys:
        value = item.get(key, KEY_DEFAULTS.get(key)) if isinstance(item, dict) else None
        if value is None:
            raise MissingKeyError(key)
        keys[key] = value
    return "k:" + _compact(keys)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def members(value: Any, type_: Type) -> Iterator[tuple[str, Any, Type]]:
    """The parts of a granular value: element, value and type of each."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"f:{key}", item, type_.child(key)
    elif isinstance(value, list):
        for item in value:
            yield item_element(item, type_), item, parse(type_.item)


def is_leaf(type_: Type) -> bool:
    """Whether server-side apply takes a value of this type as a whole."""
    return type_.atomic or type_.family == "scalar"


def of_config(value: Any, type_: Type, path: Path = ()) -> Iterator[Path]:
    """What an applied configuration claims."""
    for element, item, below in members(value, type_):
        here = (*path, element)
        named = type_.family == "struct"
        if is_leaf(below):
            yield here
            continue
        if not named or not item:
            yield here
        yield from of_config(item, below, here)


def compare(old: Any, new: Any, type_: Type) -> Comparison:
    found: dict[str, set[Path]] = {"added": set(), "modified": set(), "removed": set()}
    _compare(old, new, type_, (), found)
    return Comparison(
        added=frozenset(found["added"]),
        modified=frozenset(found["modified"]),
        removed=frozenset(found["removed"]),
    )


def _compare(old: Any, new: Any, type_: Type, path: Path, found: dict[str, set[Path]]) -> None:
    if is_leaf(type_):
        if old != new:
            found["modified"].add(path)
        return
    before = {e: (v, t) for e, v, t in members(old, type_)}
    after = {e: (v, t) for e, v, t in members(new, type_)}
    for element, (value, below) in after.items():
        if element in before:
            _compare(before[element][0], value, below, (*path, element), found)
        else:
            found["added"].update(_whole(value, below, (*path, element)))
    for element, (value, below) in before.items():
        if element not in after:
            found["removed"].update(_whole(value, below, (*path, element)))


def _whole(value: Any, type_: Type, path: Path) -> Iterator[Path]:
    """Every node of a value that came or went."""
    yield path
    if not is_leaf(type_):
        for element, item, below in members(value, type_):
            yield from _whole(item, below, (*path, element))


def encode(fields: Iterable[Path]) -> Obj:
    """FieldsV1: nested objects; `.` marks a node that is itself owned beside its parts."""
    root: Obj = {}
    for path in sorted(fields):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _tidy(root)


def _tidy(node: Obj) -> Obj:
    if set(node) == {"."}:
        return {}
    return {key: {} if key == "." else _tidy(child) for key, child in sorted(node.items())}


def decode(tree: Obj, path: Path = ()) -> Iterator[Path]:
    for key, child in tree.items():
        if key == ".":
            yield path
        elif child:
            yield from decode(child, (*path, key))
        else:
            yield (*path, key)


def told(path: Path) -> str:
    """A path as errors write it: `.spec.containers[name="web"].image`."""
    return "".join(_told(element) for element in path)


def _told(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return "." + rest
    if kind == "v":
        return f"[={rest}]"
    keys = json.loads(rest)
    return "[" + ",".join(f"{k}={_compact(v)}" for k, v in sorted(keys.items())) + "]"
