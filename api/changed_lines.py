"""Changed values as lines in blocks: what stays in sight and what folds. Pure; no HTML here.

Nothing is left out: what is folded is on the page and says how much it is. Where `open_all` is
asked for, as for high risk, everything is open from the start.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Final

from api.compared import Line, compared, signed
from api.outline import outline
from shared.manifests import JSON
from shared.plans import PlannedChange

FOLD_LINES: Final = 80
FOLD_CHARACTERS: Final = 4000
PREVIEW_LINES: Final = 40
PREVIEW_CHARACTERS: Final = 2000
CONTEXT_LINES: Final = 2
"""Unchanged lines that stay beside a change."""
LEAST_FOLDED: Final = 4

_WHOLE: Final = {"add": "The whole new object", "remove": "The whole object, as it is now"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines that fold together. Without a label they are always seen."""

    lines: tuple[Line, ...]
    label: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """One changed path, or a whole object before and after."""

    path: str
    whole: bool
    """True when the path is no path but words for the object itself."""
    blocks: tuple[Block, ...]


def change(planned: PlannedChange, *, open_all: bool) -> ShownChange:
    """Returns one changed path as lines with signs."""
    if planned.op == "change":
        lines = compared(planned.old, planned.new)
    elif planned.op == "add":
        lines = signed("+", outline(planned.new))
    else:
        lines = signed("-", outline(planned.old))
    return ShownChange(
        path=planned.path or _WHOLE.get(planned.op, "The whole object"),
        whole=not planned.path,
        blocks=tuple(_blocks(list(lines), open_all=open_all)),
    )


def before_and_after(before: JSON, after: JSON, *, open_all: bool) -> ShownChange:
    """Returns a whole object before and after, its unchanged parts folded."""
    return ShownChange(
        path="The whole object, before and after",
        whole=True,
        blocks=tuple(_blocks(list(compared(before, after)), open_all=open_all)),
    )


def _blocks(lines: Sequence[Line], *, open_all: bool) -> Iterator[Block]:
    """Lines out of sight of any change fold; of a long run of changed ones, the end does."""
    seen = _in_sight(lines)
    for (sight, changed), group in groupby(
        range(len(lines)), key=lambda at: (seen[at], lines[at].sign != " ")
    ):
        run = tuple(lines[at] for at in group)
        if changed:
            yield from _changed(run, open_all=open_all)
        elif sight:
            yield Block(lines=run)
        else:
            yield Block(lines=run, label=f"{_count(run)} unchanged", folded=not open_all)


def _in_sight(lines: Sequence[Line]) -> list[bool]:
    """Which lines change, lead to one or stand beside it; and what is too short to fold."""
    seen = [line.leads or line.sign != " " for line in lines]
    for at, line in enumerate(lines):
        if line.sign != " ":
            for near in range(max(0, at - CONTEXT_LINES), min(len(lines), at + CONTEXT_LINES + 1)):
                seen[near] = True
    if not any(seen):
        return [True] * len(lines)
    for sight, group in groupby(list(range(len(lines))), key=lambda at: seen[at]):
        run = list(group)
        if not sight and len(run) < LEAST_FOLDED:
            seen[run[0] : run[-1] + 1] = [True] * len(run)
    return seen


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


def _length(lines: Iterable[Line]) -> int:
    return sum(len(line.text) for line in lines)


def _count(lines: Sequence[Line], more: str = "") -> str:
    return f"{len(lines):,} {more}line{'' if len(lines) == 1 else 's'}"


def _size(lines: Sequence[Line], *, more: bool) -> str:
    return f"{_count(lines, 'more ' if more else '')}, {_length(lines):,} characters"
