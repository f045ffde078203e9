"""Which fields of a manifest Kubernetes does not have, or has with another type. No values.

Stands in for the server's strict field validation where that is missing (before 1.25), and comes
before all other rules everywhere: they may then rely on the shape, and no field that they have
never heard of slips past them.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from shared.documents import (
    Manifest,
)
from shared.guardrails.field_table import FIELDS
from shared.guardrails.rules import Violation, violation
from shared.manifests import (
    JSON,
    Kind,
    Path,
    path_text,
    shown,
)

_Fields = Mapping[str, str]


def _table(text: str) -> dict[str, dict[str, str]]:
    types: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    of_type = ""
    for line in text.strip().splitlines():
        if not line.startswith(" "):
            current = types.setdefault(line, {})
            continue
        head, colon, names = line.partition(":")
        if colon:
            of_type = head.strip()
        current.update(dict.fromkeys((names if colon else line).split(), of_type))
    return types


_TYPES: Final = _table(FIELDS)
_QUANTITY: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[EPTGMk]i?|Ki|[mun]|[eE][-+]?[0-9]+)?")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_ANY: Final = re.compile(r".*", re.DOTALL)
_PATTERNS: Final = {"str": _ANY, "int-or-str": _ANY, "quantity": _QUANTITY, "bytes": _BASE64}


def unknown_fields(manifest: Manifest) -> list[str]:
    """Name the fields of the manifest that Kubernetes 1.37 does not have, as paths."""
    found = check_fields(manifest)
    return [item.path for item in found if item.rule_id == "IG-FIELD-UNKNOWN"]


def check_fields(manifest: Manifest) -> tuple[Violation, ...]:
    """Find unknown fields and values of a wrong type, in the order of the manifest."""
    return tuple(_check_object(manifest.body, manifest.kind, ()))


def check_shape(kind: Kind, body: Mapping[str, JSON]) -> tuple[Violation, ...]:
    """Find values of a wrong type in an object of the API server's; new fields are its right."""
    found = _check_object(body, kind, ())
    return tuple(item for item in found if item.rule_id != "IG-FIELD-UNKNOWN")


def _check_object(value: Mapping[str, JSON], type_name: str, path: Path) -> Iterator[Violation]:
    known = _TYPES[type_name]
    for key, item in value.items():
        if key in known:
            yield from _check(item, known[key], (*path, key))
        else:
            hint = difflib.get_close_matches(key, known, n=1)
            meant = f" Did you mean {hint[0]}?" if hint else ""
            yield violation(
                "IG-FIELD-UNKNOWN",
                path_text((*path, key)),
                f"{type_name} has no field {shown(key)}.{meant}",
            )


def _check(value: JSON, of_type: str, path: Path) -> Iterator[Violation]:
    if value is None:  # an absent field, to Kubernetes
        return
    if of_type.endswith("[]"):
        yield from _check_list(value, of_type.removesuffix("[]"), path)
    elif of_type.endswith("{}"):
        yield from _check_mapping(value, of_type.removesuffix("{}"), path)
    elif of_type in _TYPES:
        if isinstance(value, dict):
            yield from _check_object(value, of_type, path)
        else:
            yield _wrong(path, "a mapping")
    elif not _fits(value, of_type):
        yield _wrong(path, _WORDS[of_type])


def _check_list(value: JSON, of_type: str, path: Path) -> Iterator[Violation]:
    if not isinstance(value, list):
        yield _wrong(path, "a list")
        return
    for index, item in enumerate(value):
        yield from _check_element(item, of_type, (*path, index))


def _check_mapping(value: JSON, of_type: str, path: Path) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield _wrong(path, "a mapping")
        return
    for key, item in value.items():
        yield from _check_element(item, of_type, (*path, key))


def _check_element(value: JSON, of_type: str, path: Path) -> Iterator[Violation]:
    if value is None:
        yield _wrong(path, _WORDS.get(of_type, "a mapping"))
    yield from _check(value, of_type, path)


_WORDS: Final = {
    "str": "a string (if it looks like a number or true/false, quote it)",
    "int": "a whole number",
    "bool": "true or false",
    "int-or-str": "a whole number or a string",
    "quantity": "a quantity such as 100m or 64Mi",
    "bytes": "base64 text",
    "object": "a mapping",
}


def _fits(value: JSON, of_type: str) -> bool:
    if isinstance(value, bool):
        return of_type == "bool"
    if isinstance(value, int):
        return of_type in ("int", "int-or-str", "quantity")
    if isinstance(value, str):
        pattern = _PATTERNS.get(of_type)
        return pattern is not None and bool(pattern.fullmatch(value))
    return isinstance(value, dict) and of_type == "object"


def _wrong(path: Path, wanted: str) -> Violation:
    return violation("IG-FIELD-TYPE", path_text(path), f"This must be {wanted}.")
