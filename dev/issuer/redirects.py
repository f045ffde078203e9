"""Where a browser may be sent back to: loopback addresses for programs, exact ones for the rest."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_LENGTH = 512


def is_loopback(uri: str) -> bool:
    """Whether `uri` is an http URL of this machine, as a program may register (RFC 8252 §7.3)."""
    parts = _parts(uri)
    return (
        parts is not None
        and parts.scheme == "http"
        and parts.hostname in LOOPBACK
        and not parts.fragment
        and "#" not in uri
        and "@" not in parts.netloc
    )


def is_registered(uri: str, registered: Iterable[str], *, any_port: bool) -> bool:
    """Whether `uri` is one of the registered ones: exactly, or in all but the port.

    A program on this machine learns its port only when it listens, so `any_port` holds for loopback
    redirects of native clients (RFC 8252 §7.3); all else compares as a string (RFC 9700 §4.1).
    """
    known = tuple(registered)
    if uri in known:
        return True
    if not any_port or not is_loopback(uri):
        return False
    return any(is_loopback(one) and _without_port(uri) == _without_port(one) for one in known)


def origin(uri: str) -> str:
    """Scheme, host and port of a URL, for people to read."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _without_port(uri: str) -> tuple[str, str | None, str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.path, parts.query


def _parts(uri: str) -> SplitResult | None:
    """The parts of a plain, printable ASCII URL; None where parsers might disagree."""
    if len(uri) > MAX_LENGTH or not all("!" <= char <= "~" for char in uri) or "\\" in uri:
        return None
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - reading it is the check: it raises for a port that is none
    except ValueError:
        return None
    return parts
