"""JSON Patch (RFC 6902), JSON merge patch (RFC 7386), strategic merge patch; pure.

Source of the last: kubernetes/community `strategic-merge-patch.md`.
"""

import copy
from typing import Any

from dev.sandbox.schema import Type, parse
from dev.sandbox.status import bad_request, rejected


class _Absent:
    """No value at this place."""


def json_patch(document: Any, operations: Any) -> Any:
    """The patched copy; raises 422 when an operation, or a `test`, does not hold."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    out = copy.deepcopy(document)
    for operation in operations:
        try:
            out = _operate(out, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise rejected() from error
    return out


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "test":
            if _absent_as_null(document, path) != operation["value"]:
                raise ValueError("test failed")
            return document
        case "add":
            return _put(document, path, operation["value"], insert=True)
        case "replace":
            _at(document, path)
            return _put(document, path, operation["value"], insert=False)
        case "remove":
            return _take(document, path)
        case "copy":
            value = copy.deepcopy(_at(document, _pointer(operation["from"])))
            return _put(document, path, value, insert=True)
        case "move":
            value = _at(document, _pointer(operation["from"]))
            return _put(_take(document, _pointer(operation["from"])), path, value, insert=True)
        case _:
            raise ValueError("unknown operation")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[_index(part)] if isinstance(document, list) else document[part]
    return document


def _absent_as_null(document: Any, path: list[str]) -> Any:
    try:
        return _at(document, path)
    except (KeyError, IndexError):
        return None


def _index(part: str) -> int:
    index = int(part)
    if index < 0:
        raise ValueError(part)
    return index


def _put(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent = _at(document, path[:-1])
    last = path[-1]
    if not isinstance(parent, list):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    elif not insert:
        parent[_index(last)] = value
    elif _index(last) > len(parent):
        raise IndexError(last)
    else:
        parent.insert(_index(last), value)
    return document


def _take(document: Any, path: list[str]) -> Any:
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        del parent[_index(path[-1])]
    else:
        del parent[path[-1]]
    return document


def merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def strategic(document: Any, patch: Any, type_: Type) -> Any:
    """Like a merge patch, but lists with a merge key merge by it; knows the `$` directives."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    out = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            _directive(out, key, value)
        elif value is None:
            out.pop(key, None)
        else:
            out[key] = _strategic_value(out.get(key), value, type_.child(key))
    return out


def _directive(out: dict[str, Any], key: str, value: Any) -> None:
    if key == "$retainKeys":
        for name in set(out) - set(value):
            del out[name]
    elif key.startswith("$deleteFromPrimitiveList/"):
        name = key.partition("/")[2]
        out[name] = [item for item in out.get(name) or [] if item not in value]


def _strategic_value(old: Any, new: Any, type_: Type) -> Any:
    if not isinstance(new, list):
        return strategic(old, new, type_)
    if type_.merge_key:
        return _strategic_list(old or [], new, type_)
    if type_.family == "set":
        return [*(old or []), *(item for item in new if item not in (old or []))]
    return new


def _strategic_list(old: list[Any], new: list[Any], type_: Type) -> list[Any]:
    key, item_type = type_.merge_key, parse(type_.item)
    if any(item.get("$patch") == "replace" for item in new):
        return [item for item in new if "$patch" not in item]
    out = list(old)
    for item in new:
        at = next((i for i, o in enumerate(out) if o.get(key) == item.get(key)), -1)
        if item.get("$patch") == "delete":
            out = [o for o in out if o.get(key) != item.get(key)]
        elif at >= 0:
            out[at] = strategic(out[at], item, item_type)
        else:
            out.append(strategic({}, item, item_type))
    return out
