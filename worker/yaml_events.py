"""YAML text to plain values by the YAML 1.2 core schema, from the parser's events.

No loader, constructor or resolver of PyYAML is used: they speak YAML 1.1, expand aliases and keep
the last of two equal keys. What may be in a manifest is decided by `worker.loading`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import yaml

from shared.manifests import MAX_DEPTH, shown

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DIGITS: Final = 20  # one more than any 64-bit integer has; longer ones need no conversion

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True)
class Odd:
    """A value that may not stand in a manifest; the reason finishes "The value …"."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping as it was written: in order, equal keys and all."""

    items: list[tuple["Raw", "Raw"]]


Raw: TypeAlias = bool | int | str | Odd | list["Raw"] | Pairs | None
"""A value before it is known to be acceptable."""

FLOAT: Final = Odd(
    "is a number with a fraction or exponent, which has no exact canonical form; quote it"
)
TOO_LONG: Final = Odd("is an integer beyond ±2^53; quote it")


class Unreadable(Exception):  # noqa: N818 - ends as a refusal, is no error of ours
    """The text is not YAML, or uses a part of YAML that manifests may not use."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message if line is None else f"{message} (line {line})"


def documents(text: str) -> Iterator[Raw]:
    """Yield each document's value, empty documents as None.

    Raises:
        Unreadable: At the first thing that is not YAML, and at an alias, anchor, tag, directive,
            merge key or nesting deeper than `MAX_DEPTH`. The message names the line.

    """
    events = yaml.parse(text, Loader=_LOADER)
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if event.version or event.tags:
                    raise Unreadable("YAML directives are not allowed", _line(event))
                yield _value(next(events), events, 1)
    except yaml.YAMLError as error:
        raise Unreadable(*_problem(error)) from error


def integer(text: str) -> int | Odd:
    """Read a decimal integer without spending time on absurdly long ones."""
    return TOO_LONG if len(text) > _MAX_DIGITS else int(text)


def _value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Raw:
    _refuse_references(event)
    if isinstance(event, yaml.ScalarEvent):
        plain = bool(event.implicit[0])
        return _plain(event.value) if plain else str(event.value)
    if depth > MAX_DEPTH:
        raise Unreadable(f"The document is nested deeper than {MAX_DEPTH} levels", _line(event))
    if isinstance(event, yaml.SequenceStartEvent):
        return [_value(item, events, depth + 1) for item in _until(yaml.SequenceEndEvent, events)]
    return Pairs(
        [
            (_key(key, events, depth + 1), _value(next(events), events, depth + 1))
            for key in _until(yaml.MappingEndEvent, events)
        ]
    )


def _until(end: type[yaml.Event], events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    while not isinstance(event := next(events), end):
        yield event


def _key(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Raw:
    if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
        raise Unreadable("Merge keys (<<) are not allowed; write the fields out", _line(event))
    return _value(event, events, depth)


def _refuse_references(event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise Unreadable("YAML aliases (*name) are not allowed; write it out", _line(event))
    if getattr(event, "anchor", None) is not None:
        raise Unreadable("YAML anchors (&name) are not allowed; write it out", _line(event))
    if getattr(event, "tag", None) is not None:
        raise Unreadable("YAML tags (!name) are not allowed", _line(event))


def _plain(text: str) -> Raw:
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _DECIMAL.fullmatch(text):
        return integer(text)
    if _LEADING_ZERO.fullmatch(text):
        return Odd(
            f"{shown(text)} is octal to some readers and decimal to others; "
            "write it in decimal without the leading zero, or quote it"
        )
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return TOO_LONG if len(text) > _MAX_DIGITS else int(text, 0)
    return FLOAT if _FLOAT.fullmatch(text) else text


def _line(event: yaml.Event) -> int | None:
    return None if event.start_mark is None else int(event.start_mark.line) + 1


def _problem(error: yaml.YAMLError) -> tuple[str, int | None]:
    """The parser's words (constants, at most with one character of the text) and the line."""
    problem = getattr(error, "problem", None) or "it cannot be read"
    mark = getattr(error, "problem_mark", None)
    line = None if mark is None else int(mark.line) + 1
    return f"It is not valid YAML: {shown(str(problem), limit=120)}", line
