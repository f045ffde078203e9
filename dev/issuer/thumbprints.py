"""Names of public keys: JWK thumbprints (RFC 7638). No key material is made or read here."""

import base64
import hashlib
import json
from collections.abc import Mapping

_REQUIRED = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


def b64url(raw: bytes) -> str:
    """Unpadded base64url (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def thumbprint(jwk: Mapping[str, str]) -> str:
    """The SHA-256 thumbprint of a public RSA, EC or OKP key (RFC 7638 §3, RFC 8037 §2)."""
    required = {name: jwk[name] for name in _REQUIRED[jwk["kty"]]}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return b64url(hashlib.sha256(canonical.encode()).digest())
