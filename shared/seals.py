"""Signatures and sealed boxes: who vouches for plan, statement and receipt; who reads a proof.

Ed25519 over a domain and canonical bytes. Proofs (ID tokens) travel encrypted to the applier with
HPKE (RFC 9180, X25519 / HKDF-SHA256 / AES-256-GCM), because a bearer secret must not lie in Redis.
"""

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from shared.digests import base64url, from_base64url

SEAL_DOMAIN = b"infragate/seal/v1\0"
STATEMENT_DOMAIN = b"infragate/statement/v1\0"
RECEIPT_DOMAIN = b"infragate/receipt/v1\0"
CLOSING_DOMAIN = b"infragate/closing/v1\0"
STORY_DOMAIN = b"infragate/story/v1\0"
EVIDENCE_DOMAIN = b"infragate/evidence/v1\0"
PROOF_CONTEXT = b"infragate/proof/v1"

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal_plan(key: Ed25519PrivateKey, digest: str, expires_at: int) -> str:
    """Returns the planner's seal over a plan digest and its expiry (epoch seconds)."""
    return base64url(key.sign(_seal_bytes(digest, expires_at)))


def plan_seal_holds(
    keys: tuple[Ed25519PublicKey, ...], digest: str, expires_at: int, seal: str
) -> bool:
    """Says whether one of `keys` sealed this digest with this expiry."""
    return _any_signed(keys, seal, _seal_bytes(digest, expires_at))


def sign(key: Ed25519PrivateKey, domain: bytes, document: bytes) -> str:
    """Returns the signature over `domain` and the canonical bytes `document`."""
    return base64url(key.sign(domain + document))


def signature_holds(
    keys: tuple[Ed25519PublicKey, ...], domain: bytes, document: bytes, signature: str
) -> bool:
    """Says whether one of `keys` signed `document` for `domain`."""
    return _any_signed(keys, signature, domain + document)


def encrypt_proof(key: X25519PublicKey, token: str, *, statement: bytes) -> str:
    """Returns the token readable only for the applier, and only beside this statement."""
    sealed = _SUITE.encrypt(token.encode(), key, info=PROOF_CONTEXT + b"\0" + statement)
    return base64url(sealed)


def decrypt_proof(key: X25519PrivateKey, sealed: str, *, statement: bytes) -> str | None:
    """Returns the token, or None if it was encrypted for somebody else or another statement."""
    try:
        opened = _SUITE.decrypt(from_base64url(sealed), key, info=PROOF_CONTEXT + b"\0" + statement)
        return opened.decode("ascii")
    except (InvalidTag, ValueError):
        return None


def public_text(key: Ed25519PublicKey | X25519PublicKey) -> str:
    """Returns a public key as unpadded base64url of its 32 raw bytes."""
    return base64url(key.public_bytes_raw())


def signing_key_from_text(text: str) -> Ed25519PublicKey:
    """Returns the Ed25519 public key written by `public_text`.

    Raises:
        ValueError: the text is not 32 bytes of base64url.
    """
    return Ed25519PublicKey.from_public_bytes(from_base64url(text))


def proof_key_from_text(text: str) -> X25519PublicKey:
    """Returns the X25519 public key written by `public_text`.

    Raises:
        ValueError: the text is not 32 bytes of base64url.
    """
    return X25519PublicKey.from_public_bytes(from_base64url(text))


def _seal_bytes(digest: str, expires_at: int) -> bytes:
    return SEAL_DOMAIN + digest.encode("ascii") + b"\0" + str(expires_at).encode("ascii")


def _any_signed(keys: tuple[Ed25519PublicKey, ...], signature: str, message: bytes) -> bool:
    try:
        raw = from_base64url(signature)
    except ValueError:
        return False
    return any(_signed(key, raw, message) for key in keys)


def _signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
