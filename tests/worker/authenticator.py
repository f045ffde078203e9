"""A software authenticator and the browser around it, which a test can bend at every place."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

from shared.digests import base64url, from_base64url
from shared.enrollment import Enrolled, Enrollment
from shared.passkeys import Assertion
from shared.plans import Identity
from worker.passkeys import Passkey, subject_public_key_info

RP_ID = "approvals.example.com"
ORIGIN = "https://approvals.example.com"
UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


@dataclass(kw_only=True)
class Authenticator:
    """One key of one person, for one site."""

    key: PrivateKey = field(default_factory=ec_key)
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    rp_id: str = RP_ID
    origin: str = ORIGIN
    flags: int = UP | UV
    count: int = 7

    def passkey(self, person: Identity, **changed: Any) -> Passkey:
        """The lines of the policy."""
        facts = {
            "iss": person.iss,
            "sub": person.sub,
            "credential_id": base64url(self.credential_id),
            "public_key": base64url(cose(self.key)),
            "rp_id": self.rp_id,
        }
        return Passkey.model_validate(facts | changed)

    def get(self, challenge: bytes, /, **client: object) -> Assertion:
        """Answers `navigator.credentials.get`; `client` bends what the browser signs."""
        data = self.client_data("webauthn.get", challenge, client)
        return self.signed(data)

    def signed(self, client_data: bytes, authenticator_data: bytes | None = None) -> Assertion:
        """An assertion over exactly these bytes."""
        authenticator = authenticator_data or self.authenticator_data()
        signature = self.sign(authenticator + hashlib.sha256(client_data).digest())
        return Assertion(
            credential_id=base64url(self.credential_id),
            client_data=base64url(client_data),
            authenticator_data=base64url(authenticator),
            signature=base64url(signature),
        )

    def create(self, enrollment: Enrollment, /, **client: object) -> Enrolled:
        """Answers `navigator.credentials.create`, then `get` with the new passkey."""
        data = self.client_data("webauthn.create", enrollment.challenge(), client)
        public = cose(self.key)
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id
        statement = {
            "fmt": "none",
            "attStmt": {},
            "authData": self.authenticator_data(self.flags | AT) + attested + public,
        }
        return Enrolled(
            client_data=base64url(data),
            attestation_object=base64url(encode_cbor(statement)),
            public_key=base64url(subject_public_key_info(public)),
            assertion=self.get(enrollment.challenge()),
        )

    def client_data(self, kind: str, challenge: bytes, changed: dict[str, object]) -> bytes:
        usual = {
            "type": kind,
            "challenge": base64url(challenge),
            "origin": self.origin,
            "crossOrigin": False,
        }
        return json.dumps({k: v for k, v in (usual | changed).items() if v is not None}).encode()

    def authenticator_data(self, flags: int | None = None) -> bytes:
        return (
            hashlib.sha256(self.rp_id.encode()).digest()
            + bytes([self.flags if flags is None else flags])
            + self.count.to_bytes(4, "big")
        )

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(message, ec.ECDSA(SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), SHA256())
        return self.key.sign(message)


def cose(key: PrivateKey, **changed: object) -> bytes:
    """The public half as COSE key; `changed` by parameter, as `alg` (3)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.public_key().public_numbers()
        size = (key.curve.key_size + 7) // 8
        curve = {"secp256r1": 1, "secp384r1": 2}[key.curve.name]
        x, y = numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")
        fields: dict[int, object] = {1: 2, 3: -7, -1: curve, -2: x, -3: y}
    elif isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        modulus = public.n.to_bytes((public.n.bit_length() + 7) // 8, "big")
        fields = {1: 3, 3: -257, -1: modulus, -2: public.e.to_bytes(3, "big")}
    else:
        fields = {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
    return encode_cbor(fields | ({3: changed["alg"]} if "alg" in changed else {}))


def raw(text: str) -> bytes:
    return from_base64url(text)
