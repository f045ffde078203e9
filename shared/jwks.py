"""The public keys that sign tokens, read from a JWK Set document; no fetching, no tokens.

A document is believed only as far as it can be checked: every key that is not an asymmetric signing
key of a kind on the short list below is left out, with the reason kept for the log.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from shared.digests import base64url
from shared.errors import Refusal
from shared.strict import strict_base64url, strict_json

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_KEYS: Final = 50
MAX_KID_LENGTH: Final = 256
RSA_BITS: Final = range(2048, 8192 + 1)
RSA_EXPONENTS: Final = range(65537, 2**32)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Skip = Literal[
    "not_an_object",
    "kid",
    "kty",
    "private",
    "use",
    "key_ops",
    "alg",
    "curve",
    "parameters",
    "rsa_size",
    "rsa_exponent",
    "rsa_weak",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One public key that may sign tokens.

    `algorithms` are the JWS algorithms it may be used with: its own `alg` if it names one, else all
    that fit its type. `thumbprint` is that of RFC 7638 (SHA-256, base64url), which names the key
    whatever `kid` the provider gives it.
    """

    kid: str
    algorithms: frozenset[str]
    public: PublicKey
    thumbprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The usable keys of one provider by `kid`, and what was left out: (position, reason)."""

    keys: Mapping[str, Key]
    skipped: tuple[tuple[int, Skip], ...] = field(default=())

    def __contains__(self, kid: object) -> bool:
        return kid in self.keys

    def get(self, kid: str) -> Key | None:
        """The key of that name: a plain look-up, so a `kid` is never a path, URL or query."""
        return self.keys.get(kid)


def parse_key_set(document: bytes) -> KeySet | Refusal:
    """Read a JWK Set (RFC 7517 §5) of at most 64 KiB and 50 keys.

    Keys for other purposes (encryption, unknown types) are normal in such documents and are left
    out; so are symmetric and private keys, which have no business there. Two keys of one name are
    ambiguous and refuse the whole document, as does a document without one usable key.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        return _refused("jwks_size", "The key set is larger than 64 KiB.")
    value = strict_json(document)
    listed = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return _refused("jwks_malformed", "The key set is not a JSON object with a list of keys.")
    if len(listed) > MAX_KEYS:
        return _refused("jwks_size", "The key set has more than 50 keys.")
    if _ambiguous(listed):
        return _refused("jwks_duplicate_kid", "Two keys of the key set have the same kid.")
    parsed = [parse_key(entry) for entry in listed]
    keys = {key.kid: key for key in parsed if isinstance(key, Key)}
    if not keys:
        return _refused("jwks_empty", "The key set has no key that may sign tokens.")
    skipped = tuple((i, key) for i, key in enumerate(parsed) if not isinstance(key, Key))
    return KeySet(keys=MappingProxyType(keys), skipped=skipped)


