"""Finds instructions to a model in text from a cluster, marks their lines, fences the text off.

Nothing is removed: a person debugging needs the line, and a model that reads it is told what it is.
Case, blanks, zero-width characters, look-alikes, light leetspeak, base64, hex and breaks over up to
three lines do not hide an instruction. A net, not a wall: no agent gains power by what it reads.
"""

import binascii
import re
import string
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise

from shared.anchors import positions
from shared.display import skeleton
from shared.injection_rules import FORMS, RULES, SQUASHED_RULES, Rule

MARK = "[!untrusted instruction-like text] "

_MOST_LINES = 3
"""Lines over which one instruction may be spread."""


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A line (from 1) that reads like an instruction, and which kind of it."""

    line: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A text whose instruction-like lines are marked, and what was found."""

    text: str
    hits: tuple[Hit, ...]


def scan(text: str) -> tuple[Hit, ...]:
    r"""Return a hit for every line (between `\n`) that is part of an instruction to a model."""
    hits = set(_hits(text))
    hits.update(_encoded_hits(text))
    return tuple(sorted(hits))


def mark(text: str) -> Marked:
    """Return `text` with `MARK` before each line that `scan` finds; no line is marked twice."""
    hits = scan(text)
    if not hits:
        return Marked(text=text, hits=())
    lines = text.split("\n")
    for number in {hit.line for hit in hits}:
        if not lines[number - 1].startswith(MARK):
            lines[number - 1] = MARK + lines[number - 1]
    return Marked(text="\n".join(lines), hits=hits)


def fence(text: str, marker: str, label: str) -> str:
    """Return `text` between two lines that only the holder of `marker` can write.

    Args:
        text: what came out of the cluster, cleaned.
        marker: 32 hexadecimal digits, random, for this call only.
        label: what the text is, in our own words: one short line without angle brackets.

    Raises:
        ValueError: the marker or the label is not of this form.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", marker):
        raise ValueError("a fence needs a marker of 32 hexadecimal digits")
    if not re.fullmatch(r"[ -;=?-~]{1,200}", label):
        raise ValueError("a fence needs a label of one short line without angle brackets")
    if marker in text.lower():  # a pattern is compiled for whoever guessed it, not for each call
        text = re.sub(marker, "[marker removed]", text, flags=re.IGNORECASE)
    return f"<<<{label} {marker}\n{text}\n{marker}>>>"


# Folding: see `injection_rules`

_PREFIX = re.compile(
    r"^(?:[\[(]?\d[\dtz:.,+/-]*[\])]?[ \t]+|\[[^\]\s]{1,40}\][ \t]+"
    r"|[\[(]?(?:info|warn(?:ing)?|error|debug|trace|fatal|notice|std(?:out|err)|f|p)[\])]?:?"
    r"[ \t]+)+",
    re.MULTILINE,
)
"""What loggers write before a message: it must not keep the halves of an instruction apart."""

_FOLD: dict[int, str | int | None] = {
    **dict.fromkeys(map(ord, string.punctuation), " "),
    **str.maketrans("013457l@$", "oieastias", "'`"),
}
_NO_BLANKS = str.maketrans("", "", string.digits + " ")
"""For folded lines, whose only blanks are single ones."""


def _plain(text: str) -> str:
    """Return `text` in lower case without disguises or loggers' prefixes, line for line."""
    lines = (skeleton(line).replace("\n", " ") for line in text.split("\n"))
    plain = text if _is_plain(text) else "\n".join(lines)
    return _PREFIX.sub("", plain.lower())


def _is_plain(text: str) -> bool:
    return text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()


def _hits(text: str) -> Iterator[Hit]:
    plain = _plain(text)
    words = plain.translate(_FOLD)
    lines = [" ".join(line.split()) for line in words.split("\n")]
    yield from _by_rules(RULES, lines, "\n")
    yield from _by_rules(SQUASHED_RULES, "\n".join(lines).translate(_NO_BLANKS).split("\n"), "")
    for kind, anchors, pattern in FORMS:
        if any(anchor in plain for anchor in anchors):
            line, seen = 1, 0
            for match in pattern.finditer(plain):
                line += plain.count("\n", seen, match.start())
                seen = match.start()
                yield Hit(line, kind)


