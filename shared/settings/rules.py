"""What a value must be like: the few rules that the settings of all processes share."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic_settings import NoDecode

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})  # noqa: S104 - refused

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


def is_loopback(url: str) -> bool:
    """Says whether a URL points at this machine."""
    host = urlsplit(url).hostname or ""
    return host in LOOPBACK or host.startswith("127.")


def comma_separated(value: object) -> object:
    """Returns the parts of a text at its commas; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def origin(url: str) -> tuple[str, str]:
    """Returns scheme and authority."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def is_secure(url: str) -> bool:
    """Says whether a URL is https, or http on this machine, and names nobody."""
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
    return secure and bool(parts.hostname) and "@" not in parts.netloc


def insecure(variable: str, url: str | None) -> list[str]:
    """Returns what Production has against a URL, if anything."""
    if url is None or (url.startswith("https://") and not is_loopback(url)):
        return []
    return [f"{variable} needs https:// and a name that is not loopback"]


def when(condition: bool, problem: str) -> list[str]:
    """Returns the problem if there is one."""
    return [problem] if condition else []


def raise_if_any(problems: list[str]) -> None:
    """Refuses settings with problems; pydantic tells them."""
    if problems:
        raise ValueError("Production refuses:\n    " + "\n    ".join(problems))