def parse_key(entry: object) -> Key | Skip:
    """One usable key, or the reason why this member of a key set is not one."""
    if not isinstance(entry, dict):
        return "not_an_object"
    if (reason := _unfit(entry)) is not None:
        return reason
    read = _READERS[entry["kty"]](entry)
    if isinstance(read, str):
        return read
    algorithms = _algorithms(entry, read.algorithms)
    if algorithms is None:
        return "alg"
    return Key(
        kid=entry["kid"],
        algorithms=algorithms,
        public=read.public,
        thumbprint=_thumbprint(read.required),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    public: PublicKey
    algorithms: frozenset[str]
    required: Mapping[str, str]
    """The members that RFC 7638 §3.2 hashes."""


def _read_rsa(entry: Mapping[str, object]) -> _Read | Skip:
    modulus, exponent = _unsigned(entry.get("n")), _unsigned(entry.get("e"))
    if modulus is None or exponent is None:
        return "parameters"
    if modulus.bit_length() not in RSA_BITS:
        return "rsa_size"
    if exponent not in RSA_EXPONENTS or exponent % 2 == 0:
        return "rsa_exponent"
    if modulus % 2 == 0 or _made_by_roca(modulus):
        return "rsa_weak"
    return _Read(
        public=rsa.RSAPublicNumbers(exponent, modulus).public_key(),
        algorithms=_RSA_ALGORITHMS,
        required={"e": str(entry["e"]), "kty": "RSA", "n": str(entry["n"])},
    )


def _read_ec(entry: Mapping[str, object]) -> _Read | Skip:
    curve = _CURVES.get(str(entry.get("crv")))
    if curve is None:
        return "curve"
    x, y = _octets(entry.get("x"), curve.size), _octets(entry.get("y"), curve.size)
    if x is None or y is None:
        return "parameters"
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(curve.make(), b"\x04" + x + y)
    except ValueError:  # not a point of that curve
        return "parameters"
    members = {name: str(entry[name]) for name in ("crv", "x", "y")}
    return _Read(
        public=public, algorithms=frozenset({curve.algorithm}), required={**members, "kty": "EC"}
    )


def _read_okp(entry: Mapping[str, object]) -> _Read | Skip:
    if entry.get("crv") != "Ed25519":
        return "curve"
    x = _octets(entry.get("x"), 32)
    if x is None:
        return "parameters"
    return _Read(
        public=ed25519.Ed25519PublicKey.from_public_bytes(x),
        algorithms=frozenset({"EdDSA"}),
        required={"crv": "Ed25519", "kty": "OKP", "x": str(entry["x"])},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    make: Callable[[], ec.EllipticCurve]
    size: int
    """Octets of one coordinate."""
    algorithm: str


_CURVES: Final[Mapping[str, _Curve]] = {
    "P-256": _Curve(make=ec.SECP256R1, size=32, algorithm="ES256"),
    "P-384": _Curve(make=ec.SECP384R1, size=48, algorithm="ES384"),
}
_RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_READERS: Final[Mapping[str, Callable[[Mapping[str, object]], _Read | Skip]]] = {
    "RSA": _read_rsa,
    "EC": _read_ec,
    "OKP": _read_okp,
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def _unfit(entry: Mapping[str, object]) -> Skip | None:
    """What is wrong with a key before its parameters are looked at."""
    kid, kty, operations = entry.get("kid"), entry.get("kty"), entry.get("key_ops", ["verify"])
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH:
        return "kid"
    if not isinstance(kty, str) or kty not in _READERS:
        return "kty"
    if _PRIVATE_MEMBERS & entry.keys():
        return "private"
    if entry.get("use", "sig") != "sig":
        return "use"
    if not isinstance(operations, list) or "verify" not in operations:
        return "key_ops"
    return None


def _algorithms(entry: Mapping[str, object], fitting: frozenset[str]) -> frozenset[str] | None:
    if "alg" not in entry:
        return fitting
    alg = entry["alg"]
    return frozenset({alg}) if isinstance(alg, str) and alg in fitting else None


def _ambiguous(listed: list[object]) -> bool:
    names = [entry.get("kid") for entry in listed if isinstance(entry, dict)]
    counts = Counter(name for name in names if isinstance(name, str))
    return any(count > 1 for count in counts.values())


def _thumbprint(required: Mapping[str, str]) -> str:
    canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
    return base64url(hashlib.sha256(canonical).digest())


def _unsigned(value: object) -> int | None:
    """A Base64urlUInt (RFC 7518 §2): no leading zero octet, else one key had two thumbprints."""
    raw = strict_base64url(value) if isinstance(value, str) else None
    return int.from_bytes(raw, "big") if raw and raw[0] else None


def _octets(value: object, size: int) -> bytes | None:
    raw = strict_base64url(value) if isinstance(value, str) else None
    return raw if raw is not None and len(raw) == size else None


def _powers_of_65537(prime: int) -> frozenset[int]:
    powers, power = {1}, 65537 % prime
    while power not in powers:
        powers.add(power)
        power = power * 65537 % prime
    return frozenset(powers)


_ROCA_RESIDUES: Final = {
    prime: _powers_of_65537(prime)
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
}


def _made_by_roca(modulus: int) -> bool:
    """Whether the modulus has the fingerprint of CVE-2017-15361, whose keys can be factored.

    Such primes are powers of 65537 modulo every small prime; by chance that is 1 in 2^27.
    """
    return all(modulus % prime in residues for prime, residues in _ROCA_RESIDUES.items())


def _refused(code: str, message: str) -> Refusal:
    return Refusal(code=code, message=message)
