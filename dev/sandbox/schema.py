"""The types of the served kinds: parsing, unknown and duplicate fields, wrong JSON types.

Types come from schema.json (see `dev.sandbox.generate_schema`) in this notation:
`s i n b t q x j` string, integer, number, boolean, time, quantity, int-or-string, anything;
`Name` struct, `{T}` map, `[T]` list replaced as a whole, `[T=]` set, `[T|k1,k2]` list keyed by
fields, `~k` its strategic-merge key; a leading `!` owned as a whole by server-side apply; a
trailing `^` retainKeys.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dev.sandbox.quantities import quantity
from dev.sandbox.resources import Obj, Resource
from dev.sandbox.status import ApiError, bad_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """One node of a schema. `family` is scalar, struct, map, list, set or keyed."""

    family: str
    name: str = ""
    item: str = ""
    keys: tuple[str, ...] = ()
    merge_key: str = ""
    atomic: bool = False

    def child(self, field: str) -> "Type":
        """The type of a field or map value; anything goes below an unknown field."""
        if self.family == "struct":
            return parse(structs()[self.name].get(field, "j"))
        return parse(self.item or "j")


@cache
def structs() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_name("schema.json").read_text()
    return dict(json.loads(text))


@cache
def parse(text: str) -> Type:
    text = text.removesuffix("^")
    if text.startswith("!"):
        inner = parse(text[1:])
        return Type(family=inner.family, name=inner.name, item=inner.item, atomic=True)
    if text.startswith("{"):
        return Type(family="map", item=text[1:-1])
    if (found := re.fullmatch(r"\[([^|~=]+)(=|\|[^~]*)?(?:~(.*))?\]", text)) is not None:
        return _list(found[1], found[2] or "", found[3] or "")
    if text in structs():
        return Type(family="struct", name=text)
    return Type(family="scalar", name=text)


def _list(item: str, kind: str, merge_key: str) -> Type:
    if kind == "=":
        return Type(family="set", item=item, merge_key=merge_key)
    if kind:
        keys = tuple(kind[1:].split(","))
        return Type(family="keyed", item=item, keys=keys, merge_key=merge_key)
    return Type(family="list", item=item, merge_key=merge_key, atomic=True)


def of(resource: Resource) -> Type:
    return parse(resource.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An object as the server understood it, and what it had to say about unknown fields."""

    obj: Obj
    complaints: tuple[str, ...]


def parse_json(body: bytes) -> tuple[Any, list[str]]:
    """Any JSON value and the dotted paths of duplicate fields; raises ValueError."""
    value = json.loads(body, object_pairs_hook=_Pairs)
    duplicates: list[str] = []
    return _plain(value, "", duplicates), duplicates


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that still remembers its duplicate keys."""


def _plain(value: Any, path: str, duplicates: list[str]) -> Any:
    if isinstance(value, _Pairs):
        out: Obj = {}
        for key, item in value:
            below = f"{path}.{key}" if path else key
            if key in out:
                duplicates.append(below)
            out[key] = _plain(item, below, duplicates)
        return out
    if isinstance(value, list):
        return [_plain(item, f"{path}[{i}]", duplicates) for i, item in enumerate(value)]
    return value


def unknown_fields(value: Any, type_: Type, path: str = "") -> Iterator[str]:
    """The dotted paths that the type does not have."""
    if type_.family == "struct" and isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key}" if path else key
            if key not in structs()[type_.name]:
                yield below
            else:
                yield from unknown_fields(item, type_.child(key), below)
    elif type_.family == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from unknown_fields(item, type_.child(key), f"{path}.{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from unknown_fields(item, parse(type_.item or "j"), f"{path}[{i}]")


def without_unknown(value: Any, type_: Type) -> Any:
    """A copy that has only what the type has; a null field counts as absent."""
    if type_.family == "struct" and isinstance(value, dict):
        known = structs()[type_.name]
        return {
            k: without_unknown(v, type_.child(k))
            for k, v in value.items()
            if k in known and (v is not None or known[k] == "t")
        }
    if type_.family == "map" and isinstance(value, dict):
        return {k: without_unknown(v, type_.child(k)) for k, v in value.items()}
    if isinstance(value, list):
        item = parse(type_.item or "j")
        return [without_unknown(v, item) for v in value]
    return value


_SCALARS: dict[str, tuple[type, ...]] = {
    "s": (str,),
    "i": (int,),
    "n": (int, float),
    "b": (bool,),
    "t": (str,),
    "q": (str, int, float),
    "x": (str, int),
}
_GO_NAMES = {"s": "string", "i": "int32", "n": "float64", "b": "bool", "t": "time.Time"}


def check_types(value: Any, type_: Type, kind: str, path: str = "") -> None:
    """Raises 400 in the server's words when a value has another JSON type than its field."""
    if value is None:
        return
    found = _json_name(value)
    wanted = _wanted(value, type_)
    if wanted:
        text = f"json: cannot unmarshal {found} into Go struct field {kind}.{path} of type {wanted}"
        raise cannot_handle(kind, text)
    if type_.name == "q" and not _is_quantity(value):
        raise cannot_handle(kind, f"quantities must match the regular expression '{_QUANTITY}'")
    if isinstance(value, dict):
        for key, item in value.items():
            check_types(item, type_.child(key), kind, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            check_types(item, parse(type_.item or "j"), kind, path)


_QUANTITY = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"


def _is_quantity(value: Any) -> bool:
    try:
        quantity(value)
    except ValueError:
        return False
    return True


def _wanted(value: Any, type_: Type) -> str:
    """The Go type that a value should have had; empty when it fits."""
    if type_.family == "scalar":
        allowed = _SCALARS.get(type_.name)
        fits = allowed is None or (
            isinstance(value, allowed) and (type_.name == "b" or not isinstance(value, bool))
        )
        return "" if fits else _GO_NAMES.get(type_.name, "string")
    if type_.family in ("struct", "map"):
        return "" if isinstance(value, dict) else "map"
    return "" if isinstance(value, list) else "slice"


def _json_name(value: Any) -> str:
    names = {str: "string", bool: "bool", dict: "object", list: "array"}
    return names.get(type(value), "number")


def cannot_handle(kind: str, why: str) -> ApiError:
    return bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {why}')


def decode(raw: Any, resource: Resource, *, duplicates: list[str]) -> Decoded:
    """A body as an object of the resource: typed, without unknown fields, with complaints."""
    type_ = of(resource)
    if not isinstance(raw, dict):
        raise cannot_handle(resource.kind, "json: cannot unmarshal into Go value")
    complaints = [f'unknown field "{p}"' for p in unknown_fields(raw, type_)]
    complaints += [f'duplicate field "{p}"' for p in duplicates]
    check_types(raw, type_, resource.kind)
    return Decoded(obj=without_unknown(raw, type_), complaints=tuple(complaints))
