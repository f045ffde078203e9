"""Private keys in PEM form (RFC 7468): whole, escaped, prefixed by a logger, cut by a log's end.

Certificates and public keys are none, and nothing is decoded here; it tells where keys stand.
"""

import re
from collections.abc import Iterator

_PEM_MARKER = re.compile(
    r"-{4,5} ?(?P<side>BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
)
_LONGEST_PEM = 32 * 1024
_REST_OF_KEY = re.compile(
    r"(?:\\+[rn]|[A-Za-z0-9+/=])*+[ \t\r\"',\\]*+\n?"
    r"(?:(?:Proc-Type|DEK-Info|Version|Comment):[^\n]*\n|[ \t\r]*\n"
    r"|[^\n]{0,100}?[A-Za-z0-9+/=]{40}[^\n]*(?:\n|\Z))*+"
    r"(?:[ \t]*[A-Za-z0-9+/]{1,64}={0,2}[ \t\r]*(?=\n|\Z))?"
)
_KEY_LINE = re.compile(r"[A-Za-z0-9+/]{40}")
_LAST_LINE = re.compile(r"[ \t]*[A-Za-z0-9+/]{1,64}={0,2}[ \t\r]*")
_KEY_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\\"


def private_keys(text: str) -> Iterator[tuple[int, int]]:
    r"""Yield start and end of each PEM private key, from its BEGIN to its END line.

    A key without an END goes on while lines hold 40 characters of base64; one without a BEGIN goes
    back likewise. Line feeds may be escaped (`\n`), lines may have prefixes such as timestamps.
    """
    if "PRIVATE KEY" not in text:
        return
    opened: re.Match[str] | None = None
    done = 0
    for marker in _PEM_MARKER.finditer(text):
        if opened and (marker["side"] == "BEGIN" or marker.end() - opened.start() > _LONGEST_PEM):
            done = _end_of_open_key(text, opened, marker.start())
            yield opened.start(), done
            opened = None
        if marker["side"] == "BEGIN":
            opened = marker
            continue
        start = opened.start() if opened else _start_of_cut_key(text, marker.start(), done)
        opened, done = None, marker.end()
        yield start, done
    if opened:
        yield opened.start(), _end_of_open_key(text, opened, len(text))


def _end_of_open_key(text: str, opened: re.Match[str], limit: int) -> int:
    rest = _REST_OF_KEY.match(text, opened.end(), limit)
    return rest.end() if rest else opened.end()


def _start_of_cut_key(text: str, end: int, floor: int) -> int:
    """Go back over lines, or an escaped run, of base64 that lead up to an END marker.

    One line that does not look like it is stepped over: a key's last line is short, and a logger's
    prefix hides that it is base64 nevertheless.
    """
    floor = max(floor, end - _LONGEST_PEM)
    *lines, own = text[floor:end].split("\n")
    bare = own.rstrip(_KEY_CHARACTERS)
    if bare != own or not lines:
        return end - len(own) + len(bare)
    first = len(lines) - bool(_LAST_LINE.fullmatch(lines[-1]))
    for index in range(len(lines) - 1, -1, -1):
        if _KEY_LINE.search(lines[index]):
            first = index
        elif index < first - 1:
            break
    if first == len(lines):
        return end
    return floor + sum(len(line) + 1 for line in lines[:first])
