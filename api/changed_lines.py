"""A changed value as signed lines, in blocks that fold where they are long. Pure; no HTML here.

Nothing is left out: what is folded is on the page and says how much it is. Where `open_all` is
asked for, as for high risk, everything is open from the start.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Final, Literal

from api.outline import outline
from shared.plans import PlannedChange

FOLD_LINES: Final = 80
FOLD_CHARACTERS: Final = 4000
PREVIEW_LINES: Final = 40
PREVIEW_CHARACTERS: Final = 2000
CONTEXT_LINES: Final = 3
"""Unchanged lines that stay beside a change."""
MAX_COMPARED_LINES: Final = 2000
"""Comparing line by line is quadratic at worst; longer texts are shown whole, old above new."""

Sign = Literal["-", "+", " "]
_WHOLE: Final = {"add": "The whole new object", "remove": "The whole object, as it is now"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a change: taken away, added, or there before and after."""

    sign: Sign
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines that fold together. Without a label they are always seen."""

    lines: tuple[Line, ...]
    label: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """One changed path."""

    path: str
    whole: bool
    """True when the path is no path but words for the object itself."""
    blocks: tuple[Block, ...]


def change(planned: PlannedChange, *, open_all: bool) -> ShownChange:
    """Returns one changed path as lines with signs."""
    return ShownChange(
        path=planned.path or _WHOLE.get(planned.op, "The whole object"),
        whole=not planned.path,
        blocks=tuple(_blocks(_lines(planned), open_all=open_all)),
    )


def _lines(planned: PlannedChange) -> list[Line]:
    old = [] if planned.op == "add" else list(outline(planned.old))
    new = [] if planned.op == "remove" else list(outline(planned.new))
    if not old or not new or len(old) + len(new) > MAX_COMPARED_LINES:
        return [*_signed("-", old), *_signed("+", new)]
    return list(_compared(old, new))


def _compared(old: list[str], new: list[str]) -> Iterator[Line]:
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            yield from _signed(" ", old[old_from:old_to])
        else:
            yield from _signed("-", old[old_from:old_to])
            yield from _signed("+", new[new_from:new_to])


def _signed(sign: Sign, texts: Iterable[str]) -> Iterator[Line]:
    return (Line(sign=sign, text=text) for text in texts)


def _blocks(lines: Sequence[Line], *, open_all: bool) -> Iterator[Block]:
    """Runs of unchanged and of changed lines; of the long ones, the middle or the end folds."""
    seen = 0
    for unchanged, group in groupby(lines, key=lambda line: line.sign == " "):
        run = tuple(group)
        before, after = seen > 0, seen + len(run) < len(lines)
        seen += len(run)
        if unchanged:
            yield from _unchanged(run, before=before, after=after, open_all=open_all)
        else:
            yield from _changed(run, open_all=open_all)


def _unchanged(
    run: tuple[Line, ...], *, before: bool, after: bool, open_all: bool
) -> Iterator[Block]:
    """Beside a change some lines stay; `before` and `after` say on which sides there is one."""
    head = CONTEXT_LINES if before else 0
    tail = len(run) - (CONTEXT_LINES if after else 0)
    if tail - head <= CONTEXT_LINES:
        yield Block(lines=run)
        return
    yield Block(lines=run[:head])
    middle = run[head:tail]
    yield Block(lines=middle, label=f"{len(middle):,} unchanged lines", folded=not open_all)
    yield Block(lines=run[tail:])


def _changed(run: tuple[Line, ...], *, open_all: bool) -> Iterator[Block]:
    if len(run) <= FOLD_LINES and _length(run) <= FOLD_CHARACTERS:
        yield Block(lines=run)
        return
    shown = len(tuple(_preview(run)))
    rest = run[shown:]
    if shown:
        yield Block(lines=run[:shown])
    yield Block(lines=rest, label=_size(rest, more=shown > 0), folded=not open_all)


def _preview(run: Sequence[Line]) -> Iterator[Line]:
    length = 0

    def fits(line: Line) -> bool:
        nonlocal length
        length += len(line.text)
        return length <= PREVIEW_CHARACTERS

    return takewhile(fits, run[:PREVIEW_LINES])


def _length(lines: Sequence[Line]) -> int:
    return sum(len(line.text) for line in lines)


def _size(lines: Sequence[Line], *, more: bool) -> str:
    noun = "line" if len(lines) == 1 else "lines"
    return f"{len(lines):,} {'more ' if more else ''}{noun}, {_length(lines):,} characters"
