"""Clients' keys for proofs of possession (RFC 9449), and the proofs that they sign."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.jwks import Key, parse_key
from tests.shared.jose_tokens import b64, jwk, sign_raw


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofKey:
    """A client's key, fresh in each process; keys of another name are other keys."""

    name: str = "client"

    @property
    def public(self) -> dict[str, object]:
        members = jwk("ES256", self.name)
        return {member: members[member] for member in ("kty", "crv", "x", "y")}

    @property
    def thumbprint(self) -> str:
        key = parse_key({**self.public, "kid": "k"})
        assert isinstance(key, Key)
        return key.thumbprint

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        header: Mapping[str, object] | None = None,
        **changes: Any,
    ) -> str:
        """A good proof for one request, but for what is changed; None leaves something out."""
        members = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.public, **(header or {})}
        said: dict[str, object] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url,
            "iat": int(time.time()),
            "ath": ath(token) if token else None,
            **changes,
        }
        return sign_raw(_encoded(members), _encoded(said), alg="ES256", name=self.name)


def ath(token: str) -> str:
    """The digest by which a proof names the token that it is for."""
    return b64(hashlib.sha256(token.encode()).digest())


def _encoded(members: Mapping[str, Any]) -> bytes:
    return json.dumps({name: one for name, one in members.items() if one is not None}).encode()
