"""The one way from the cluster to an agent: what every foreign text passes, in this order.

1. stripped of what cannot be seen (`display`), or a secret could be cut in two by a character that
   nobody sees;
2. redacted (`redaction`), before anybody looks at the rest;
3. scanned for instructions to the model and marked line by line (`injection`).

Fencing comes last, where the answer is put together. Nothing is decided here, nothing recorded: the
caller turns the kinds that come back into audit records, never the text.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.display import stripped
from shared.injection import mark, scan
from shared.manifests import JSON
from shared.redaction import MAX_DEPTH, redact, redact_tree, unused_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A text that an agent may read, and the kinds of what was taken out or marked."""

    text: str
    redactions: tuple[str, ...]
    injections: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedValue:
    """Structured content that an agent may read, and the kinds of what was taken out or found."""

    value: JSON
    redactions: tuple[str, ...]
    injections: tuple[str, ...]


def cleaned(text: str) -> Cleaned:
    """Return `text` stripped, redacted and marked. Never raises; idempotent; linear."""
    redacted = redact(stripped(text))
    marked = mark(redacted.text)
    return Cleaned(
        text=marked.text,
        redactions=redacted.hits,
        injections=tuple(hit.kind for hit in marked.hits),
    )


def cleaned_value(value: JSON) -> CleanedValue:
    """Return structured content with every string and key stripped and redacted.

    Instructions are reported but not marked: a name with a mark in it would be another name, and
    instructions spread over several strings are no instruction.
    """
    redacted, redactions = redact_tree(_mapped(value, stripped, 0))
    injections: list[str] = []

    def scanned(text: str) -> str:
        injections.extend(hit.kind for hit in scan(text))
        return text

    _mapped(redacted, scanned, 0)
    return CleanedValue(value=redacted, redactions=redactions, injections=tuple(injections))


def _mapped(value: JSON, change: Callable[[str], str], depth: int) -> JSON:
    """Return a copy with every string and key changed, down to where `redact_tree` follows."""
    match value:
        case str():
            return change(value)
        case list() if depth <= MAX_DEPTH:
            return [_mapped(item, change, depth + 1) for item in value]
        case dict() if depth <= MAX_DEPTH:
            fields: dict[str, JSON] = {}
            for key, item in value.items():
                fields[unused_key(change(key), fields)] = _mapped(item, change, depth + 1)
            return fields
        case _:
            return value
