"""Agents show tokens: which are believed, and who the caller is.

Knows OAuth (RFC 6750, RFC 9068, RFC 9449) and nothing of HTTP connections: `api.edge` asks here.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import anyio
from mcp.server.auth.provider import AccessToken

from api.callers import FULL_SCOPE, STATIC_ISSUER, Caller
from api.possession import Possession, Shown, Spend
from shared.errors import Refusal
from shared.jose import (
    ACCESS_TOKEN_TYPES,
    ASYMMETRIC,
    KeySet,
    check_claims,
    key_id,
    numeric_date,
    verify,
)

CACHE_SIZE: Final = 10_000
CACHE_TTL_S: Final = 300
"""A verified token is believed without looking again for five minutes, or until it expires: what a
withdrawn key may cost, against a signature check of 0.1 to 0.4 ms per call."""
FETCHING_THREADS: Final = 4


class Keys(Protocol):
    """What `shared.keysets.RemoteKeys` offers."""

    def at_hand(self, kid: str) -> KeySet | None:
        """The keys without I/O, or None when they must be fetched first."""
        ...

    def keys_for(self, kid: str) -> KeySet:
        """The keys, fetched if need be; blocks."""
        ...


class Verifier:
    """Decides which bearer tokens are believed; one per process, used from one event loop."""

    def __init__(  # noqa: PLR0913 - all that a verdict depends on
        self,
        *,
        keys: Keys,
        issuer: str,
        resource: str,
        clock: Callable[[], float],
        algorithms: frozenset[str] = ASYMMETRIC,
        full_scope: str = FULL_SCOPE,
        static_token: str | None = None,
        spend: Spend | None = None,
        bound_tokens_only: bool = False,
    ) -> None:
        """`clock` gives seconds since the epoch; `static_token` is for local demos only.

        `spend` says once for each proof of possession that it is new; `bound_tokens_only`: who
        shows a token must prove to hold its key.
        """
        self._keys = keys
        self._issuer = issuer
        self._resource = resource
        self._clock = clock
        self._algorithms = algorithms
        self._full_scope = full_scope
        self._static_digest = _sha256(static_token) if static_token else None
        self._believed: OrderedDict[bytes, tuple[Caller, int]] = OrderedDict()
        self._possession = Possession(
            resource=resource, clock=clock, spend=spend, bound_tokens_only=bound_tokens_only
        )
        self._fetching = anyio.CapacityLimiter(FETCHING_THREADS)

    async def verify(self, token: str) -> Caller | Refusal:
        """Who shows this token, or why it is not believed.

        Raises:
            KeysUnavailable: the issuer's keys cannot be had, so nobody can tell.
        """
        digest = _sha256(token)
        if self._static_digest is not None and hmac.compare_digest(digest, self._static_digest):
            return self._static_caller(digest)
        remembered = self._remembered(digest)
        if remembered is not None:
            return remembered
        caller = await self._judge(token, digest)
        if isinstance(caller, Caller):
            self._remember(digest, caller)
        return caller

    async def verify_shown(self, shown: Shown) -> Caller | Refusal:
        """Who shows this token in this way, or why it is not believed.

        Raises:
            KeysUnavailable: the issuer's keys cannot be had, so nobody can tell.
            RedisUnavailable: whether a proof of possession is new is not known.
        """
        caller = await self.verify(shown.token)
        if isinstance(caller, Refusal):
            return caller
        return await self._possession.refusal(caller, shown) or caller

    async def _judge(self, token: str, digest: bytes) -> Caller | Refusal:
        kid = key_id(token, algorithms=self._algorithms, types=ACCESS_TOKEN_TYPES)
        if isinstance(kid, Refusal):
            return kid
        keys = self._keys.at_hand(kid)
        if keys is None:
            keys = await anyio.to_thread.run_sync(self._keys.keys_for, kid, limiter=self._fetching)
        signed = verify(token, keys, algorithms=self._algorithms, types=ACCESS_TOKEN_TYPES)
        if isinstance(signed, Refusal):
            return signed
        refusal = check_claims(
            signed.claims, issuer=self._issuer, audience=self._resource, now=int(self._clock())
        )
        return caller_of(signed.claims, digest) if refusal is None else refusal

    def _static_caller(self, digest: bytes) -> Caller:
        return Caller(
            iss=STATIC_ISSUER,
            sub="static-bearer",
            client_id="static-bearer",
            scopes=frozenset({self._full_scope}),
            token_digest=digest.hex()[:16],
            expires_at=None,
            is_static=True,
        )

    def _remembered(self, digest: bytes) -> Caller | None:
        entry = self._believed.get(digest)
        if entry is None:
            return None
        caller, until = entry
        if self._clock() >= until:
            del self._believed[digest]
            return None
        self._believed.move_to_end(digest)
        return caller

    def _remember(self, digest: bytes, caller: Caller) -> None:
        until = int(self._clock()) + CACHE_TTL_S
        if caller.expires_at is not None:
            until = min(until, caller.expires_at)
        self._believed[digest] = (caller, until)
        if len(self._believed) > CACHE_SIZE:
            self._believed.popitem(last=False)


def caller_of(claims: Mapping[str, object], digest: bytes) -> Caller | Refusal:
    """The caller that checked claims describe; `digest` is the SHA-256 of their token."""
    client_id = _client_id(claims)
    if client_id is None:
        return Refusal(code="claim_client", message="The token does not name its client.")
    scopes = _scopes(claims)
    if scopes is None:
        return Refusal(code="claim_scope", message="The token's scopes are not readable.")
    bound = _key_thumbprint(claims)
    if bound is None:
        told = "The token is bound to something that cannot be proven here."
        return Refusal(code="claim_confirmation", message=told)
    return Caller(
        iss=str(claims["iss"]),
        sub=str(claims["sub"]),
        client_id=client_id,
        scopes=scopes,
        token_digest=digest.hex()[:16],
        expires_at=numeric_date(claims["exp"]),
        key_thumbprint=bound,
    )


def _key_thumbprint(claims: Mapping[str, object]) -> str | None:
    """The key to which a token is bound (RFC 9449 §6.1), empty if to none, None if to other things.

    A certificate (RFC 8705) cannot be seen behind a proxy that ends TLS.
    """
    confirmation = claims.get("cnf")
    if confirmation is None:
        return ""
    if not isinstance(confirmation, dict) or confirmation.keys() != {"jkt"}:
        return None
    thumbprint = confirmation["jkt"]
    return thumbprint if isinstance(thumbprint, str) and thumbprint else None


def _client_id(claims: Mapping[str, object]) -> str | None:
    """RFC 9068 says `client_id`; Keycloak, Auth0 and Entra `azp`, Entra v1 `appid`, Okta `cid`."""
    for name in ("client_id", "azp", "appid", "cid"):
        value = claims.get(name)
        if isinstance(value, str) and 0 < len(value) <= 255:  # noqa: PLR2004 - as for sub
            return value
    return None


def _scopes(claims: Mapping[str, object]) -> frozenset[str] | None:
    """`scope` by RFC 9068, a string; Entra says `scp` as a string, Okta as a list."""
    value = claims.get("scope", claims.get("scp", ""))
    names = value.split(" ") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return frozenset(name for name in names if name)


def access_token(caller: Caller, resource: str) -> AccessToken:
    """The same caller in the words of the MCP SDK, which binds sessions and request state to it.

    It carries the digest instead of the token: nothing behind the edge needs a bearer secret.
    """
    return AccessToken(
        token=f"sha256:{caller.token_digest}",
        client_id=caller.client_id,
        scopes=sorted(caller.scopes),
        expires_at=caller.expires_at,
        resource=resource,
        subject=caller.sub,
        claims={"iss": caller.iss},
    )


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
