"""The shapes of names, labels and keys, with the server's own words for what is wrong; pure.

Each rule takes a text and yields complaints. Source: apimachinery `pkg/util/validation`.
"""

import re
from collections.abc import Iterator

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_KEY = "[-._a-zA-Z0-9]+"

LABEL_LENGTH, SUBDOMAIN_LENGTH = 63, 253

_RULE = "regex used for validation is '{}'"
_NAME_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
    + _RULE.format(_QUALIFIED)
    + ")"
)


def _too_long(text: str, limit: int) -> Iterator[str]:
    if len(text) > limit:
        yield f"must be no more than {limit} characters"


def subdomain(text: str) -> Iterator[str]:
    yield from _too_long(text, SUBDOMAIN_LENGTH)
    if not re.fullmatch(_SUBDOMAIN, text):
        yield (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-'"
            " or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
            + _RULE.format(_SUBDOMAIN)
            + ")"
        )


def dns1123_label(text: str) -> Iterator[str]:
    yield from _too_long(text, LABEL_LENGTH)
    if not re.fullmatch(_LABEL, text):
        yield (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
            " and must start and end with an alphanumeric character (e.g. 'my-name',  or"
            " '123-abc', " + _RULE.format(_LABEL) + ")"
        )


def dns1035_label(text: str) -> Iterator[str]:
    yield from _too_long(text, LABEL_LENGTH)
    if not re.fullmatch(_1035, text):
        yield (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with"
            " an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or"
            " 'abc-123', " + _RULE.format(_1035) + ")"
        )


def qualified(text: str) -> Iterator[str]:
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        yield (
            "a qualified name "
            + _NAME_TEXT
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
        return
    if slash:
        yield from (f"prefix part {why}" for why in subdomain(prefix))
    if not name:
        yield "name part must be non-empty"
    if len(name) > LABEL_LENGTH:
        yield f"name part must be no more than {LABEL_LENGTH} characters"
    if not re.fullmatch(_QUALIFIED, name):
        yield "name part " + _NAME_TEXT


def label_value(text: str) -> Iterator[str]:
    yield from _too_long(text, LABEL_LENGTH)
    if not re.fullmatch(_VALUE, text):
        yield (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_'"
            " or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or"
            " 'my_value',  or '12345', " + _RULE.format(_VALUE) + ")"
        )


def config_key(text: str) -> Iterator[str]:
    yield from _too_long(text, SUBDOMAIN_LENGTH)
    if not re.fullmatch(_KEY, text):
        yield (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g."
            " 'key.name',  or 'KEY_NAME',  or 'key-name', " + _RULE.format(_KEY) + ")"
        )
    if text in (".", ".."):
        yield f"must not be '{text}'"


def port_name(text: str) -> Iterator[str]:
    yield from _too_long(text, 15)
    if not re.fullmatch("[-a-z0-9]+", text):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    elif not re.search("[a-z]", text):
        yield "must contain at least one letter (a-z)"
    elif "--" in text:
        yield "must not contain consecutive hyphens"
    elif text.startswith("-") or text.endswith("-"):
        yield "must not begin or end with a hyphen"
