"""Base64url and JSON read so that no two readers could read them differently. Pure."""

import json
import math

from shared.digests import from_base64url
from shared.foreign_json import foreign_json


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
        foreign_json(document)  # nesting, NaN and lone surrogates never reach the other
        value: object = json.loads(document, object_pairs_hook=_unique, parse_float=_finite)
    except ValueError:
        return None
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number
