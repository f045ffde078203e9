"""Public keys of clients: which are accepted, and how a JWKS of a client is read."""

from collections.abc import Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.errors import Refusal

Jwk = dict[str, str]

ALGORITHMS = ("ES256", "RS256", "EdDSA")
"""What a client may sign with; a key decides alone which of them is meant, the token never does."""
_KINDS = {("EC", "P-256"): "ES256", ("RSA", None): "RS256", ("OKP", "Ed25519"): "EdDSA"}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MAX_KEYS = 5
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 4096


def read_jwks(document: object) -> tuple[Jwk, ...] | Refusal:
    """The one to five usable public keys of a JWKS document (RFC 7517 §5)."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MAX_KEYS:
        return _refused(f"`jwks` must hold one to {_MAX_KEYS} keys")
    for key in keys:
        if isinstance(problem := verifying_key(key), Refusal):
            return problem
    return tuple(keys)


def verifying_key(jwk: object) -> jwt.PyJWK | Refusal:
    """The key that checks a client's signatures, with its one algorithm fixed."""
    if not isinstance(jwk, dict) or not all(
        isinstance(jwk.get(k, ""), str) for k in ("kty", "crv")
    ):
        return _refused("each key in `jwks` must be an object")
    if _PRIVATE & jwk.keys():
        return _refused("`jwks` holds a private or symmetric key; it is no longer secret")
    algorithm = _KINDS.get((jwk.get("kty", ""), jwk.get("crv")))
    if algorithm is None or jwk.get("alg", algorithm) not in {algorithm, "Ed25519"}:
        return _refused("keys must be EC P-256 (ES256), RSA (RS256) or Ed25519 (EdDSA)")
    return _load(jwk, algorithm)


def choose(keys: Sequence[Jwk], kid: object) -> Jwk | None:
    """The key that `kid` names; without a `kid`, the only one there is."""
    if kid is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.get("kid") == kid), None)


def _load(jwk: dict[str, Any], algorithm: str) -> jwt.PyJWK | Refusal:
    try:
        key = jwt.PyJWK(jwk, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return _refused("a key in `jwks` cannot be read")
    if isinstance(key.key, RSAPublicKey) and not _MIN_RSA_BITS <= key.key.key_size <= _MAX_RSA_BITS:
        return _refused(f"RSA keys must have {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits")
    return key


def _refused(why: str) -> Refusal:
    return Refusal(code="invalid_client_metadata", message=why)
