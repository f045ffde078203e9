"""Canonical bytes and the digests made of them; no keys here (see `shared.seals`).

Canonical JSON is RFC 8785 (JCS). Every digest has a domain in front, so that a value hashed for one
purpose can never be passed off as another.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

import rfc8785
from mnemonic import Mnemonic

from shared.manifests import JSON

PLAN_DOMAIN = b"infragate/plan/v1\0"
OBJECT_DOMAIN = b"infragate/object/v1\0"
NONCE_DOMAIN = b"infragate/approval-nonce/v1\0"
PASSKEY_DOMAIN = b"infragate/passkey/v1\0"
ENROLLMENT_DOMAIN = b"infragate/passkey-enrollment/v1\0"
PASSKEY_KEY_DOMAIN = b"infragate/passkey-key/v1\0"

WORDS_IN_A_DIGEST = 6
"""Six words of 11 bits: 66 bits, few to compare, too many to collide by search."""


def canonical(value: JSON | Mapping[str, object] | Sequence[object]) -> bytes:
    """Returns the RFC 8785 bytes of `value`.

    Raises:
        ValueError: `value` holds a float, an integer of 2^53 or more, or a key that is no string.
    """
    if _holds_float(value):
        raise ValueError("a canonical document holds no floats")
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # a narrower alias


def plan_digest(plan: bytes) -> str:
    """Returns `sha256:<hex>` over the canonical bytes of a plan."""
    return "sha256:" + hashlib.sha256(PLAN_DOMAIN + plan).hexdigest()


def object_digest(document: JSON | Mapping[str, object]) -> str:
    """Returns `sha256:<hex>` over one normalized Kubernetes object."""
    return "sha256:" + hashlib.sha256(OBJECT_DOMAIN + canonical(document)).hexdigest()


def approval_nonce(statement: bytes) -> str:
    """Returns the OpenID nonce that commits a login to the canonical bytes of a statement."""
    return base64url(hashlib.sha256(NONCE_DOMAIN + statement).digest())


def passkey_challenge(statement: bytes) -> bytes:
    """Returns what a passkey signs to commit to the canonical bytes of a statement."""
    return hashlib.sha256(PASSKEY_DOMAIN + statement).digest()


def enrollment_challenge(enrollment: bytes) -> bytes:
    """Returns what a new passkey signs to commit to the canonical bytes of its enrollment."""
    return hashlib.sha256(ENROLLMENT_DOMAIN + enrollment).digest()


def passkey_digest(public_key: bytes) -> str:
    """Returns `sha256:<hex>` over a passkey's public key (SubjectPublicKeyInfo in DER)."""
    return "sha256:" + hashlib.sha256(PASSKEY_KEY_DOMAIN + public_key).hexdigest()


def words(digest: str) -> str:
    """Returns six BIP-39 words for `sha256:<hex>`, so that people can compare digests aloud."""
    bits = int(digest.removeprefix("sha256:"), 16) >> (256 - 11 * WORDS_IN_A_DIGEST)
    indexes = [(bits >> (11 * i)) & 0x7FF for i in reversed(range(WORDS_IN_A_DIGEST))]
    return " ".join(_word_list()[i] for i in indexes)


def base64url(raw: bytes) -> str:
    """Returns unpadded base64url (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Returns the bytes of unpadded base64url.

    Raises:
        ValueError: the text has padding, foreign characters or stray trailing bits.
    """
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


_NEVER_FLOATS = frozenset({str, int, bool, type(None)})


def _holds_float(value: object) -> bool:
    if type(value) in _NEVER_FLOATS:  # nearly all values
        return False
    if isinstance(value, float):
        return True
    if isinstance(value, dict | Mapping):  # asking an abstract class is slow
        return any(_holds_float(item) for item in value.values())
    if isinstance(value, list | Sequence) and not isinstance(value, str | bytes):
        return any(_holds_float(item) for item in value)
    return False


@cache
def _word_list() -> list[str]:
    return list(Mnemonic("english").wordlist)
