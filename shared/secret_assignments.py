"""Secrets that are secret because of the name before them, or look random behind any name.

`password=…`, `"api_key": "…"`, `--token …`, `<secret>…</secret>`, YAML, environment and query
forms. A name is found by its stem (`passw`, `token`, …), then read to its end, its separator and
its value, each step bounded or consuming, so the work is linear. Nothing here changes text.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from shared.anchors import positions
from shared.secret_forms import Span, Subject

_KIND_OF_STEM = {
    "passw": "password",
    "passphrase": "password",
    "passcode": "password",
    "pwd": "password",
    "secret": "secret",
    "credential": "secret",
    "token": "token",
    "key": "api-key",
    "sessionid": "session",
    "session_id": "session",
    "sessid": "session",
}

_KEY_OWNERS = tuple(
    "api access private signing encryption encrypt account"  # noqa: SIM905 - a list reads worse
    " shared master auth secret client storage license licence webhook session app application hmac"
    " aes rsa jwt cookie admin deploy service ssh subscription instrumentation consumer primary"
    " secondary".split()
)
"""What makes a `key` a secret one; a `key` alone is any key of any map."""

_NAME_END = (
    r"(?:passw(?:or)?[dt]|passphrase|passcode|pwd|secret|credentials?|token|key"
    r"|session_?id|sessid)"
    r"(?:[_.-]?(?:hash|value|base|base64|b64|text|plain|plaintext|production|prod|dev|test|staging"
    r"|old|new|current|default|primary|secondary|(?<=secret.)id|\d{1,4}))?"
)
_SEPARATOR = re.compile(
    rf"(?ia){_NAME_END}(?![A-Za-z0-9_-])\\{{0,4}}[\"'`]?\]?"
    r"(?P<sep>[ \t]{0,8}(?:=>|:=|={1,3}|:|%3D|%3A)[ \t]{0,8}"
    r"|[ \t]{0,4},[ \t\n]{0,20}(?=[\"'])|[ \t]{1,4}|>)"
)
_NO_NAME_BEFORE = re.compile(r"(?:\[redacted:[a-z-]{0,20}|\*v1\.)$")
"""Our own mark; a Go type in the logs of controllers (`*v1.Secret: …`)."""

_FLAG_BEFORE = re.compile(
    r"(?:(?:^|[\s\"'=(\[,])--?[A-Za-z0-9_-]{0,40}|\blogin[ \t]+[^\s]{1,80}[ \t]+)$"
)

_NO_SECRET = re.compile(
    r"(?ia)(?:null|none|nil|true|false|undefined|n/a|empty|unset|\*+|x{3,}|<[^<>]*>"
    r"|<set to the key .*|\$\{.*\}|\$\(.*\)|\$[A-Z_]+|\{\{.*\}\}|%\w*%?|\(sensitive value\)"
    r"|\[(?:redacted|filtered|hidden|masked)[^\]]*\]|redacted|/(?:[a-z0-9._-]+/)+[A-Za-z0-9._-]*"
    r"|[\W_]{1,2})[,;})\]]*"
)
_OBJECT_NAME = re.compile(r"[a-z0-9-]+/[a-z0-9][a-z0-9.-]*")
_PROSE = frozenset(
    "a an and are argument at auth authentication by can cannot"  # noqa: SIM905 - as above
    " changed could denied detected did disabled does empty enabled error expired failed"
    " failure flag for found from generated has have in incorrect invalid is it mismatch"
    " missing must no not of ok on only option or parameter provided refresh refreshed"
    " rejected required reset revoked rotated set should signature the this to tokens too"
    " unable unauthorized unexpected unknown updated was were will with wrong".split()
)
_WORD = re.compile(r"[A-Za-z]+(?=[\s.,;:!)]|$)")


def by_name(subject: Subject) -> Iterator[Span]:
    """Yield the values that stand behind a name such as `password`, `api_key` or `--token`."""
    done = 0
    for at, stem in sorted(_stems(subject.lower)):
        name = _SEPARATOR.match(subject.text, at)
        # Inside a value only a quoted one is looked for: it may reach beyond, and it ends soon.
        if not name or (at < done and not _OPENING_QUOTE.match(subject.text, name.end())):
            continue
        if _is_named(subject.text, at, stem, name["sep"]):
            span = _value(subject.text, at, name, _KIND_OF_STEM[stem])
            if span:
                done = max(done, span.end)
                yield span


def is_secret_name(name: str) -> str | None:
    """Return the kind of secret that a field of this name holds, or None.

    `secretName` or `tokenExpirationSeconds` hold none: the name has to end with the secret word.
    """
    padded = name + ":"
    for stem, kind in _KIND_OF_STEM.items():
        at = name.lower().rfind(stem)
        end = _SEPARATOR.match(padded, at) if at >= 0 else None
        if end and end.end() == len(padded) and _is_named(padded, at, stem, end["sep"]):
            return kind
    return None


def _stems(lower: str) -> Iterator[tuple[int, str]]:
    for stem in _KIND_OF_STEM:
        for at in positions(lower, stem):
            yield at, stem


def _is_named(text: str, at: int, stem: str, separator: str) -> bool:
    """Check what stands before the stem: the owner of a key, the dashes of a flag."""
    before = text[max(0, at - 60) : at]
    if _NO_NAME_BEFORE.search(before):
        return False
    if stem == "key" and not before.rstrip("_-. ").lower().endswith(_KEY_OWNERS):
        return False
    if separator.strip(" \t\n") in {"", ","}:
        return _FLAG_BEFORE.search(before) is not None
    return separator != ">" or re.search(r"<[\w:.-]{0,40}$", before) is not None


def _value(text: str, at: int, name: re.Match[str], kind: str) -> Span | None:
    """Read the value behind a separator, or None when it is empty or plainly no secret."""
    start = name.end()
    if name["sep"] == ">":
        end = _next(_UP_TO["<"], text, start)
    elif (quote := _OPENING_QUOTE.match(text, start)) is not None:
        start = quote.end()
        end = _closing_quote(text, quote)
    elif (block := _BLOCK_SCALAR.match(text, start)) is not None:
        return Span(block.start("s"), block.end("s"), kind) if not _is_marked(block["s"]) else None
    else:
        if _reads_as_prose(text, start, name["sep"]):
            return None
        end = _unquoted_end(text, at, start, name["sep"])
    return Span(start, end, kind) if _is_secret(text[start:end], kind, text, at) else None


def _is_marked(value: str) -> bool:
    return value.strip().startswith("[redacted:")


def _is_secret(value: str, kind: str, text: str, at: int) -> bool:
    if not value or _NO_SECRET.fullmatch(value.strip()):
        return False
    if kind == "password":
        is_working_directory = text[at : at + 3].lower() == "pwd" and value.startswith("/")
        return not is_working_directory
    if kind == "session":
        return len(value) >= _SHORTEST_SESSION
    if kind == "secret" and _OBJECT_NAME.fullmatch(value):
        return False  # namespace/name of a Secret, as controllers log it
    return not (value.isdigit() and len(value) < _SHORTEST_NUMBER)


_SHORTEST_SESSION = 12
_SHORTEST_NUMBER = 6


def _reads_as_prose(text: str, start: int, separator: str) -> bool:
    """Tell `token: expired` and `--password is required` from a value."""
    if separator.strip(" \t") not in {":", ""} or not separator.endswith((" ", "\t")):
        return False
    word = _WORD.match(text, start, start + 20)
    return word is not None and word[0].lower() in _PROSE


# The ends of values

_OPENING_QUOTE = re.compile(r"[bu]?(?P<slashes>\\{0,4})(?P<quote>[\"'`])")
_BLOCK_SCALAR = re.compile(
    r"[|>][+-]?\d?[ \t]*\n(?P<s>(?P<indent>[ \t]+)\S[^\n]*(?:\n(?P=indent)[^\n]*)*)"
)
_UNQUOTED = re.compile(
    r"(?:[^\s&;,\"'<>`%\\]|[;,&](?!\s|$|[\w.-]{1,64}[\"']?[=:])|[\"'`<>](?=[\w.!@#$*-])"
    r"|%(?!26|0A|0D)|\\(?![\"'nr]))++"
)
_AT_LINE_START = re.compile(r"[ \t]*(?:- |\+ |export |set |ENV |ARG )?[\"']?[\w.-]*\Z")
_COMMENT = re.compile(r"[ \t]#")
_UP_TO = {stop: re.compile(rf"[^{stop}\n]*+") for stop in "\"'`<"}
_LINE_END = re.compile(r"[^\n]*+")


def _closing_quote(text: str, opening: re.Match[str]) -> int:
    """Return where a quoted value ends: at a quote escaped as the first one, or with the line."""
    quote, depth = opening["quote"], len(opening["slashes"])
    at = _next(_UP_TO[quote], text, opening.end())
    while text.startswith(quote, at):
        slashes = 0
        while text[at - slashes - 1] == "\\":
            slashes += 1
        doubled = quote == "'" and text.startswith("''", at)
        if not doubled and (slashes == depth if depth else slashes % 2 == 0):
            return at - depth
        at = _next(_UP_TO[quote], text, at + (2 if doubled else 1))
    return at


def _next(stop: re.Pattern[str], text: str, start: int) -> int:
    found = stop.match(text, start)
    return found.end() if found else start


def _unquoted_end(text: str, at: int, start: int, separator: str) -> int:
    """Return where a bare value ends: with its line in YAML and env files, else at a delimiter."""
    bare = _UNQUOTED.match(text, start)
    end = bare.end() if bare else start
    line_start = text.rfind("\n", max(0, at - 120), at) + 1
    if end == start or not _AT_LINE_START.fullmatch(text, line_start, at):
        return end
    rest = text[end : _next(_LINE_END, text, end)]
    if separator.strip(" \t") == "=" and "=" in rest:
        return end
    comment = _COMMENT.search(rest)
    return end + len((rest[: comment.start()] if comment else rest).rstrip())


# Values that look random

_RANDOM = re.compile(r"[=:][ \t]{0,4}\\{0,3}[\"'`]?(?P<s>(?!//)[A-Za-z0-9+/_-]{20,}+=*)")
_PUBLIC_NAME = re.compile(
    r"(?ia)(?:id|ids|uid|uuid|guid|hash|digest|sha\d*|md5|checksum|etag|fingerprint|thumbprint|kid"
    r"|commit|revision|rev|version|image|trace|span|integrity|name|continue|cursor|path|file|url|uri"
    r"|host|pod|container|node|namespace|certificate|cert|crt|ca|data|bundle|class|type|kind)$"
)
_CERTIFICATE = "LS0tLS1CRUdJTi"
_SAMPLE = 256


def by_entropy(text: str) -> Iterator[Span]:
    """Yield values of 20 characters or more that look random, behind `=` or `:` and any name."""
    for match in _RANDOM.finditer(text):
        value = match["s"]
        if _is_hexadecimal(value):
            continue
        name = _name_before(text, match.start())
        if not _PUBLIC_NAME.search(name) and looks_random(value):
            yield Span(*match.span("s"), "high-entropy")


def looks_random(value: str) -> bool:
    """Tell keys from names, hashes, paths and words, by alphabet, entropy and changes of class.

    Hexadecimal is never called random: digests, commits, uids and trace ids are no secrets.
    """
    letters = [char for char in value[:_SAMPLE] if char.isalnum()]
    if value.startswith(_CERTIFICATE) or _is_hexadecimal(value) or _is_path(value):
        return False
    if len(letters) < 18 or _entropy(letters) < 3.4:  # noqa: PLR2004 - bits per character
        return False
    classes = {_class(char) for char in letters}
    changes = sum(_class(a) != _class(b) for a, b in pairwise(letters))
    least = _LEAST_CHANGES.get("".join(sorted(classes)), 1.0)
    return changes >= least * len(letters) and ("u" in classes or value.isalnum())


_LEAST_CHANGES = {"dlu": 0.35, "lu": 0.5, "dl": 0.3, "du": 0.3}
"""Least share of neighbours of different classes (digit, lower, upper): a random string of letters
and digits has 0.6, a CamelCase name 0.3."""


def _class(char: str) -> str:
    return "d" if char.isdigit() else "l" if char.islower() else "u"


def _entropy(chars: list[str]) -> float:
    counts = Counter(chars).values()
    return -sum(n / len(chars) * math.log2(n / len(chars)) for n in counts)


def _is_hexadecimal(value: str) -> bool:
    return not value.lower().strip("0123456789abcdef-_")


def _is_path(value: str) -> bool:
    longest = max(map(len, value.split("/")))
    return "/" in value and longest < 16  # noqa: PLR2004 - random base64 has longer parts


def _name_before(text: str, end: int) -> str:
    before = text[max(0, end - 80) : end].rstrip(" \t\"'`\\]")
    return re.split(r"[^A-Za-z0-9_.-]", before)[-1]
