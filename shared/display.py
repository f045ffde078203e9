"""Characters that hide or deceive: removed for agents, made visible for people; no meaning here.

`stripped` is for text that a model reads, `visible` for text that a person approves, `skeleton` for
code that compares. Which characters conceal is decided once, in `conceals`, from Unicode's general
categories and its list of default-ignorable code points. All three functions are linear and pure.
"""

import re
import unicodedata
from collections.abc import Callable

_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")

# ECMA-48: CSI; then OSC, DCS, SOS, PM and APC up to their terminator, or to the end of the line if
# it is missing; then the two-character escapes. Each alternative matches once started, so nothing
# backtracks and no ESC survives to begin another sequence.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)

_PLAIN_ASCII = re.compile(r"[\n\t\x20-\x7e]*")

_VISIBLE_FORMAT = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
"""Format characters that have a shape of their own (Arabic number signs and their like)."""

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks without any shape (default-ignorable, but not of a format category)."""

_IGNORABLE_RANGES = (
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0xFE00, 0xFE0F),  # variation selectors, which can carry a byte each
    (0xFFF0, 0xFFF8),
    (0xE0000, 0xE0FFF),  # tags, and variation selectors 17 to 256
)

_MAX_TABLE = 4096
"""Entries that a table remembers: enough for a language, too few for a flood to fill memory."""


def stripped(text: str) -> str:
    r"""Return `text` without anything that a terminal obeys or that the eye cannot see.

    Escape sequences go whole, hyperlinks keep their label; every kind of line break becomes `\n`;
    tabs stay. Ordinary text in any script stays as it is. Idempotent.
    """
    if _PLAIN_ASCII.fullmatch(text):
        return text
    broken = _LINE_BREAKS.sub("\n", text)
    return _ANSI.sub("", broken).translate(_STRIP)


def visible(text: str) -> str:
    """Return `text` with every character that hides or deceives written as `<U+202E>`.

    Look-alikes of ASCII letters stay and are followed by their code point, where they stand among
    ASCII; ordinary words of another script stay untouched. Line feeds and tabs stay. To be applied
    once, last: a second pass may add marks, though never take one away.
    """
    if _PLAIN_ASCII.fullmatch(text):
        return text
    return "\n".join(_unmasked(line) for line in text.split("\n")).translate(_SHOW)


def skeleton(text: str) -> str:
    """Return `text` without hidden characters and accents, its look-alikes turned into ASCII."""
    if text.isascii():
        return stripped(text)
    plain = unicodedata.normalize("NFKD", stripped(text)).translate(_UNACCENTED)
    return plain.translate(_ASCII_OF)


def conceals(char: str) -> bool:
    """Say whether `char` steers, hides or is no character at all; line feed and tab do not."""
    match unicodedata.category(char):
        case "Cc":
            return char not in "\n\t"
        case "Cf":
            return char not in _VISIBLE_FORMAT
        case "Cs" | "Zl" | "Zp":
            return True
        case _:
            return _is_blank_or_no_character(char)


def _is_blank_or_no_character(char: str) -> bool:
    code = ord(char)
    not_a_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF  # noqa: PLR2004 - Unicode 23.7
    ignorable = any(first <= code <= last for first, last in _IGNORABLE_RANGES)
    return not_a_character or ignorable or char in _BLANK_LETTERS


def code_point(char: str) -> str:
    """Return the mark for one character: `<U+202E>`."""
    return f"<U+{ord(char):04X}>"


class _Table(dict[int, str]):
    """A table for `str.translate` that decides about a character when it first meets it."""

    def __init__(self, decide: Callable[[str], str]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, code: int) -> str:
        result = self._decide(chr(code))
        if len(self) < _MAX_TABLE:
            self[code] = result
        return result


def _shown(char: str) -> str:
    unassigned_or_private = unicodedata.category(char) in {"Cn", "Co"}
    odd_blank = char != " " and (unicodedata.category(char) == "Zs" or char == "\u2800")
    return code_point(char) if unassigned_or_private or odd_blank or conceals(char) else char


_STRIP = _Table(lambda char: "" if conceals(char) else char)
_SHOW = _Table(_shown)
_UNACCENTED = _Table(lambda char: "" if unicodedata.category(char) == "Mn" else char)


# Look-alikes. The pairs follow Unicode's confusables.txt (UTS 39), cut down to those that fool an
# eye in an ordinary interface font. Written as escapes, or nobody could review the table.

_CONFUSABLES = {
    # Cyrillic
    "a\u0430 c\u0441 d\u0501 e\u0435 h\u04bb i\u0456 j\u0458 l\u04cf o\u043e p\u0440 q\u051b",
    "s\u0455 v\u0475 w\u051d x\u0445 y\u0443 y\u04af A\u0410 B\u0412 C\u0421 E\u0415 G\u050c",
    "H\u041d I\u0406 I\u04c0 J\u0408 K\u041a M\u041c O\u041e P\u0420 Q\u051a S\u0405 T\u0422",
    "V\u0474 W\u051c X\u0425 Y\u0423 Y\u04ae k\u043a",
    # Greek
    "a\u03b1 c\u03f2 i\u03b9 j\u03f3 k\u03ba n\u03b7 o\u03bf p\u03c1 u\u03c5 v\u03bd y\u03b3",
    "A\u0391 B\u0392 C\u03f9 E\u0395 H\u0397 I\u0399 K\u039a M\u039c N\u039d O\u039f P\u03a1",
    "T\u03a4 X\u03a7 Y\u03a5 Z\u0396",
    # Armenian, Coptic
    "g\u0581 h\u0570 j\u0575 n\u0578 o\u0585 q\u0566 u\u057d w\u0561 L\u053c O\u0555 S\u054f",
    "U\u054d c\u2ca5 o\u2c9f p\u2ca3 C\u2ca4 H\u2c8e K\u2c94 M\u2c98 N\u2c9a O\u2c9e P\u2ca2",
    "T\u2ca6",
    # Cherokee
    "A\u13aa B\u13f4 C\u13df D\u13a0 E\u13ac G\u13c0 H\u13bb J\u13ab K\u13e6 L\u13de M\u13b7",
    "P\u13e2 S\u13da T\u13a2 V\u13d9 W\u13d4 Z\u13c3 i\u13a5",
    # Lisu
    "B\ua4d0 P\ua4d1 D\ua4d3 T\ua4d4 G\ua4d6 K\ua4d7 J\ua4d9 C\ua4da Z\ua4dc F\ua4dd M\ua4df",
    "N\ua4e0 L\ua4e1 S\ua4e2 R\ua4e3 V\ua4e6 H\ua4e7 W\ua4ea X\ua4eb Y\ua4ec A\ua4ee E\ua4f0",
    "I\ua4f2 O\ua4f3 U\ua4f4",
    # Signs that names, paths and references are made of
    ".\u2024 .\ua4f8 -\u2010 -\u2011 -\u2212 /\u2044 /\u2215 :\u0589 :\u2236 :\ua789 ;\u037e",
}
_ASCII_LOOK_ALIKES = {pair[1]: pair[0] for row in _CONFUSABLES for pair in row.split()}

# Letters of the Latin script, ordinary in Turkish and phonetics: they count only in a line without
# any other foreign letter.
_LATIN_LOOK_ALIKES = {"\u0131": "i", "\u0251": "a", "\u0261": "g", "\u0237": "j", "\u0269": "i"}

_FIRST_AFTER_LATIN_1 = "\u0100"


def _ascii_of(char: str) -> str:
    """Return the ASCII character that `char` passes for, or `char`."""
    known = _ASCII_LOOK_ALIKES.get(char) or _LATIN_LOOK_ALIKES.get(char)
    if known or char < _FIRST_AFTER_LATIN_1:
        return known or char
    folded = unicodedata.normalize("NFKC", char)  # full-width and mathematical letters
    passes = folded.isascii() and (folded.isalnum() or folded in "./-@")
    return folded if len(folded) == 1 and passes else char


_ASCII_OF = _Table(_ascii_of)

_TOKEN = re.compile(
    r"[^\s\"'`<>(){}\[\],;|=\u3000-\u303f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]+"
)
_ASCII_LETTER = re.compile(r"[A-Za-z]")
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_NOT_LATIN = re.compile(f"[^\\x00-\\x7f{''.join(_LATIN_LOOK_ALIKES)}]")
_SEGMENT = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")


def _unmasked(line: str) -> str:
    """Mark the look-alikes of one line."""
    if line.isascii():
        return line
    foreign = {char for char in _FOREIGN.findall(line) if not conceals(char)}
    if all(_ASCII_OF[ord(char)] != char for char in foreign if char.isalpha()):
        return _FOREIGN.sub(_with_code_point, line)
    return _TOKEN.sub(_unmasked_token, line)


def _unmasked_token(token: re.Match[str]) -> str:
    """Mark a token's look-alikes where they stand among ASCII letters, or between them."""
    if token[0].isascii() or not _ASCII_LETTER.search(token[0]):
        return token[0]
    return _SEGMENT.sub(_unmasked_segment, token[0])


def _unmasked_segment(segment: re.Match[str]) -> str:
    """Mark one run of letters, if it is all look-alikes or mixes them with ASCII letters."""
    word = segment[0]
    if all(_ASCII_OF[ord(char)] != char for char in word):
        return _FOREIGN.sub(_with_code_point, word)
    if _ASCII_LETTER.search(word):
        return _NOT_LATIN.sub(_with_code_point, word)
    return word


def _with_code_point(match: re.Match[str]) -> str:
    """Return a look-alike followed by its mark, anything else as it is."""
    char = match[0]
    return char if _ASCII_OF[ord(char)] == char else char + code_point(char)
