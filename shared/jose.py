"""Which signed tokens are believed, given a key set; fetching keys is in `shared.keysets`.

`verify` takes a compact JWS apart in a fixed order and refuses with a constant code at the first
thing that is not exactly as expected (RFC 7515, RFC 7519, RFC 8725). `check_claims` then asks
whether a believed token is an access token for us, now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jwt.algorithms import get_default_algorithms

from shared.errors import Refusal
from shared.jwks import (
    MAX_KID_LENGTH,
    Key,
    KeySet,
    parse_key_set,
)
from shared.strict import (
    strict_base64url,
    strict_json,
)

__all__ = [
    "ACCESS_TOKEN_TYPES",
    "ASYMMETRIC",
    "Key",
    "KeySet",
    "Signed",
    "Verified",
    "authenticate",
    "check_claims",
    "key_id",
    "numeric_date",
    "parse_key_set",
    "verify",
]

MAX_TOKEN_BYTES: Final = 16 * 1024
MAX_LIFETIME_S: Final = 24 * 3600
"""The longest an access token may live; Auth0's default, the longest of the usual providers."""

ASYMMETRIC: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"}
)
"""Every algorithm that `verify` can be asked for; there is no `none` and no HMAC among them."""

ACCESS_TOKEN_TYPES: Final = frozenset({"", "jwt", "at+jwt"})
"""Keycloak, Auth0 and Entra say `JWT`, RFC 9068 says `at+jwt`, some say nothing."""

