"""Where readings pass what came out of the cluster through `shared.untrusted`, and fast.

A status holds thousands of short strings, and judging each alone costs a hundred times more than
judging them together. So a whole part is judged at once first; only where something is found is it
halved, down to the string that holds it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from shared.display import stripped
from shared.injection import MARK, scan
from shared.redaction import redact
from shared.results import Hits
from shared.secret_assignments import is_secret_name
from shared.untrusted import cleaned, cleaned_value

FREE_TEXT: Final = frozenset({"message", "note"})
"""Fields of prose: an instruction in one is marked there. A name is left as it is."""

_APART: Final = "\n.\n"
"""A line between strings, so that two seldom read as one; if they do, each is judged alone."""

KNOWN_HARMLESS: Final[set[bytes]] = set()
"""Digests of parts in which nothing was found: agents look at the same objects again and again."""

MOST_KNOWN: Final = 4096


def clean_text(text: str) -> tuple[str, Hits]:
    """A text without secrets, its instruction-like lines marked, and what was found."""
    found = cleaned(text)
    return found.text, _hits(list(found.redactions), list(found.injections))


def clean_value(value: Any) -> tuple[Any, Hits]:
    """JSON without secrets, prose marked, and what was found. The argument is not changed."""
    redactions: list[str] = []
    injections: list[str] = []
    return _cleaned(value, redactions, injections), _hits(redactions, injections)


def mark_lines(text: str) -> str:
    """`text` made of cleaned values, with every instruction-like line marked once."""
    lines = text.split("\n")
    for number in {hit.line for hit in scan(text)}:
        if MARK not in lines[number - 1]:
            lines[number - 1] = MARK + lines[number - 1]
    return "\n".join(lines)


def _cleaned(value: Any, redactions: list[str], injections: list[str]) -> Any:
    if _is_harmless(value):
        return value
    parts = _parts(value)
    if parts is None:
        return _judged(value, redactions, injections)
    done = [_cleaned(part, redactions, injections) for part in parts]
    if isinstance(value, list):
        return [item for part in done for item in part]
    return {key: item for part in done for key, item in part.items()}


def _parts(value: Any) -> list[Any] | None:
    """Two halves of a list, or the fields of a mapping one by one; None for what has no parts.

    Fields stay with their names, which say what is a secret.
    """
    if isinstance(value, list) and len(value) > 1:
        middle = len(value) // 2
        return [value[:middle], value[middle:]]
    if isinstance(value, dict) and len(value) > 1 and not {"name", "value"} <= value.keys():
        return [{key: item} for key, item in value.items()]
    return None


def _judged(value: Any, redactions: list[str], injections: list[str]) -> Any:
    """One string, one field or one item in which something was found."""
    if isinstance(value, list) and isinstance(value[0], dict | list):
        return [_cleaned(value[0], redactions, injections)]
    if isinstance(value, dict) and len(value) == 1:
        (key, item), *_ = value.items()
        if isinstance(item, dict | list) and not is_secret_name(key):
            return {key: _cleaned(item, redactions, injections)}
        if isinstance(item, str) and key in FREE_TEXT:
            text = cleaned(item)
            redactions += text.redactions
            injections += text.injections
            return {key: text.text}
    found = cleaned_value(value)
    redactions += found.redactions
    injections += found.injections
    return found.value


def _is_harmless(value: Any) -> bool:
    keys: set[str] = set()
    strings = dict.fromkeys(_strings(value, keys))
    if any(map(_names_a_secret, keys)):
        return False
    return _reads_harmless(_APART.join([*strings, *keys]))


def _reads_harmless(text: str) -> bool:
    """Whether there is nothing to take out or to mark; depends on the text alone."""
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    if digest in KNOWN_HARMLESS:
        return True
    if stripped(text) != text or redact(text).hits or scan(text):
        return False
    if len(KNOWN_HARMLESS) >= MOST_KNOWN:
        KNOWN_HARMLESS.clear()
    KNOWN_HARMLESS.add(digest)
    return True


def _strings(value: Any, keys: set[str]) -> Iterator[str]:
    """All strings of a value; the names of its fields go to `keys`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, keys)
    elif isinstance(value, dict):
        keys.update(value)
        for item in value.values():
            yield from _strings(item, keys)


@lru_cache(maxsize=1024)
def _names_a_secret(key: str) -> bool:
    return is_secret_name(key) is not None


def _hits(redactions: list[str], injections: list[str]) -> Hits:
    return Hits(redactions=dict(Counter(redactions)), injections=dict(Counter(injections)))
