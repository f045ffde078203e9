"""How this issuer runs: addresses, folders and the approval client. Reads no environment."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Clock = Callable[[], float]

DEFAULT_PORT = 3011
DEFAULT_RESOURCE = "http://127.0.0.1:3001/mcp"
DEFAULT_APPROVAL_REDIRECT = "http://127.0.0.1:3001/approvals/callback"

IDENTITY_SCOPES = ("openid", "profile")
RESOURCE_SCOPES = ("mcp:tools", "mcp:tools.read", "mcp:tools.plan", "mcp:tools.apply")
PUBLISHED_SCOPES = (*IDENTITY_SCOPES, *RESOURCE_SCOPES)
ACCEPTED_SCOPES = frozenset({*PUBLISHED_SCOPES, "offline_access"})
"""`offline_access` is accepted, for clients that always add it, and changes nothing. It is not
published: some clients add it, and with it a forced consent, as soon as they see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the issuer is told at start.

    `issuer` is the exact `iss`, without a trailing slash; `resources` the audiences that exist, the
    first being the default; `approval_jwks` the public keys of the approval client, which
    does not exist without them; `allowed_hosts` are `Host` values beyond the issuer's own.
    """

    state: Path
    issuer: str = f"http://127.0.0.1:{DEFAULT_PORT}"
    resources: tuple[str, ...] = (DEFAULT_RESOURCE,)
    approval_redirects: tuple[str, ...] = (DEFAULT_APPROVAL_REDIRECT,)
    approval_jwks: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    clock: Clock = time.time
    """Seconds since 1970; tests bring their own."""

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset({urlsplit(self.issuer).netloc, *self.allowed_hosts})

    def url(self, path: str, *, host: str = "") -> str:
        """An address of this issuer; `host` is the `Host` by which a program asked for it.

        Programs that reach it by another name than browsers do (in containers) go on by that name.
        """
        return (f"http://{host}" if host in self.allowed_hosts else self.issuer) + path
