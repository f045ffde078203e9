"""The exact bytes of the approval protocol, computed here by other means than the product's.

A change of one of them would go unnoticed by tests that sign and check with the same code, and
would make every stored plan, receipt and audit anchor worthless after an update.
"""

import base64
import hashlib
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from pydantic import ValidationError

from shared import approvals, seals
from shared.approvals import Receipt, Statement
from shared.plans import Identity

DIGEST = "sha256:" + "ab" * 32
ADA = Identity(iss="https://idp", sub="ada")
STATEMENT = Statement(
    plan_id="p1",
    plan_digest=DIGEST,
    decision="approve",
    approver=ADA,
    challenge="Y2hhbGxlbmdl",
    challenge_iat=1_800_000_000,
    expires_at=1_800_000_300,
    cluster_id="c1",
)


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_seal_is_over_domain_digest_and_expiry() -> None:
    key = Ed25519PrivateKey.generate()

    seal = seals.seal_plan(key, DIGEST, 1_800_003_600)

    message = b"infragate/seal/v1\0" + DIGEST.encode() + b"\0" + b"1800003600"
    key.public_key().verify(raw(seal), message)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (seals.STATEMENT_DOMAIN, b"infragate/statement/v1\0"),
        (seals.RECEIPT_DOMAIN, b"infragate/receipt/v1\0"),
        (seals.EVIDENCE_DOMAIN, b"infragate/evidence/v1\0"),
        (seals.CLOSING_DOMAIN, b"infragate/closing/v1\0"),
        (seals.STORY_DOMAIN, b"infragate/story/v1\0"),
    ],
)
def test_a_signature_is_over_its_domain_and_the_document(domain: bytes, expected: bytes) -> None:
    key = Ed25519PrivateKey.generate()

    signature = seals.sign(key, domain, b"{}")

    key.public_key().verify(raw(signature), expected + b"{}")
    with pytest.raises(InvalidSignature):
        key.public_key().verify(raw(signature), b"{}")


def test_a_proof_is_encrypted_as_rfc_9180_says_with_the_statement_as_info() -> None:
    key = X25519PrivateKey.generate()

    sealed = seals.encrypt_proof(key.public_key(), "token", statement=b"{}")

    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    assert suite.decrypt(raw(sealed), key, info=b"infragate/proof/v1\0{}") == b"token"


def test_a_statement_and_its_nonce_are_these_bytes() -> None:
    document = json.dumps(
        {
            "approver": {"iss": "https://idp", "sub": "ada"},
            "challenge": "Y2hhbGxlbmdl",
            "challenge_iat": 1_800_000_000,
            "cluster_id": "c1",
            "decision": "approve",
            "expires_at": 1_800_000_300,
            "plan_digest": DIGEST,
            "plan_id": "p1",
        },
        separators=(",", ":"),
    ).encode()

    digest = hashlib.sha256(b"infragate/approval-nonce/v1\0" + document).digest()

    assert STATEMENT.document() == document
    assert STATEMENT.nonce() == unpadded(digest)


def test_the_periods_are_those_that_the_documentation_promises() -> None:
    assert approvals.CHALLENGE_TTL_S == 300
    assert approvals.AUTH_TIME_SKEW_S == 5
    assert approvals.LEEWAY_S == 30
    assert approvals.MAX_TOKEN_AGE_S == 300


@pytest.mark.parametrize("document", [Statement, Receipt])
def test_a_document_with_a_field_that_is_not_known_is_none(document: type[Statement]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        document.model_validate({**STATEMENT.model_dump(), "more": 1})
