"""What differs between two states of an object: paths with old and new values.

How a difference is told is not decided here. Diffs are made of normalized objects
(`shared.manifests.normalized`): what changes by itself is no difference.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from shared.manifests import JSON, Object, Path, quoted

Op = Literal["add", "remove", "change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `old` is None for an addition, `new` is None for a removal.

    `path` reads `spec.template.spec.containers[nginx].image`; a key that is not a plain word is
    quoted, as in `metadata.labels["app.kubernetes.io/name"]`. `path` is empty when the whole object
    appears or disappears, and ends in `[*]` when only the order of a list's named items changes
    (the values are then the names).
    """

    path: str
    op: Op
    old: JSON
    new: JSON


_MERGE_KEYS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "conditions": (("type",),),
    "containers": (("name",),),
    "env": (("name",),),
    "ephemeralContainers": (("name",),),
    "hostAliases": (("ip",),),
    "imagePullSecrets": (("name",),),
    "initContainers": (("name",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "volumeDevices": (("devicePath",),),
    "volumeMounts": (("mountPath",),),
    "volumes": (("name",),),
}
"""What tells the items of a list apart, as server-side apply does. Source: the OpenAPI document's
`x-kubernetes-list-map-keys` and patch merge keys; the first that fits all items is used."""

_DEFAULTS: Final = {"protocol": "TCP"}
_PLAIN_NAME: Final = re.compile(r"[A-Za-z/][-A-Za-z0-9_./]*|[0-9]+/[A-Z]+")
_PLAIN_FIELD: Final = re.compile(r"[A-Za-z_][-A-Za-z0-9_]*")
_ANY: Final = "*"
_ORDER: Final = f"[{_ANY}]"
_STEP: Final = re.compile(
    r'\.?(?P<field>[A-Za-z_][-A-Za-z0-9_]*)|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]'
    r"|\[(?P<index>[0-9]+)\]|\[(?P<name>[^\]\"]*)\]"
)


def diff(live: Object | None, result: Object | None) -> tuple[Change, ...]:
    """List all differences, in a fixed order; none exactly when the two are equal.

    Items of lists with names are matched by name, so an inserted container is one addition. Lists
    of plain values (such as `args`) change as a whole. `true` and `1` differ.
    """
    if live is None or result is None:
        return () if live is result else (_change("", live, result),)
    return tuple(_mappings(live, result, ""))


def _change(path: str, old: JSON, new: JSON, op: Op | None = None) -> Change:
    guessed: Op = "add" if old is None else "remove" if new is None else "change"
    return Change(path=path, op=op or guessed, old=old, new=new)


def _values(old: JSON, new: JSON, path: str, field: str) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _mappings(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, path, field)
    elif not same(old, new):
        yield _change(path, old, new, "change")


def _mappings(old: Object, new: Object, path: str) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        at = f"{path}{field_step(key, path)}"
        if key not in new:
            yield _change(at, old[key], None, "remove")
        elif key not in old:
            yield _change(at, None, new[key], "add")
        else:
            yield from _values(old[key], new[key], at, key)


def _lists(old: list[JSON], new: list[JSON], path: str, field: str) -> Iterator[Change]:
    keys = _common_keys(old, new, field)
    if keys is not None:
        yield from _named_items(_by_name(old, keys), _by_name(new, keys), path)
    elif all(isinstance(item, dict | list) for item in (*old, *new)):
        yield from _positions(old, new, path)
    elif not same(old, new):
        yield _change(path, old, new, "change")


def _named_items(old: Object, new: Object, path: str) -> Iterator[Change]:
    for name in (*old, *(name for name in new if name not in old)):
        at = f"{path}{_name_step(name)}"
        if name not in new:
            yield _change(at, old[name], None, "remove")
        elif name not in old:
            yield _change(at, None, new[name], "add")
        else:
            yield from _values(old[name], new[name], at, "")
    expected = [*(name for name in old if name in new), *(name for name in new if name not in old)]
    if expected != list(new):
        before: list[JSON] = list(old)
        after: list[JSON] = list(new)
        yield _change(f"{path}{_ORDER}", before, after, "change")


def _positions(old: list[JSON], new: list[JSON], path: str) -> Iterator[Change]:
    for index in range(max(len(old), len(new))):
        at = f"{path}[{index}]"
        if index >= len(new):
            yield _change(at, old[index], None, "remove")
        elif index >= len(old):
            yield _change(at, None, new[index], "add")
        else:
            yield from _values(old[index], new[index], at, "")


class _MisfitError(ValueError):
    """A change that is not about the state it is applied to."""


_Step: TypeAlias = tuple[Path, Op, JSON]
"""What is still to go of a change's path, what is done there, and the new value."""


class Made(Protocol):
    """What of a change leads to the state after it: a `Change`, or one that a plan keeps."""

    @property
    def path(self) -> str:
        """As of a `Change`."""

    @property
    def op(self) -> Op:
        """As of a `Change`."""

    @property
    def new(self) -> JSON:
        """As of a `Change`."""


def patched(before: Object, changes: Iterable[Made]) -> Object | None:
    """Return the state that `diff` found these changes in; None if one does not fit.

    Whoever shows the result compares its digest: where items of a list had names on one side only,
    it can come out otherwise.
    """
    taken_apart: list[_Step] = [(steps(one.path), one.op, one.new) for one in changes]
    try:
        result = _patched(before, taken_apart, "")
    except _MisfitError:
        return None
    return result if isinstance(result, dict) else None


def _patched(value: JSON, changes: list[_Step], field: str) -> JSON:
    inner: dict[str | int, list[_Step]] = {}
    for path, op, new in changes:
        if not path:
            return new
        inner.setdefault(path[0], []).append((path[1:], op, new))
    if isinstance(value, list):
        return _patched_list(value, inner, field)
    if not isinstance(value, dict):
        raise _MisfitError
    result = dict(value)
    for key, below in inner.items():
        if not isinstance(key, str) or (key not in value and not _is(below, "add")):
            raise _MisfitError
        if _is(below, "remove"):
            del result[key]
        else:
            result[key] = _patched(value.get(key), below, key)
    return result


def _patched_list(value: list[JSON], inner: dict[str | int, list[_Step]], field: str) -> JSON:
    order = inner.pop(_ANY, None)
    result: list[JSON] = list(value)
    gone: set[int] = set()
    for step, below in inner.items():
        if _is(below, "add"):
            result.append(below[0][2])
            continue
        index = _index(value, step, field)
        if _is(below, "remove"):
            gone.add(index)
        else:
            result[index] = _patched(value[index], below, "")
    left = [item for index, item in enumerate(result) if index not in gone]
    names = order[0][2] if order else None
    return left if not isinstance(names, list) else [left[_index(left, n, field)] for n in names]


def _is(changes: list[_Step], op: Op) -> bool:
    """Whether the value itself is added or removed, rather than something in it."""
    return changes[0][0] == () and changes[0][1] == op


def _index(items: Sequence[JSON], step: JSON, field: str) -> int:
    """Find an item by its position or by its name."""
    if isinstance(step, int) and step < len(items):
        return step
    for keys in _MERGE_KEYS.get(field, ()):
        names = [_name(item, keys) for item in items]
        if step in names:
            return names.index(step)
    raise _MisfitError


def item_names(
    old: Sequence[JSON], new: Sequence[JSON], field: str
) -> tuple[list[str], list[str]] | None:
    """Return the names by which `diff` tells the items of two lists apart; None if by position."""
    keys = _common_keys(old, new, field)
    return None if keys is None else (list(_by_name(old, keys)), list(_by_name(new, keys)))


def _common_keys(old: Sequence[JSON], new: Sequence[JSON], field: str) -> tuple[str, ...] | None:
    return next((k for k in _MERGE_KEYS.get(field, ()) if _named(old, k) and _named(new, k)), None)


def _named(items: Sequence[JSON], keys: tuple[str, ...]) -> bool:
    """Whether every item is a mapping that has the key and no two have the same."""
    names = [_name(item, keys) for item in items]
    return None not in names and len(set(names)) == len(names)


def _by_name(items: Sequence[JSON], keys: tuple[str, ...]) -> Object:
    return {str(_name(item, keys)): item for item in items}


def _name(item: JSON, keys: tuple[str, ...]) -> str | None:
    if not isinstance(item, dict):
        return None
    parts = [item.get(key, _DEFAULTS.get(key)) for key in keys]
    if any(part is None or isinstance(part, dict | list | bool) for part in parts):
        return None
    return "/".join(str(part) for part in parts)


def same(old: JSON, new: JSON) -> bool:
    """Equality that tells true from 1, as JSON does."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    return type(old) is type(new) and old == new


def field_step(key: str, path: str) -> str:
    """Write what leads from `path` to its field `key`."""
    if not _PLAIN_FIELD.fullmatch(key):
        return f"[{quoted(key)}]"
    return f".{key}" if path else key


def _name_step(name: str) -> str:
    return f"[{name}]" if _PLAIN_NAME.fullmatch(name) else f"[{quoted(name)}]"


def steps(path: str) -> Path:
    """Take a path of `diff` apart: field names, names of list items, and indices as integers."""
    found: list[str | int] = []
    for match in _STEP.finditer(path):
        if match["index"] is not None:
            found.append(int(match["index"]))
        elif match["quoted"] is not None:
            found.append(_unquoted(match["quoted"]))
        else:
            found.append(match["field"] or match["name"] or "")
    return tuple(found)


_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|([nt"\\]))')
_SHORT: Final = {"n": "\n", "t": "\t"}


def _unquoted(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        return chr(int(code, 16)) if code else _SHORT.get(match[3], match[3])

    return _ESCAPE.sub(character, text)
