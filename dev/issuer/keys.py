"""The issuer's signing keys: kept on disk, published as JWKS, rotated with an overlap."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from dev.issuer.files import read_json, write_json
from dev.issuer.settings import Clock
from dev.issuer.thumbprints import thumbprint
from shared.errors import BadConfiguration

ALGORITHM = "RS256"  # what every client and provider library can do
OVERLAP = 2 * 3600
"""Seconds for which a retired key is still published: twice the life of the longest token."""
MAX_KEYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One RSA key; `retired_at` is when another took over, in seconds since 1970."""

    private: RSAPrivateKey
    kid: str
    created_at: float
    retired_at: float | None = None

    @property
    def jwk(self) -> dict[str, str]:
        """The public half (RFC 7517)."""
        public = json.loads(RSAAlgorithm.to_jwk(self.private.public_key()))
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": ALGORITHM,
            "kid": self.kid,
            "n": public["n"],
            "e": public["e"],
        }


class Keyring:
    """All keys of this issuer, the one that signs last."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._keys = [_thaw(raw) for raw in read_json(path, [])]
        if not self._keys:
            self.rotate()

    def rotate(self) -> str:
        """Makes a new key sign from now on, answers its `kid`; old ones stay published a while."""
        now = self._clock()
        kept = [_retired(key, now) for key in self._live()]
        self._keys = [*kept, _new_key(now)][-MAX_KEYS:]
        write_json(self._path, [_freeze(key) for key in self._keys])
        return self._keys[-1].kid

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        return {"keys": [key.jwk for key in reversed(self._live())]}

    def sign(self, claims: Mapping[str, object], *, typ: str) -> str:
        """A compact JWS over `claims` by the current key."""
        key = self._keys[-1]
        headers = {"kid": key.kid, "typ": typ}
        return jwt.encode(dict(claims), key.private, algorithm=ALGORITHM, headers=headers)

    def verify(self, token: str, *, typ: str) -> dict[str, Any] | None:
        """The claims of a token that one of these keys signed; None for anything else.

        Looks at the signature and the type only: times and audience are the caller's to judge.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = next(key for key in self._live() if key.kid == header.get("kid"))
            if header.get("typ") != typ:
                return None
            claims: dict[str, Any] = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[ALGORITHM],
                options={"verify_exp": False, "verify_aud": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, StopIteration):
            return None
        return claims

    def _live(self) -> list[SigningKey]:
        now = self._clock()
        return [k for k in self._keys if k.retired_at is None or now < k.retired_at + OVERLAP]


def _new_key(now: float) -> SigningKey:
    private = generate_private_key(public_exponent=65537, key_size=2048)
    return SigningKey(private=private, kid=_kid(private), created_at=now)


def _retired(key: SigningKey, now: float) -> SigningKey:
    if key.retired_at is not None:
        return key
    return SigningKey(private=key.private, kid=key.kid, created_at=key.created_at, retired_at=now)


def _kid(private: RSAPrivateKey) -> str:
    return thumbprint(json.loads(RSAAlgorithm.to_jwk(private.public_key())))


def _freeze(key: SigningKey) -> dict[str, object]:
    pem = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {"pem": pem.decode(), "created_at": key.created_at, "retired_at": key.retired_at}


def _thaw(raw: dict[str, Any]) -> SigningKey:
    private = serialization.load_pem_private_key(raw["pem"].encode(), password=None)
    if not isinstance(private, RSAPrivateKey):
        raise BadConfiguration("The issuer's key file holds a key that is not RSA")
    return SigningKey(
        private=private,
        kid=_kid(private),
        created_at=raw["created_at"],
        retired_at=raw["retired_at"],
    )