def _by_rules(rules: Iterable[Rule], lines: list[str], joint: str) -> Iterator[Hit]:
    text = joint.join(lines)
    present = set(text.split()) if joint else None
    ends: list[int] = []
    for kind, start, end in _matches(rules, text, present):
        ends = ends or list(accumulate(len(line) + len(joint) for line in lines))
        first, last = bisect_right(ends, start), bisect_right(ends, end - 1)
        if last - first < _MOST_LINES:
            yield from (Hit(line + 1, kind) for line in range(first, last + 1))


def _matches(
    rules: Iterable[Rule], text: str, words: set[str] | None
) -> Iterator[tuple[str, int, int]]:
    """Try each rule at its anchors; `words`, if known, tell which anchors need no search."""
    for rule in rules:
        for anchor in rule.anchors:
            if words is not None and anchor not in words:
                continue
            for at in positions(text, anchor):
                if match := rule.pattern.match(text, at):
                    yield rule.kind, *match.span()


# Encodings

_SHORTEST_ENCODED = 24
_SHORTEST_PART = 8
_ENCODED = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST_ENCODED},}}={{0,2}}")
_PART = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST_PART},}}={{0,2}}")
_MOST_ENCODED = 8 * 1024
_LEAST_DECODED = 12
_TO_USUAL = str.maketrans("-_", "+/")
_READABLE = string.printable.encode()


def _encoded_hits(text: str) -> Iterator[Hit]:
    """Scan what decodes to readable text, in one line or joined from up to three.

    All of it is scanned at once, so far apart that nothing is read across: one scan for each would
    let a log of many small encoded words cost seconds.
    """
    found = [
        (number, count, " ".join(decoded.split()))
        for number, encoded, count in _encoded(text.split("\n"))
        if (decoded := _decoded(encoded))
    ]
    if not found:
        return
    for hit in set(_hits(("\n" * _MOST_LINES).join(decoded for _, _, decoded in found))):
        number, count, _ = found[(hit.line - 1) // _MOST_LINES]
        yield from (Hit(number + n, hit.kind) for n in range(count))


def _encoded(lines: list[str]) -> Iterator[tuple[int, str, int]]:
    """Yield number of the first line, the encoded text, and over how many lines it goes."""
    for number, line in enumerate(lines, 1):
        if len(line) >= _SHORTEST_ENCODED:
            for match in _ENCODED.finditer(line):
                yield number, match[0], 1
    long_enough = [len(line) >= _SHORTEST_PART for line in lines]
    if any(here and below for here, below in pairwise(long_enough)):
        yield from _joined(list(map(_tail, lines)))


def _joined(tails: list[str]) -> Iterator[tuple[int, str, int]]:
    """Yield the same for encoded words that stand at the ends of two or three lines in a row."""
    for first, joined in enumerate(tails):
        for last in range(first + 1, min(first + _MOST_LINES, len(tails))):
            if not joined or not tails[last]:
                break
            joined += tails[last]  # noqa: PLW2901 - grows line by line
            yield first + 1, joined, last - first + 1


def _tail(line: str) -> str:
    """Return the encoded word at a line's end, or nothing."""
    word = line.rstrip()[-_MOST_ENCODED:].rpartition(" ")[2]
    return word if _PART.fullmatch(word) else ""


def _decoded(encoded: str) -> str:
    """Return the readable text in base64 or hexadecimal, or nothing."""
    encoded = encoded[:_MOST_ENCODED].replace("=", "")
    for raw in _decodings(encoded):
        text = raw.replace(b"\0", b"")  # UTF-16 of ASCII
        if len(text) >= _LEAST_DECODED and len(text.translate(None, _READABLE)) < len(text) / 10:
            return text.decode("ascii", "ignore")
    return ""


def _decodings(encoded: str) -> Iterator[bytes]:
    """Decode hexadecimal, or base64 from each of four characters: what precedes may not belong."""
    with suppress(ValueError):
        yield bytes.fromhex(encoded)
        return
    usual = encoded.translate(_TO_USUAL)
    for offset in range(4):
        yield binascii.a2b_base64(usual[offset : len(usual) - (len(usual) - offset) % 4])
