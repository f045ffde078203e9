"""Origins: scheme, host and port of an address, as browsers write them. Fetches nothing."""

from typing import Final
from urllib.parse import urlsplit

_USUAL: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Returns scheme, host and port of a URL, as a browser writes an origin."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    host = host_of(url)
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _USUAL.get(scheme)) else f":{parts.port}"
    return f"{scheme}://{host}{port}"


def host_of(url: str) -> str:
    """Returns the host of a URL, in small letters and without brackets; empty if it has none."""
    return urlsplit(url).hostname or ""
