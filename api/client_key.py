"""The approval client's private key: read from its file, and signing with it.

Whether a signature holds is the identity provider's business.

The key proves to the identity provider that a login was begun by the approval pages (RFC 7523).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.digests import base64url, canonical
from shared.errors import BadConfiguration

MIN_RSA_BITS: Final = 2048

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """A signing key, its algorithm, and its RFC 7638 thumbprint as `kid`."""

    private: PrivateKey = field(repr=False)
    algorithm: str
    kid: str

    @classmethod
    def of(cls, private: PrivateKey) -> Self:
        """Returns the client key made of a private key."""
        algorithm = "RS256" if isinstance(private, RSAPrivateKey) else "ES256"
        thumbprint = hashlib.sha256(canonical(_required_members(private))).digest()
        return cls(private=private, algorithm=algorithm, kid=base64url(thumbprint))

    def sign(self, claims: Mapping[str, object]) -> str:
        """Returns a compact JWS over `claims`."""
        return jwt.encode(
            dict(claims), self.private, algorithm=self.algorithm, headers={"kid": self.kid}
        )

    def public_jwk(self) -> dict[str, str]:
        """Returns the public key as it is registered at the provider."""
        return {
            **_required_members(self.private),
            "kid": self.kid,
            "alg": self.algorithm,
            "use": "sig",
        }


def read_client_key(path: Path) -> ClientKey:
    """Returns the key in an unencrypted PEM file: EC P-256, or RSA of 2048 bits or more.

    Raises:
        BadConfiguration: the file cannot be read or holds another key.
    """
    unusable = f"INFRA_GATE_APPROVAL_CLIENT_KEY_FILE: {path} holds no usable EC P-256 or RSA key."
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise BadConfiguration(unusable) from None
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return ClientKey.of(private)
    if isinstance(private, RSAPrivateKey) and private.key_size >= MIN_RSA_BITS:
        return ClientKey.of(private)
    raise BadConfiguration(unusable)


def _required_members(private: PrivateKey) -> dict[str, str]:
    """The members that a thumbprint is made of (RFC 7638, 3.2)."""
    if isinstance(private, RSAPrivateKey):
        rsa = private.public_key().public_numbers()
        return {"e": _integer(rsa.e), "kty": "RSA", "n": _integer(rsa.n)}
    point = private.public_key().public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": base64url(point.x.to_bytes(32)),
        "y": base64url(point.y.to_bytes(32)),
    }


def _integer(number: int) -> str:
    """Base64urlUInt (RFC 7518, 2)."""
    return base64url(number.to_bytes((number.bit_length() + 7) // 8))
