"""Base64url and JSON read so that no two readers could read them differently. Pure."""

import json
import math
from typing import Final

from shared.digests import from_base64url

MAX_NESTING: Final = 200
"""No token, key set or call nests a tenth as deep; parsers give up somewhere beyond 900."""


def strict_base64url(text: str) -> bytes | None:
    """Decode unpadded base64url (RFC 7515 §2), or None for anything that is not its one spelling.

    Padding, white space, the other alphabet and spare bits that are not zero are all refused, so
    that one token has exactly one form.
    """
    try:
        return from_base64url(text)
    except ValueError:
        return None


def strict_json(document: bytes) -> object | None:
    """Decode UTF-8 JSON, or None for what parsers disagree about.

    Duplicate members, NaN and Infinity, numbers that overflow, lone surrogates, a byte order mark,
    other encodings and absurd nesting are all refused. A document that is `null` is None as well.
    """
    try:
        text = document.decode("utf-8")
        value: object = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
        if "\\u" in text:  # the only way to write a lone surrogate in valid UTF-8
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value if _is_shallow(value) else None


def _is_shallow(value: object) -> bool:
    """Whether values nest at most `MAX_NESTING` deep; Pythons differ in what they refuse."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return True
    return False


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number
