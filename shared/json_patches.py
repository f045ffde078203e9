"""From one state of an object to another as RFC 6902 operations, item by item. Pure.

Only what differs is in the operations: a value that stays is in none of them, so a list of
containers is never replaced for one image. The positions are those of the live object; whoever
sends the operations tests its version first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.diffs import item_names, same
from shared.manifests import JSON, Object


@dataclass(frozen=True, slots=True, kw_only=True)
class _Three:
    """A place in the object: as it is, in normal form, and as it shall be in normal form."""

    raw: JSON
    live: JSON
    target: JSON


def patch_between(raw: Object, live: Object, target: Object) -> list[Object]:
    """Return the operations that turn `raw` into `target`; none when they are the same.

    `live` is the normal form of `raw`, and `target` a normal form, too. What the normal form leaves
    out of `raw`, such as a controller's annotations, stays as it is.
    """
    return _mapping(raw, live, target, "")


def escaped(key: str) -> str:
    """Return a key as a step of a JSON pointer (RFC 6901 section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def keys_of(pointer: str) -> list[str]:
    """Return the keys that a JSON pointer leads along; none for the whole object."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _mapping(
    raw: Mapping[str, JSON], live: Mapping[str, JSON], target: Mapping[str, JSON], at: str
) -> list[Object]:
    found: list[Object] = []
    for key in sorted(live.keys() | target.keys()):
        path = f"{at}/{escaped(key)}"
        there = raw.get(key)
        if key in live and key in target:
            found += _value(_Three(raw=there, live=live[key], target=target[key]), path, key)
        elif key in target:
            found += _added(there, target[key], path)
        else:
            found += _removed(there, live[key], path)
    return found


def _added(raw: JSON, target: JSON, path: str) -> list[Object]:
    if isinstance(raw, dict) and isinstance(target, dict):  # there, but not in the normal form
        return _mapping(raw, {}, target, path)
    return [{"op": "add", "path": path, "value": target}]


def _removed(raw: JSON, live: JSON, path: str) -> list[Object]:
    if isinstance(raw, dict) and isinstance(live, dict) and raw.keys() - live.keys():
        return _mapping(raw, live, {}, path)
    return [{"op": "remove", "path": path}]


def _value(three: _Three, path: str, field: str) -> list[Object]:
    raw, live, target = three.raw, three.live, three.target
    if same(live, target):
        return []
    if isinstance(raw, dict) and isinstance(live, dict) and isinstance(target, dict):
        return _mapping(raw, live, target, path)
    if isinstance(raw, list) and isinstance(live, list) and isinstance(target, list):
        names = item_names(live, target, field)
        if names is not None:
            return _named(three, names, path)
        if all(isinstance(item, dict | list) for item in (*live, *target)):
            return _positions(raw, live, target, path)
    return [{"op": "replace", "path": path, "value": target}]


def _named(three: _Three, names: tuple[list[str], list[str]], path: str) -> list[Object]:
    raw, live, target = (_items(one) for one in (three.raw, three.live, three.target))
    before, after = names
    found: list[Object] = []
    for index, name in enumerate(before):
        if name in after:
            item = _Three(raw=raw[index], live=live[index], target=target[after.index(name)])
            found += _value(item, f"{path}/{index}", "")
    gone = [index for index, name in enumerate(before) if name not in after]
    found += [{"op": "remove", "path": f"{path}/{index}"} for index in reversed(gone)]
    new = [name for name in after if name not in before]
    found += [{"op": "add", "path": f"{path}/-", "value": target[after.index(n)]} for n in new]
    return found + _moved([name for name in before if name in after] + new, after, path)


def _moved(now: list[str], wanted: list[str], path: str) -> list[Object]:
    found: list[Object] = []
    for index, name in enumerate(wanted):
        at = now.index(name)
        if at != index:
            now.insert(index, now.pop(at))
            found.append({"op": "move", "from": f"{path}/{at}", "path": f"{path}/{index}"})
    return found


def _positions(
    raw: Sequence[JSON], live: Sequence[JSON], target: Sequence[JSON], path: str
) -> list[Object]:
    found: list[Object] = []
    for index, (there, before, after) in enumerate(zip(raw, live, target, strict=False)):
        found += _value(_Three(raw=there, live=before, target=after), f"{path}/{index}", "")
    for index in reversed(range(len(target), len(live))):
        found.append({"op": "remove", "path": f"{path}/{index}"})
    found += [{"op": "add", "path": f"{path}/-", "value": item} for item in target[len(live) :]]
    return found


def _items(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []
