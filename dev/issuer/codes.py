"""Authorization codes: good once, for a minute, for whoever knows the verifier."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dev.issuer.clients import Client
from dev.issuer.memory import ShortLived
from dev.issuer.refresh import RefreshTokens
from dev.issuer.requests import AuthorizationRequest
from dev.issuer.sessions import Session
from dev.issuer.settings import Clock
from dev.issuer.thumbprints import b64url
from shared.errors import Refusal

LIFETIME = 60
"""Seconds between the login and the redemption."""
_REMEMBERED = 3600
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a code stands for."""

    request: AuthorizationRequest
    session: Session


class Codes:
    """Open codes, and the spent ones with the refresh family that each began."""

    def __init__(self, clock: Clock, refresh: RefreshTokens) -> None:
        self._open: ShortLived[Grant] = ShortLived(clock=clock, seconds=LIFETIME)
        self._spent: ShortLived[str | None] = ShortLived(
            clock=clock, seconds=_REMEMBERED, limit=10_000
        )
        self._refresh = refresh

    def issue(self, grant: Grant) -> str:
        return self._open.put(grant)

    def redeem(self, form: Mapping[str, str], client: Client) -> Grant | Refusal:
        """The grant of `form`'s code. Whatever the outcome, the code is gone.

        A code that comes twice was stolen: what it was exchanged for is revoked (RFC 6749 §4.1.2).
        """
        code = form.get("code", "")
        grant = self._open.take(code)
        if grant is None:
            self._refresh.revoke(self._spent.take(code))
            return _refused("the code is unknown, expired or was used before")
        to = grant.request.destination
        if to.client.client_id != client.client_id:
            return _refused("the code was issued to another client")
        if form.get("redirect_uri") != to.redirect_uri:
            return _refused("redirect_uri differs from the one in the authorization request")
        if not _proves(form.get("code_verifier", ""), grant.request.code_challenge):
            return _refused("code_verifier does not match the code_challenge")
        if form.get("resource", grant.request.resource) != grant.request.resource:
            return Refusal(code="invalid_target", message="the code is for another resource")
        return grant

    def remember(self, code: str, family_id: str) -> None:
        """Notes what `code` was exchanged for, in case it comes again."""
        self._spent.claim(code, family_id)


def _proves(verifier: str, challenge: str) -> bool:
    """RFC 7636 §4.6, method S256."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = b64url(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(digest, challenge)


def _refused(why: str) -> Refusal:
    return Refusal(code="invalid_grant", message=why)
