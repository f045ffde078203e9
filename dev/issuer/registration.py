"""Dynamic client registration (RFC 7591): which metadata make a client, what it is told."""

from collections.abc import Mapping
from typing import Any

from dev.issuer.client_keys import read_jwks
from dev.issuer.clients import Client
from dev.issuer.redirects import is_loopback
from dev.issuer.settings import ACCEPTED_SCOPES
from shared.errors import Refusal

MAX_BODY = 16_384
"""Bytes of a registration request."""
MAX_NAME = 120
MAX_REDIRECTS = 10
_GRANT_TYPES = frozenset({"authorization_code", "refresh_token"})


def propose(metadata: object) -> Client | Refusal:
    """The client that `metadata` describe, still without an id.

    As RFC 7591 §2 allows, a wish that is not granted is replaced and told back (who wants a secret
    becomes a public client with PKCE); what would change the client's security is refused.
    """
    if not isinstance(metadata, dict):
        return _refused("the body must be a JSON object")
    redirects = _redirect_uris(metadata)
    if isinstance(redirects, Refusal):
        return redirects
    keys = read_jwks(metadata.get("jwks")) if _wants_keys(metadata) else ()
    if isinstance(keys, Refusal):
        return keys
    grants = _strings(metadata, "grant_types", ["authorization_code"])
    responses = _strings(metadata, "response_types", ["code"])
    if grants is None or responses is None:
        return _refused("`grant_types` and `response_types` must be lists of strings")
    if "authorization_code" not in grants or "code" not in responses:
        return _refused("only the authorization code flow is offered")
    return Client(
        client_id="",
        name=_name(metadata),
        redirect_uris=redirects,
        scopes=_scopes(metadata),
        grant_types=_GRANT_TYPES & set(grants),
        jwks=keys,
        require_par=metadata.get("require_pushed_authorization_requests") is True,
        bound_tokens_only=metadata.get("dpop_bound_access_tokens") is True,
    )


def describe(client: Client) -> dict[str, Any]:
    """What a client is told about its registration (RFC 7591 §3.2.1)."""
    told: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.registered_at or 0),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": sorted(client.grant_types),
        "response_types": ["code"],
        "scope": " ".join(sorted(client.scopes)),
        "token_endpoint_auth_method": client.auth_method,
        "require_pushed_authorization_requests": client.require_par,
        "dpop_bound_access_tokens": client.bound_tokens_only,
    }
    return told | ({"jwks": {"keys": list(client.jwks)}} if client.jwks else {})


def visible(text: str) -> str:
    """`text` with every character that does not show (control, bidi, zero-width) spelled out."""
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text)


def _wants_keys(metadata: Mapping[str, Any]) -> bool:
    return metadata.get("token_endpoint_auth_method") == "private_key_jwt"


def _redirect_uris(metadata: Mapping[str, Any]) -> tuple[str, ...] | Refusal:
    uris = _strings(metadata, "redirect_uris", [])
    if uris is None or not 1 <= len(uris) <= MAX_REDIRECTS:
        return _bad_redirect(f"`redirect_uris` must be a list of one to {MAX_REDIRECTS} URLs")
    if not all(map(is_loopback, uris)):
        return _bad_redirect(
            "this development issuer sends browsers to this machine only: "
            "http://127.0.0.1, http://localhost or http://[::1], any port, no fragment"
        )
    return tuple(uris)


def _strings(metadata: Mapping[str, Any], field: str, default: list[str]) -> list[str] | None:
    value = metadata.get(field, default)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return value


def _name(metadata: Mapping[str, Any]) -> str:
    name = metadata.get("client_name")
    return visible(name[:MAX_NAME]) if isinstance(name, str) and name.strip() else "unnamed client"


def _scopes(metadata: Mapping[str, Any]) -> frozenset[str]:
    wanted = metadata.get("scope")
    known = ACCEPTED_SCOPES & set(wanted.split()) if isinstance(wanted, str) else None
    return known or ACCEPTED_SCOPES


def _refused(why: str) -> Refusal:
    return Refusal(code="invalid_client_metadata", message=why)


def _bad_redirect(why: str) -> Refusal:
    return Refusal(code="invalid_redirect_uri", message=why)
