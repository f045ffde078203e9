"""What the issued tokens say: JWT access tokens (RFC 9068) and ID tokens (OIDC Core §2)."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from dev.issuer.keys import Keyring
from dev.issuer.people import PEOPLE
from dev.issuer.sessions import Session
from dev.issuer.settings import Settings
from dev.issuer.thumbprints import b64url

ACCESS_LIFETIME = 3600
ID_LIFETIME = 300
"""Seconds."""


class Tokens:
    """Makes this issuer's tokens and reads its own access tokens back."""

    def __init__(self, settings: Settings, keys: Keyring) -> None:
        self._issuer = settings.issuer
        self._userinfo = settings.url("/userinfo")
        self._audiences = {*settings.resources, self._userinfo}
        self._clock = settings.clock
        self._keys = keys

    def access_token(
        self,
        *,
        subject: str,
        client_id: str,
        scope: Sequence[str],
        resource: str | None,
        key: str = "",
    ) -> str:
        """For `resource`, or for this issuer's userinfo when no resource was asked for.

        With the thumbprint of a `key` it is good only beside proofs of it (RFC 9449 §6.1).
        """
        now = int(self._clock())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": resource or self._userinfo,
            "sub": subject,
            "client_id": client_id,
            "scope": " ".join(scope),
            "iat": now,
            "exp": now + ACCESS_LIFETIME,
            "jti": secrets.token_urlsafe(16),
        }
        return self._keys.sign(claims | ({"cnf": {"jkt": key}} if key else {}), typ="at+jwt")

    def id_token(
        self, *, session: Session, client_id: str, nonce: str | None, access_token: str
    ) -> str:
        """About the login of `session`, for `client_id` alone.

        `acr` "0" and `amr` "user" tell the truth: somebody was present and clicked, no more.
        """
        now = int(self._clock())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": client_id,
            "azp": client_id,
            "sub": session.subject,
            "iat": now,
            "exp": now + ID_LIFETIME,
            "auth_time": session.auth_time,
            "sid": session.sid,
            "acr": "0",
            "amr": ["user"],
            "name": PEOPLE[session.subject].name,
            "at_hash": b64url(hashlib.sha256(access_token.encode()).digest()[:16]),
        }
        return self._keys.sign(claims | ({"nonce": nonce} if nonce else {}), typ="JWT")

    def read_access_token(self, token: str) -> dict[str, Any] | None:
        """The claims of a live access token of ours; None for anything else."""
        claims = self._keys.verify(token, typ="at+jwt")
        if claims is None or claims.get("iss") != self._issuer:
            return None
        live = self._clock() < claims["exp"]
        return claims if live and claims.get("aud") in self._audiences else None
