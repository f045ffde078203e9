"""Seals hold for one key, purpose and document; a proof opens for one applier and statement."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.digests import base64url, from_base64url
from shared.seals import (
    RECEIPT_DOMAIN,
    SEAL_DOMAIN,
    STATEMENT_DOMAIN,
    decrypt_proof,
    encrypt_proof,
    plan_seal_holds,
    proof_key_from_text,
    public_text,
    seal_plan,
    sign,
    signature_holds,
    signing_key_from_text,
)

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
BELIEVED = (KEY.public_key(),)
APPLIER, STRANGER = X25519PrivateKey.generate(), X25519PrivateKey.generate()
DIGEST = "sha256:" + "ab" * 32
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln"
STATEMENT = b'{"plan_id":"1"}'
FEW = settings(max_examples=60)


def _flipped(text: str, bit: int) -> str:
    raw = bytearray(from_base64url(text))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return base64url(bytes(raw))


def test_a_seal_holds_for_its_digest_and_expiry() -> None:
    assert plan_seal_holds(BELIEVED, DIGEST, 9, seal_plan(KEY, DIGEST, 9))


def test_one_of_several_planners_suffices() -> None:
    both = (OTHER.public_key(), KEY.public_key())

    assert plan_seal_holds(both, DIGEST, 9, seal_plan(KEY, DIGEST, 9))


@pytest.mark.parametrize(
    ("digest", "expires_at"), [("sha256:" + "ac" * 32, 9), (DIGEST, 10), (DIGEST, 90)]
)
def test_a_seal_does_not_hold_for_another_plan_or_a_later_expiry(
    digest: str, expires_at: int
) -> None:
    assert not plan_seal_holds(BELIEVED, digest, expires_at, seal_plan(KEY, DIGEST, 9))


def test_a_strangers_seal_does_not_hold_and_without_keys_none_does() -> None:
    assert not plan_seal_holds(BELIEVED, DIGEST, 9, seal_plan(OTHER, DIGEST, 9))
    assert not plan_seal_holds((), DIGEST, 9, seal_plan(KEY, DIGEST, 9))


@given(bit=st.integers(0, 511))
@FEW
def test_a_seal_with_one_bit_changed_does_not_hold(bit: int) -> None:
    assert not plan_seal_holds(BELIEVED, DIGEST, 9, _flipped(seal_plan(KEY, DIGEST, 9), bit))


@given(text=st.text(max_size=90))
@FEW
def test_text_that_is_no_signature_does_not_hold(text: str) -> None:
    assert not plan_seal_holds(BELIEVED, DIGEST, 9, text)


@pytest.mark.parametrize("domain", [RECEIPT_DOMAIN, SEAL_DOMAIN])
def test_a_signature_for_one_purpose_is_none_for_another(domain: bytes) -> None:
    signature = sign(KEY, STATEMENT_DOMAIN, STATEMENT)

    assert signature_holds(BELIEVED, STATEMENT_DOMAIN, STATEMENT, signature)
    assert not signature_holds(BELIEVED, domain, STATEMENT, signature)
    assert not signature_holds(BELIEVED, STATEMENT_DOMAIN, STATEMENT + b" ", signature)


def test_a_proof_is_read_by_its_applier_beside_its_statement() -> None:
    sealed = encrypt_proof(APPLIER.public_key(), TOKEN, statement=STATEMENT)

    assert decrypt_proof(APPLIER, sealed, statement=STATEMENT) == TOKEN
    assert TOKEN not in sealed
    assert base64url(TOKEN.encode()) not in sealed


def test_a_proof_is_closed_to_others_and_beside_another_statement() -> None:
    sealed = encrypt_proof(APPLIER.public_key(), TOKEN, statement=STATEMENT)

    assert decrypt_proof(STRANGER, sealed, statement=STATEMENT) is None
    assert decrypt_proof(APPLIER, sealed, statement=b'{"plan_id":"2"}') is None


def test_the_same_proof_never_looks_the_same_twice() -> None:
    sealed = {encrypt_proof(APPLIER.public_key(), TOKEN, statement=STATEMENT) for _ in range(3)}

    assert len(sealed) == 3


@given(bit=st.integers(0, 8 * 90))
@FEW
def test_a_proof_with_one_bit_changed_is_closed(bit: int) -> None:
    sealed = encrypt_proof(APPLIER.public_key(), TOKEN, statement=STATEMENT)

    assert decrypt_proof(APPLIER, _flipped(sealed, bit), statement=STATEMENT) is None


@given(text=st.text(max_size=120) | st.binary(max_size=90).map(base64url))
@FEW
def test_what_is_no_proof_is_closed(text: str) -> None:
    assert decrypt_proof(APPLIER, text, statement=STATEMENT) is None


def test_public_keys_survive_as_text() -> None:
    signing, proof = KEY.public_key(), APPLIER.public_key()

    assert signing_key_from_text(public_text(signing)) == signing
    assert proof_key_from_text(public_text(proof)) == proof


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 44, "not base64!"])
def test_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's words
        signing_key_from_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - the library's words
        proof_key_from_text(text)
