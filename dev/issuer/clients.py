"""The clients this issuer knows: three from the start, the rest registered by themselves."""

import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dev.issuer.client_keys import Jwk, read_jwks
from dev.issuer.files import read_json, write_json
from dev.issuer.settings import ACCEPTED_SCOPES, IDENTITY_SCOPES, Settings
from shared.errors import BadConfiguration, Refusal

APPROVAL_CLIENT = "infra-gate-approval-ui"
CLI_CLIENT = "infragate-cli"
TERMINAL_CLIENT = "infra-gate-approval-cli"
MAX_REGISTERED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An OAuth client. With `jwks` it proves itself by key, without it is public.

    `native`: a program on this machine, whose redirect port is not known in advance.
    `require_par`: its authorization requests count only when pushed (RFC 9126 §6).
    `bound_tokens_only`: it gets no token without a proof of a key (RFC 9449 §5.2).
    """

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: frozenset[str]
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    jwks: tuple[Jwk, ...] = ()
    native: bool = True
    require_par: bool = False
    bound_tokens_only: bool = False
    registered_at: float | None = None
    """Seconds since 1970; None for a client that is part of the issuer."""

    @property
    def auth_method(self) -> str:
        return "private_key_jwt" if self.jwks else "none"


class Clients:
    """All clients by id; the registered ones survive a restart."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.state / "clients.json"
        self._clock = settings.clock
        self._fixed = {client.client_id: client for client in _fixed(settings)}
        self._registered = {raw["client_id"]: _thaw(raw) for raw in read_json(self._path, [])}

    def get(self, client_id: str | None) -> Client | None:
        if client_id is None:
            return None
        return self._fixed.get(client_id) or self._registered.get(client_id)

    def register(self, proposal: Client) -> Client:
        """Adds a client under an id of our choosing; the oldest one gives way when full."""
        while len(self._registered) >= MAX_REGISTERED:
            del self._registered[next(iter(self._registered))]
        client_id = f"dyn-{secrets.token_urlsafe(16)}"
        client = replace(proposal, client_id=client_id, registered_at=self._clock())
        self._registered[client_id] = client
        write_json(self._path, [_freeze(one) for one in self._registered.values()])
        return client


def _fixed(settings: Settings) -> list[Client]:
    cli = Client(
        client_id=CLI_CLIENT,
        name="InfraGate command line",
        redirect_uris=("http://127.0.0.1/callback", "http://localhost/callback"),
        scopes=ACCEPTED_SCOPES,
        grant_types=frozenset({"authorization_code", "refresh_token"}),
    )
    terminal = Client(
        client_id=TERMINAL_CLIENT,
        name="InfraGate approvals in a terminal",
        redirect_uris=("http://127.0.0.1/callback",),
        scopes=frozenset(IDENTITY_SCOPES),
    )
    if settings.approval_jwks is None:
        return [cli, terminal]
    pages = _approval_client(settings.approval_jwks, settings.approval_redirects)
    return [cli, terminal, pages]


def _approval_client(jwks: Path, redirects: tuple[str, ...]) -> Client:
    """The client of the approval pages: key-bound and pushed, or it cannot start a login.

    Raises:
        BadConfiguration: the JWKS file is missing or holds no usable public key.
    """
    keys = read_jwks(read_json(jwks, None))
    if isinstance(keys, Refusal):
        raise BadConfiguration(f"{jwks}: {keys.message}")
    return Client(
        client_id=APPROVAL_CLIENT,
        name="InfraGate approval pages",
        redirect_uris=redirects,
        scopes=frozenset(IDENTITY_SCOPES),
        jwks=keys,
        native=False,
        require_par=True,
    )


def _freeze(client: Client) -> dict[str, Any]:
    frozen = asdict(client)
    return frozen | {
        "scopes": sorted(client.scopes),
        "grant_types": sorted(client.grant_types),
    }


def _thaw(raw: dict[str, Any]) -> Client:
    return Client(
        **raw
        | {
            "redirect_uris": tuple(raw["redirect_uris"]),
            "scopes": frozenset(raw["scopes"]),
            "grant_types": frozenset(raw["grant_types"]),
            "jwks": tuple(raw["jwks"]),
        }
    )
