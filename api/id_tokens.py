"""Whether an ID token starts a session for looking; approvals are the applier's to judge.

Gentler than the applier's checks: for looking, a login may be older than this visit.
"""

import asyncio
import hmac
from collections.abc import Mapping
from typing import Final, Protocol

from shared import jose
from shared.approvals import LEEWAY_S, MAX_TOKEN_AGE_S
from shared.errors import Refusal
from shared.jose import KeySet

ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA"})


class RemoteKeys(Protocol):
    """The provider's published keys, fetched when needed; blocks."""

    def keys_for(self, kid: str) -> KeySet:
        """Returns the key set in which `kid` should be."""


async def claims_of(token: str, keys: RemoteKeys) -> Mapping[str, object] | Refusal:
    """Returns what a token says that the provider signed, or that it cannot be believed.

    Raises:
        KeysUnavailable: nobody can tell.
    """
    kid = jose.key_id(token, algorithms=ALGORITHMS)
    if isinstance(kid, Refusal):
        return _not_believed()
    key_set = await asyncio.to_thread(keys.keys_for, kid)
    verified = jose.verify(token, key_set, algorithms=ALGORITHMS)
    return _not_believed() if isinstance(verified, Refusal) else verified.claims


async def sign_in_claims(
    token: str, keys: RemoteKeys, *, issuer: str, client_id: str, nonce: str, now: int
) -> Mapping[str, object] | Refusal:
    """Returns the claims of a token that starts a session, or why it does not.

    Raises:
        KeysUnavailable: nobody can tell.
    """
    claims = await claims_of(token, keys)
    if isinstance(claims, Refusal):
        return claims
    problem = sign_in_refusal(claims, issuer=issuer, client_id=client_id, nonce=nonce, now=now)
    return claims if problem is None else problem


def sign_in_refusal(
    claims: Mapping[str, object], *, issuer: str, client_id: str, nonce: str, now: int
) -> Refusal | None:
    """Returns why an ID token starts no session (OIDC Core, 3.1.3.7); None if it does."""
    audience = claims.get("aud")
    ours = audience in (client_id, [client_id]) and claims.get("azp", client_id) == client_id
    sent, subject = claims.get("nonce"), claims.get("sub")
    answers = isinstance(sent, str) and hmac.compare_digest(sent.encode(), nonce.encode())
    named = isinstance(subject, str) and 0 < len(subject) <= 255  # noqa: PLR2004 - OIDC Core, 2
    if claims.get("iss") != issuer or not ours or not answers or not named:
        return _not_believed()
    return None if _is_current(claims, now=now) else _not_believed()


def _is_current(claims: Mapping[str, object], *, now: int) -> bool:
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int) or not isinstance(issued, int):
        return False
    return now < expires + LEEWAY_S and now - MAX_TOKEN_AGE_S <= issued <= now + LEEWAY_S


def _not_believed() -> Refusal:
    return Refusal(
        code="login_not_believed", message="The identity provider's answer cannot be believed."
    )
