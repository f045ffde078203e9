"""Proof of possession for access tokens (DPoP, RFC 9449): who shows a token also holds its key.

A proof is a small JWT for one request, signed with the key to which the token was bound when it was
issued. Whether a proof was shown before is not known here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from jwt.algorithms import get_default_algorithms

from shared.digests import base64url
from shared.errors import Refusal
from shared.jose import ASYMMETRIC, numeric_date
from shared.jwks import Key, parse_key
from shared.strict import strict_base64url, strict_json

MAX_PROOF_BYTES: Final = 8 * 1024
MAX_ID_LENGTH: Final = 255
SKEW_S: Final = 60
"""How much older or younger than now a proof may be: clocks differ, and requests queue."""

_TYPE: Final = "dpop+jwt"
_NOT_UNDERSTOOD: Final = frozenset({"jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_EMBEDDED: Final = "embedded"
_ALGORITHMS: Final = {name: get_default_algorithms()[name] for name in ASYMMETRIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A good proof. `thumbprint` (RFC 7638) names its key, `id` the proof among the key's."""

    thumbprint: str
    id: str


def read_proof(
    proof: str, *, token: str | None, method: str, url: str, now: int
) -> Proof | Refusal:
    """Believe a proof for this token and request, or say why not (RFC 9449 §4.3).

    `token` is None where one is asked for with the proof. Its address is compared exactly with
    `url`, query and fragment aside; `now` is epoch seconds.
    """
    signed = _signed(proof)
    if isinstance(signed, Refusal):
        return signed
    key, claims = signed
    proof_id, issued = claims.get("jti"), numeric_date(claims.get("iat"))
    if not isinstance(proof_id, str) or not 0 < len(proof_id) <= MAX_ID_LENGTH:
        return _refused("The proof has no usable jti.")
    if claims.get("htm") != method or _address(claims.get("htu")) != url:
        return _refused("The proof is for another request.")
    if issued is None or abs(now - issued) > SKEW_S:
        return _refused("The proof is not of now.")
    if token is not None and claims.get("ath") != _digest(token):
        return _refused("The proof is for another token.")
    return Proof(thumbprint=key.thumbprint, id=proof_id)


def _signed(proof: str) -> tuple[Key, Mapping[str, object]] | Refusal:
    """The key in a proof's header, and the claims that it signed."""
    segments = proof.split(".") if len(proof) <= MAX_PROOF_BYTES and proof.isascii() else []
    raw = [strict_base64url(segment) for segment in segments]
    if len(raw) != 3 or raw[0] is None or raw[1] is None or raw[2] is None:  # noqa: PLR2004 - a JWS
        return _refused("The proof is no compact JWS.")
    header, claims = strict_json(raw[0]), strict_json(raw[1])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return _refused("The proof's header or claims are no JSON object.")
    alg, jwk = header.get("alg"), header.get("jwk")
    if header.get("typ") != _TYPE or _NOT_UNDERSTOOD & header.keys():
        return _refused("The proof is of another type than dpop+jwt.")
    key = parse_key({**jwk, "kid": _EMBEDDED}) if isinstance(jwk, dict) else None
    if not isinstance(key, Key) or not isinstance(alg, str) or alg not in key.algorithms:
        return _refused("The proof has no usable public key.")
    signing_input = proof.rpartition(".")[0].encode()
    if not _ALGORITHMS[alg].verify(signing_input, key.public, raw[2]):
        return _refused("The proof's signature is not valid.")
    return key, claims


def _digest(token: str) -> str:
    return base64url(hashlib.sha256(token.encode()).digest())


def _address(htu: object) -> str | None:
    if not isinstance(htu, str):
        return None
    try:
        scheme, place, path, _, _ = urlsplit(htu)
    except ValueError:
        return None
    return urlunsplit((scheme, place, path, "", ""))


def _refused(message: str) -> Refusal:
    return Refusal(code="dpop_proof", message=message)
