"""JSON values as lines that people read easily: indented like YAML, without its traps. Pure.

It is for eyes only and nothing parses it, but two different values never look the same: a string
that could pass for something else is quoted, and a text of several lines is a block of its own.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from shared.manifests import JSON

_PLAIN: Final = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./@:+-]*")
_NOT_PLAIN: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NUMBER: Final = re.compile(r"[0-9][0-9_.]*(?:e[+-]?[0-9]+)?|0[xob].*", re.IGNORECASE)
INDENT: Final = "  "
_FIRST: Final = ("apiVersion", "kind", "metadata", "name", "namespace")
"""What people look for first; the rest stays in the order that it has."""


def outline(value: JSON) -> Iterator[str]:
    """Yields the lines of a value."""
    match value:
        case Mapping() if value:
            for key in outlined_keys(value):
                yield from entry(key, value[key])
        case str() if "\n" in value:
            yield from _block(value)
        case Sequence() if value and not isinstance(value, str):
            for one in value:
                yield from item(one)
        case _:
            yield _scalar(value)


def outlined_keys(keys: Iterable[str]) -> list[str]:
    """Returns the keys of a mapping in the order in which they are shown."""
    return sorted(keys, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))


def entry(key: str, value: JSON) -> Iterator[str]:
    """Yields the lines of one entry of a mapping."""
    lines = outline(value)
    if is_nested(value):
        yield head(key)
        yield from (INDENT + line for line in lines)
        return
    first = next(lines)
    yield f"{head(key)} {first}"
    yield from (INDENT + line for line in lines)


def head(key: str) -> str:
    """Returns what stands before an entry's value."""
    return _word(key) + ":"


def item(value: JSON) -> Iterator[str]:
    """Yields the lines of one item of a list."""
    lines = outline(value)
    yield f"- {next(lines)}"
    yield from (INDENT + line for line in lines)


def _block(text: str) -> Iterator[str]:
    """A text of several lines: `|` ends in a line feed, `|-` does not."""
    yield "|" if text.endswith("\n") else "|-"
    yield from text.removesuffix("\n").split("\n")


def is_nested(value: JSON) -> bool:
    """Says whether the lines of a value stand below its key."""
    return isinstance(value, dict | list) and bool(value)


def _scalar(value: JSON) -> str:
    if isinstance(value, str):
        return _word(value)
    return json.dumps(value, ensure_ascii=False)


def _word(text: str) -> str:
    word = _PLAIN.fullmatch(text) and not text.endswith(":") and text.lower() not in _NOT_PLAIN
    return text if word and not _NUMBER.fullmatch(text) else json.dumps(text, ensure_ascii=False)