_ALGORITHMS: Final = {name: get_default_algorithms()[name] for name in ASYMMETRIC}
_FORBIDDEN_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})
"""Where to find a key, what else to understand. `x5t` stays: Entra sends it, it points nowhere."""
_MESSAGES: Final = {
    "token_size": "The token is too large.",
    "token_encoding": "The token is not strict base64url.",
    "token_parts": "The token does not have exactly three parts.",
    "token_header": "The token's header is not a JSON object with unique members.",
    "token_header_forbidden": "The token's header names keys or extensions that are not accepted.",
    "token_type": "The token is of another type than the one expected here.",
    "token_algorithm": "The token is signed with an algorithm that is not accepted.",
    "token_kid": "The token does not name its key.",
    "token_unknown_key": "The token is signed with a key that its issuer does not publish.",
    "token_key_mismatch": "The token's algorithm does not fit its key.",
    "token_signature": "The token's signature is not valid.",
    "token_claims": "The token's claims are not a JSON object with unique members.",
    "claim_issuer": "The token was issued by somebody else.",
    "claim_audience": "The token was issued for another resource.",
    "claim_subject": "The token does not say whose it is.",
    "claim_times": "The token's times are missing or are not numbers.",
    "claim_expired": "The token has expired.",
    "claim_not_yet": "The token is not valid yet.",
    "claim_lifetime": "The token lives longer than is accepted.",
    "claim_purpose": "The token is not an access token.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Bytes that the holder of `key` signed; what they mean is not looked at yet."""

    header: Mapping[str, object]
    payload: bytes
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A token whose signature is valid; nothing has been said about its claims.

    `thumbprint` (RFC 7638) names the key that signed it.
    """

    header: Mapping[str, object]
    claims: Mapping[str, object]
    thumbprint: str


def verify(
    token: str,
    keys: KeySet,
    *,
    algorithms: frozenset[str] = ASYMMETRIC,
    types: frozenset[str] | None = None,
    max_bytes: int = MAX_TOKEN_BYTES,
) -> Verified | Refusal:
    """Believe a compact JWS whose payload is one JSON object, or say why not.

    `algorithms` pins the accepted `alg` (those outside `ASYMMETRIC` are never accepted). `types`
    are the accepted `typ` in lower case without `application/`, "" standing for none; None accepts
    any. `max_bytes` bounds the whole token.
    """
    signed = authenticate(token, keys, algorithms=algorithms, types=types, max_bytes=max_bytes)
    if isinstance(signed, Refusal):
        return signed
    claims = strict_json(signed.payload)
    if not isinstance(claims, dict):
        return _refused("token_claims")
    return Verified(header=signed.header, claims=claims, thumbprint=signed.key.thumbprint)


def authenticate(
    token: str,
    keys: KeySet,
    *,
    algorithms: frozenset[str] = ASYMMETRIC,
    types: frozenset[str] | None = None,
    max_bytes: int = MAX_TOKEN_BYTES,
) -> Signed | Refusal:
    """Who signed these bytes: `verify` without a word about the payload."""
    parts = _take_apart(token, max_bytes=max_bytes)
    if isinstance(parts, Refusal):
        return parts
    header = _read_header(parts.header, algorithms=algorithms, types=types)
    if isinstance(header, Refusal):
        return header
    key = keys.get(header.kid)
    if key is None:
        return _refused("token_unknown_key")
    if header.alg not in key.algorithms:
        return _refused("token_key_mismatch")
    if not _ALGORITHMS[header.alg].verify(parts.signing_input, key.public, parts.signature):
        return _refused("token_signature")
    return Signed(header=header.members, payload=parts.payload, key=key)


def key_id(
    token: str,
    *,
    algorithms: frozenset[str] = ASYMMETRIC,
    types: frozenset[str] | None = None,
    max_bytes: int = MAX_TOKEN_BYTES,
) -> str | Refusal:
    """The `kid` to look for before `verify`; an untrusted word from a well-formed token."""
    parts = _take_apart(token, max_bytes=max_bytes)
    if isinstance(parts, Refusal):
        return parts
    header = _read_header(parts.header, algorithms=algorithms, types=types)
    return header if isinstance(header, Refusal) else header.kid


def check_claims(
    claims: Mapping[str, object],
    *,
    issuer: str,
    audience: str,
    now: int,
    leeway_s: int = 30,
    max_lifetime_s: int = MAX_LIFETIME_S,
) -> Refusal | None:
    """Why these claims do not make an access token for `audience` (RFC 9068 §4), or None.

    `now` and the times are seconds since the epoch; `leeway_s` allows for clocks that differ.
    Issuer and audience compare exactly; a list of audiences must contain ours. Fractions of a
    second in `exp`, `iat` and `nbf` are tolerated, as RFC 7519 allows them.
    """
    if claims.get("iss") != issuer:
        return _refused("claim_issuer")
    if not _is_for(audience, claims.get("aud")):
        return _refused("claim_audience")
    if not _names_somebody(claims.get("sub")):
        return _refused("claim_subject")
    if _serves_another_purpose(claims):
        return _refused("claim_purpose")
    return _check_times(claims, now=now, leeway_s=leeway_s, max_lifetime_s=max_lifetime_s)


def _check_times(
    claims: Mapping[str, object], *, now: int, leeway_s: int, max_lifetime_s: int
) -> Refusal | None:
    issued, expires = numeric_date(claims.get("iat")), numeric_date(claims.get("exp"))
    valid_from = numeric_date(claims.get("nbf", claims.get("iat")))
    if issued is None or expires is None or valid_from is None:
        return _refused("claim_times")
    if now - leeway_s >= expires:
        return _refused("claim_expired")
    if max(issued, valid_from) > now + leeway_s:
        return _refused("claim_not_yet")
    if not 0 < expires - issued <= max_lifetime_s:
        return _refused("claim_lifetime")
    return None


def numeric_date(value: object) -> int | None:
    """Whole seconds of a NumericDate (RFC 7519 §2), or None for anything else.

    Rounded down, so a fraction never makes a token live longer; true is not one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 2**53 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    header: bytes
    payload: bytes
    signature: bytes
    signing_input: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    kid: str
    alg: str
    members: Mapping[str, object]


def _take_apart(token: str, *, max_bytes: int) -> _Parts | Refusal:
    if len(token) > max_bytes:  # characters; the next line makes them bytes
        return _refused("token_size")
    if not token.isascii():
        return _refused("token_encoding")
    segments = token.split(".")
    if len(segments) != 3:  # noqa: PLR2004 - header, payload, signature: RFC 7515 §7.1
        return _refused("token_parts")
    header, payload, signature = map(strict_base64url, segments)
    if header is None or payload is None or signature is None:
        return _refused("token_encoding")
    signing_input = token.rpartition(".")[0].encode()
    return _Parts(header=header, payload=payload, signature=signature, signing_input=signing_input)


def _read_header(
    raw: bytes, *, algorithms: frozenset[str], types: frozenset[str] | None
) -> _Header | Refusal:
    members = strict_json(raw)
    if not isinstance(members, dict):
        return _refused("token_header")
    alg, kid = members.get("alg"), members.get("kid")
    if not isinstance(alg, str) or alg not in algorithms & ASYMMETRIC:
        return _refused("token_algorithm")
    if _FORBIDDEN_HEADERS & members.keys():
        return _refused("token_header_forbidden")
    if types is not None and _media_type(members.get("typ", "")) not in types:
        return _refused("token_type")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH:
        return _refused("token_kid")
    return _Header(kid=kid, alg=alg, members=members)


def _media_type(typ: object) -> str | None:
    """`typ` as RFC 7515 §4.1.9 compares it."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else None


def _is_for(audience: str, claimed: object) -> bool:
    if isinstance(claimed, list):
        return audience in claimed and all(isinstance(entry, str) for entry in claimed)
    return claimed == audience


def _names_somebody(sub: object) -> bool:
    return isinstance(sub, str) and 0 < len(sub) <= 255  # noqa: PLR2004 - OpenID Connect Core §2


def _serves_another_purpose(claims: Mapping[str, object]) -> bool:
    """ID, refresh and logout tokens and events (RFC 8417), where an issuer marks them as such.

    `nonce` and `auth_time` are no such marks: Keycloak puts both into access tokens.
    """
    if claims.keys() & {"at_hash", "c_hash", "events"}:
        return True
    kind = claims.get("typ", "Bearer")  # Keycloak's word for it
    return kind not in ("Bearer", "DPoP", "JWT", "at+jwt")


def _refused(code: str) -> Refusal:
    return Refusal(code=code, message=_MESSAGES[code])
