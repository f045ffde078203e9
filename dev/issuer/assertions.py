"""How a client proves who it is: by a signed assertion (RFC 7523), or not at all when public."""

import math
from collections.abc import Mapping
from typing import Any

import jwt
from jwt.types import Options

from dev.issuer.client_keys import ALGORITHMS, choose, verifying_key
from dev.issuer.clients import Client, Clients
from dev.issuer.memory import ShortLived
from dev.issuer.settings import Settings
from shared.errors import Refusal

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFETIME = 300
"""Seconds that an assertion may live; it is remembered a little longer, so that it works once."""
LEEWAY = 5
_MAX_SIZE = 4096
_MAX_JTI = 256
_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""Times, audience and names are judged by our own clock and rules, in `ClientAuthentication`."""


class ClientAuthentication:
    """Answers which client sends a form, and refuses one that cannot prove it."""

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._clients = clients
        self._clock = settings.clock
        self._audiences = {settings.issuer, settings.url("/token"), settings.url("/par")}
        self._seen: ShortLived[bool] = ShortLived(
            clock=settings.clock, seconds=MAX_LIFETIME + 2 * LEEWAY, limit=100_000
        )

    def authenticate(self, form: Mapping[str, str], *, basic: bool = False) -> Client | Refusal:
        """The client behind `form`; `basic` tells that an Authorization header came along."""
        if basic or "client_secret" in form:
            return _refused("no client here has a secret; use PKCE alone or private_key_jwt")
        if "client_assertion" in form or "client_assertion_type" in form:
            return self._by_assertion(form)
        client = self._clients.get(form.get("client_id"))
        if client is None:
            return _refused("unknown client_id; register again")
        if client.jwks:
            return _refused("this client must authenticate with private_key_jwt")
        return client

    def _by_assertion(self, form: Mapping[str, str]) -> Client | Refusal:
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE or len(assertion) > _MAX_SIZE:
            return _refused(f"client_assertion_type must be {ASSERTION_TYPE}")
        client = self._clients.get(_claimed_subject(assertion))
        if client is None or form.get("client_id", client.client_id) != client.client_id:
            return _refused("the assertion names no known client, or another than client_id")
        claims = _verified(assertion, client)
        if isinstance(claims, Refusal):
            return claims
        return self._judge(claims, client)

    def _judge(self, claims: dict[str, Any], client: Client) -> Client | Refusal:
        """RFC 7523 §3, with the lifetime bounded and `jti` demanded and spent."""
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            return _refused("iss and sub of the assertion must be the client_id")
        if not self._is_for_us(claims.get("aud")):
            return _refused("aud of the assertion must be this issuer or its token endpoint")
        if not self._is_live(claims):
            return _refused(f"the assertion must be live, for at most {MAX_LIFETIME} seconds")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 1 <= len(jti) <= _MAX_JTI:
            return _refused("the assertion needs a jti")
        if not self._seen.claim(f"{client.client_id} {jti}", value=True):
            return _refused("this assertion was used before")
        return client

    def _is_for_us(self, audience: object) -> bool:
        if isinstance(audience, list) and len(audience) == 1:
            audience = audience[0]
        return isinstance(audience, str) and audience in self._audiences

    def _is_live(self, claims: dict[str, Any]) -> bool:
        now = self._clock()
        times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
        if "exp" not in times or not all(map(_is_time, times.values())):
            return False
        expires = times.pop("exp")
        ends_in_time = now - LEEWAY < expires <= now + MAX_LIFETIME + LEEWAY
        return ends_in_time and all(start <= now + LEEWAY for start in times.values())


def _claimed_subject(assertion: str) -> str | None:
    """Whose keys to try; worth nothing until the signature holds."""
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    subject = claims.get("sub")
    return subject if isinstance(subject, str) else None


def _verified(assertion: str, client: Client) -> dict[str, Any] | Refusal:
    bad = _refused("the assertion's signature does not hold")
    try:
        header = jwt.get_unverified_header(assertion)
        jwk = choose(client.jwks, header.get("kid"))
        key = verifying_key(jwk) if jwk else bad
        if isinstance(key, Refusal) or key.algorithm_name not in ALGORITHMS or "crit" in header:
            return bad
        claims: dict[str, Any] = jwt.decode(
            assertion,
            key,
            algorithms=[key.algorithm_name],
            options=_SIGNATURE_ONLY,
        )
    except jwt.PyJWTError:
        return bad
    return claims


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refused(why: str) -> Refusal:
    return Refusal(code="invalid_client", message=why)
