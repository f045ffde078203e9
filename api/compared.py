"""Two JSON values as one outline: lines that stay, go and come, and what leads to each. Pure.

The outline is that of `api.outline`. Mappings are compared key by key and items of lists by what
names them, so that a change stands where it belongs and what did not change is recognised as such.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from api.outline import INDENT, entry, head, is_nested, item, outline, outlined_keys
from shared.diffs import same
from shared.manifests import JSON, Object

Sign = Literal["-", "+", " "]

MAX_COMPARED: Final = 2000
"""Lines or items. Comparing is quadratic at worst; more are shown whole, old above new."""

_NAMED_BY: Final = ("name", "mountPath", "containerPort", "port", "ip", "type", "devicePath")
"""What tells items of Kubernetes lists apart; `shared.diffs` has the table by field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: taken away, added, or there before and after."""

    sign: Sign
    text: str
    leads: bool = False
    """True where something below it changes: it says where that is."""
    mark: tuple[int, int] | None = None
    """Which characters are others than in the line that this one replaces or is replaced by."""


def compared(old: JSON, new: JSON) -> Iterator[Line]:
    """Yields the lines of two values; what leads to a change is marked."""
    if same(old, new):
        yield from signed(" ", outline(new))
    elif isinstance(old, dict) and isinstance(new, dict) and old and new:
        yield from _mappings(old, new)
    elif isinstance(old, list) and isinstance(new, list) and old and new:
        yield from _lists(old, new)
    else:
        yield from _told(list(outline(old)), list(outline(new)))


def signed(sign: Sign, texts: Iterable[str]) -> Iterator[Line]:
    """Yields lines that all stay, all go or all come."""
    return (Line(sign=sign, text=text) for text in texts)


def _mappings(old: Object, new: Object) -> Iterator[Line]:
    for key in outlined_keys(sorted(old.keys() | new.keys())):
        if key not in new:
            yield from signed("-", entry(key, old[key]))
        elif key not in old:
            yield from signed("+", entry(key, new[key]))
        elif same(old[key], new[key]):
            yield from signed(" ", entry(key, new[key]))
        else:
            yield from _entries(key, old[key], new[key])


def _entries(key: str, old: JSON, new: JSON) -> Iterator[Line]:
    """A key whose value changes, on its own line or below it."""
    if is_nested(old) and is_nested(new):
        yield Line(sign=" ", text=head(key), leads=True)
        yield from _indented(compared(old, new))
        return
    yield from _told(list(entry(key, old)), list(entry(key, new)))


def _told(old: list[str], new: list[str]) -> Iterator[Line]:
    """Two values as they are outlined: line by line if both are texts that end alike."""
    if len(old) > 1 and len(new) > 1 and old[0] == new[0]:
        yield Line(sign=" ", text=old[0], leads=True)
        yield from _texts(old[1:], new[1:])
    else:
        yield from _replaced(old, new)


def _lists(old: list[JSON], new: list[JSON]) -> Iterator[Line]:
    names = _names(old, new)
    if names is None or len(old) + len(new) > MAX_COMPARED:
        yield from signed("-", outline(old))
        yield from signed("+", outline(new))
        return
    matcher = difflib.SequenceMatcher(a=names[0], b=names[1], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            for before, after in zip(old[i:j], new[k:m], strict=True):
                yield from _items(before, after)
        else:
            yield from _replaced(
                [line for one in old[i:j] for line in item(one)],
                [line for one in new[k:m] for line in item(one)],
            )


def _names(old: list[JSON], new: list[JSON]) -> tuple[list[str], list[str]] | None:
    """What tells the items of both lists apart: a key that all have, or the whole item."""
    items = [*old, *new]
    mappings = [one for one in items if isinstance(one, dict)]
    for key in _NAMED_BY if len(mappings) == len(items) else ():
        if all(isinstance(one.get(key), str | int) for one in mappings):
            texts = [json.dumps(one[key]) for one in mappings]
            if len(set(texts[: len(old)])) == len(old) and len(set(texts[len(old) :])) == len(new):
                return texts[: len(old)], texts[len(old) :]
    texts = [json.dumps(one, sort_keys=True) for one in items]
    return texts[: len(old)], texts[len(old) :]


def _items(old: JSON, new: JSON) -> Iterator[Line]:
    """One item before and after; what stands first in it leads, if it stays."""
    if same(old, new):
        yield from signed(" ", item(new))
        return
    first, *rest = compared(old, new)
    if first.sign != " ":
        yield from _replaced(list(item(old)), list(item(new)))
        return
    yield replace(first, text=f"- {first.text}", leads=True)
    yield from _indented(rest)


def _texts(old: list[str], new: list[str]) -> Iterator[Line]:
    start, end = _alike(old, new)
    yield from signed(" ", old[:start])
    yield from _middle(old[start : len(old) - end], new[start : len(new) - end])
    yield from signed(" ", old[len(old) - end :])


def _middle(old: list[str], new: list[str]) -> Iterator[Line]:
    if len(old) + len(new) > MAX_COMPARED:
        yield from signed("-", old)
        yield from signed("+", new)
        return
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            yield from signed(" ", old[i:j])
        else:
            yield from _replaced(old[i:j], new[k:m])


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    """Lines in place of others; as many as before are taken for the same ones, changed."""
    if len(old) != len(new):
        yield from signed("-", old)
        yield from signed("+", new)
        return
    marks = list(map(_marks, old, new))
    for text, mark in zip(old, marks, strict=True):
        yield Line(sign="-", text=text, mark=mark and mark[0])
    for text, mark in zip(new, marks, strict=True):
        yield Line(sign="+", text=text, mark=mark and mark[1])


def _marks(old: str, new: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Where two lines differ; None where they have next to nothing in common.

    ASCII alone: a look-alike shows itself by the letters around it, so it is not cut from them.
    """
    if not old.isascii() or not new.isascii():
        return None
    start, end = _alike(old, new)
    if start + end <= len(INDENT) + 1:
        return None
    return (start, len(old) - end), (start, len(new) - end)


def _alike(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How much is the same at the beginning and at the end, counted once."""
    start = _begins_alike(old, new)
    rest = min(len(old), len(new)) - start
    return start, _begins_alike(old[::-1][:rest], new[::-1][:rest])


def _begins_alike(old: Sequence[str], new: Sequence[str]) -> int:
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(old), len(new)))


def _indented(lines: Iterable[Line]) -> Iterator[Line]:
    for line in lines:
        mark = line.mark and (line.mark[0] + len(INDENT), line.mark[1] + len(INDENT))
        yield replace(line, text=INDENT + line.text, mark=mark)
