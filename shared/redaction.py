"""Takes secrets out of text and structured content, span by span; finds no other harm in it.

What counts as a secret is told by `secret_forms` (by its form) and `secret_assignments` (by the
name before it). This module merges their findings, replaces each by `[redacted:<kind>]` and does so
until nothing is left to find, hence `redact(redact(x)) == redact(x)`. A net, not a wall: what never
needs to be shown (Secret objects, ConfigMap and env values) is left out long before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.manifests import JSON
from shared.secret_assignments import by_entropy, by_name, is_secret_name
from shared.secret_forms import Span, Subject, by_form

MAX_DEPTH = 64
"""Nesting of structured content that is followed; what lies deeper is replaced."""

_MAX_PASSES = 5
_TOO_DEEP = "too-deep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A text without its secrets, and the kind of each secret taken out, in order."""

    text: str
    hits: tuple[str, ...]


def redact(text: str) -> Redacted:
    """Return `text` with every secret replaced by `[redacted:<kind>]`.

    Private keys go whole, certificates stay; of a URL only the credentials go. Never raises; the
    work is linear in the length of the text.
    """
    hits: list[str] = []
    for _ in range(_MAX_PASSES):
        spans = _merged(_found(text))
        if not spans:
            break
        text = _without(spans, text)
        hits += [span.kind for span in spans]
    return Redacted(text=text, hits=tuple(hits))


def redact_value(value: JSON) -> JSON:
    """Return structured content with every string redacted; see `redact_tree`."""
    return redact_tree(value)[0]


def redact_tree(value: JSON) -> tuple[JSON, tuple[str, ...]]:
    """Return structured content without its secrets, and their kinds.

    A field with a secret's name (`password`, `apiKey`) loses its strings and numbers, in lists too;
    an environment entry (`name`, `value`) is judged by its `name`. Objects below such a field are
    walked as ever: `secret: {secretName: tls}` names an object, it holds no secret.
    """
    hits: list[str] = []
    return _walked(value, hits, 0), tuple(hits)


def _walked(value: JSON, hits: list[str], depth: int, kind: str | None = None) -> JSON:
    if depth > MAX_DEPTH:
        return _replacement(_TOO_DEEP, hits)
    if isinstance(value, dict):
        return _walked_fields(value, hits, depth + 1)
    if isinstance(value, list):
        return [_walked(item, hits, depth + 1, kind) for item in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if kind and not _is_replaced(value):
        return _replacement(kind, hits)
    return _collected(redact(value), hits) if isinstance(value, str) else value


def _walked_fields(fields: dict[str, JSON], hits: list[str], depth: int) -> JSON:
    entry = fields.get("name")
    value_kind = is_secret_name(entry) if isinstance(entry, str) else None
    walked: dict[str, JSON] = {}
    for key, item in fields.items():
        kind = is_secret_name(key) or (value_kind if key == "value" else None)
        walked[unused_key(_collected(redact(key), hits), walked)] = _walked(item, hits, depth, kind)
    return walked


def unused_key(key: str, taken: dict[str, JSON]) -> str:
    """Return the key, numbered if cleaning has made two keys alike: no field may vanish."""
    return key if key not in taken else f"{key} ({len(taken)})"


def _is_replaced(value: str | int) -> bool:
    return isinstance(value, str) and value.startswith("[redacted:") and value.endswith("]")


def _replacement(kind: str, hits: list[str]) -> str:
    hits.append(kind)
    return f"[redacted:{kind}]"


def _collected(redacted: Redacted, hits: list[str]) -> str:
    hits.extend(redacted.hits)
    return redacted.text


def _found(text: str) -> Iterator[Span]:
    subject = Subject(text, _lower(text))
    yield from by_form(subject)
    yield from by_name(subject)
    yield from by_entropy(text)


def _lower(text: str) -> str:
    """Return `text` in lower case, every character at its old position."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(char.lower()[:1] for char in text)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, overlapping ones as one of the kind of the longer."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            kind = max(last, span, key=lambda each: each.end - each.start).kind
            merged[-1] = Span(last.start, max(last.end, span.end), kind)
        else:
            merged.append(span)
    return merged


def _without(spans: list[Span], text: str) -> str:
    parts: list[str] = []
    done = 0
    for start, end, kind in spans:
        parts += (text[done:start], f"[redacted:{kind}]")
        done = end
    return "".join(parts) + text[done:]
