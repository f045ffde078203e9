"""Keeps a result within its bytes: long texts are shortened, then long lists cut alike. Pure."""

from bisect import bisect_right
from itertools import accumulate, chain, zip_longest
from typing import Any, Final

import msgspec

from worker.cluster import JSONObject

LONGEST_TEXT: Final = (1024, 256, 64)
"""Characters of one string; the second and third only when the whole would not fit otherwise."""

KEPT_WHOLE: Final = frozenset({"findings", "notes"})
"""Lists that are what a reader came for."""


def fitted(dump: JSONObject, budget: int) -> tuple[JSONObject, bool]:
    """`dump` within `budget` bytes of JSON, and whether rows had to go.

    All lists of rows are cut to the same length, so that a few Services stay beside a thousand
    Pods. The argument is not changed.
    """
    cut = False
    for longest in LONGEST_TEXT:
        dump = shortened(dump, longest)
        if len(msgspec.json.encode(dump)) <= budget:
            return dump, cut
        dump, was_cut = _cut(dump, budget)
        cut = cut or was_cut
        if len(msgspec.json.encode(dump)) <= budget:
            return dump, cut
    return dump, cut


def shortened(value: Any, longest: int) -> Any:
    """`value` with no string beyond `longest` characters."""
    if isinstance(value, str):
        return value if len(value) <= longest else value[: longest - 1] + "…"
    if isinstance(value, dict):
        return {key: shortened(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item, longest) for item in value]
    return value


def lines_within(text: str, budget: int) -> str:
    """The first lines of `text` that fit into `budget` bytes of UTF-8."""
    if len(text.encode()) <= budget:
        return text
    lines = text.split("\n")
    ends = list(accumulate(len(line.encode()) + 1 for line in lines))
    return "\n".join(lines[: bisect_right(ends, budget)])


def last_lines_within(text: str, budget: int) -> str:
    """The last lines of `text` that fit into `budget` bytes; of one huge line, its end."""
    data = text.encode()
    if len(data) <= budget:
        return text
    tail = data[-budget:]
    _, found, rest = tail.partition(b"\n")
    if data[-budget - 1 : -budget] == b"\n":
        rest = tail
    return (rest if found and rest else tail).decode(errors="ignore")


def _cut(dump: JSONObject, budget: int) -> tuple[JSONObject, bool]:
    lists = _row_lists(dump)
    sizes = [[len(msgspec.json.encode(row)) + 1 for row in rows] for rows in lists.values()]
    everything = len(msgspec.json.encode(dump))
    room = budget - (everything - sum(chain.from_iterable(sizes)))
    per_length = accumulate(sum(level) for level in zip_longest(*sizes, fillvalue=0))
    length = bisect_right(list(per_length), max(room - 16 * len(lists), 0))
    if all(len(rows) <= length for rows in lists.values()):
        return dump, False
    return {key: _with_rows(value, length, key in lists) for key, value in dump.items()}, True


def _row_lists(dump: JSONObject) -> dict[str, list[Any]]:
    """The lists of rows: `dump[key]`, or `dump[key]["items"]` of a table."""
    found = {
        key: value.get("items") if isinstance(value, dict) else value
        for key, value in dump.items()
        if key not in KEPT_WHOLE
    }
    return {key: rows for key, rows in found.items() if isinstance(rows, list)}


def _with_rows(value: Any, length: int, is_list: bool) -> Any:
    if not is_list:
        return value
    if isinstance(value, list):
        return value[:length]
    rows = value["items"]
    return {**value, "items": rows[:length], "truncated": value["truncated"] or len(rows) > length}
