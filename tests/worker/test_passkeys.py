"""Which answers of a passkey are believed: those of the policy's key, to this challenge."""

import hashlib
import json
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from webauthn.helpers import encode_cbor

from shared.digests import base64url
from shared.errors import Refusal
from shared.passkeys import Assertion
from shared.plans import Identity
from tests.worker.authenticator import (
    BE,
    BS,
    ORIGIN,
    UP,
    UV,
    Authenticator,
    PrivateKey,
    cose,
    ec_key,
    raw,
)
from worker.passkeys import Passkey, Used, address_problem, algorithm_of, verify

ADA = Identity(iss="https://id.example.com", sub="ada")
CHALLENGE = hashlib.sha256(b"a statement").digest()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def judged(
    authenticator: Authenticator,
    assertion: Assertion | None = None,
    *,
    passkey: Passkey | None = None,
) -> str:
    """The code of the refusal; empty when the answer is believed."""
    result = verify(
        assertion or authenticator.get(CHALLENGE),
        passkeys=(passkey or authenticator.passkey(ADA),),
        challenge=CHALLENGE,
        origin=ORIGIN,
    )
    return result.code if isinstance(result, Refusal) else ""


@pytest.mark.parametrize("key", [ec_key(), ed25519.Ed25519PrivateKey.generate(), RSA])
def test_an_answer_of_each_allowed_algorithm_is_believed(key: PrivateKey) -> None:
    ada = Authenticator(key=key)

    used = verify(
        ada.get(CHALLENGE), passkeys=(ada.passkey(ADA),), challenge=CHALLENGE, origin=ORIGIN
    )

    assert used == Used(
        credential_sha256=hashlib.sha256(ada.credential_id).hexdigest(), count=ada.count
    )


def test_one_of_several_passkeys_is_enough() -> None:
    first, second = Authenticator(), Authenticator()
    both = (first.passkey(ADA), second.passkey(ADA))

    answer = verify(second.get(CHALLENGE), passkeys=both, challenge=CHALLENGE, origin=ORIGIN)

    assert isinstance(answer, Used)


def test_a_synced_passkey_and_one_that_does_not_count_are_believed() -> None:
    assert judged(Authenticator(flags=UP | UV | BE | BS, count=0)) == ""


@pytest.mark.promise("passkey-checks")
@pytest.mark.parametrize(
    ("client", "code"),
    [
        ({"type": "webauthn.create"}, "passkey_type"),
        ({"type": None}, "passkey_type"),
        ({"challenge": base64url(bytes(32))}, "passkey_challenge"),
        ({"challenge": base64url(CHALLENGE) + "="}, "passkey_challenge"),
        ({"challenge": "\u00e9"}, "passkey_challenge"),
        ({"challenge": None}, "passkey_unreadable"),
        ({"challenge": 7}, "passkey_unreadable"),
        ({"origin": "https://evil.example.com"}, "passkey_origin"),
        ({"origin": ORIGIN + "/"}, "passkey_origin"),
        ({"origin": ORIGIN + ":8443"}, "passkey_origin"),
        ({"origin": [ORIGIN]}, "passkey_origin"),
        ({"origin": None}, "passkey_origin"),
        ({"crossOrigin": True}, "passkey_cross_origin"),
        ({"crossOrigin": 0}, "passkey_cross_origin"),
        ({"topOrigin": "https://evil.example.com"}, "passkey_cross_origin"),
        ({"crossOrigin": None}, ""),
    ],
)
def test_what_the_browser_signed_must_be_an_answer_to_us(
    client: dict[str, object], code: str
) -> None:
    ada = Authenticator()

    assert judged(ada, ada.get(CHALLENGE, **client)) == code


@pytest.mark.promise("passkey-checks")
@pytest.mark.parametrize(
    ("authenticator", "code"),
    [
        (Authenticator(flags=UV), "passkey_user_absent"),
        (Authenticator(flags=UP), "passkey_user_unverified"),
        (Authenticator(flags=UP | UV | BS), "passkey_signature"),  # a flag that cannot be
        (Authenticator(flags=0), "passkey_user_absent"),
    ],
)
def test_somebody_must_have_touched_it_and_been_recognized(
    authenticator: Authenticator, code: str
) -> None:
    assert judged(authenticator) == code


@pytest.mark.promise("passkey-checks")
def test_a_passkey_of_another_site_is_refused() -> None:
    ada = Authenticator()
    passkey = ada.passkey(ADA)
    ada.rp_id = "evil.example.com"

    assert judged(ada, passkey=passkey) == "passkey_rp_id"


@pytest.mark.promise("passkey-key-is-the-policys")
def test_a_key_that_is_not_in_the_policy_signs_nothing() -> None:
    ada, eve = Authenticator(), Authenticator()
    posing = Authenticator(credential_id=ada.credential_id)

    assert judged(eve, passkey=ada.passkey(ADA)) == "passkey_unknown"
    assert judged(posing, passkey=ada.passkey(ADA)) == "passkey_signature"


def test_without_passkeys_nothing_is_believed() -> None:
    answer = verify(Authenticator().get(CHALLENGE), passkeys=(), challenge=CHALLENGE, origin=ORIGIN)

    assert isinstance(answer, Refusal)
    assert answer.code == "passkey_unknown"


@pytest.mark.parametrize("name", ["client_data", "authenticator_data", "signature"])
@pytest.mark.promise("passkey-checks")
def test_every_byte_that_was_signed_counts(name: str) -> None:
    ada = Authenticator()
    good = ada.get(CHALLENGE)
    value = bytearray(raw(getattr(good, name)))
    value[-2] ^= 1

    bent = good.model_copy(update={name: base64url(bytes(value))})

    assert judged(ada, bent).startswith("passkey_")


@pytest.mark.parametrize(
    "client",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"challenge": "x", "challenge": "y"}',
        b"null",
        b"NaN",
        b"[" * 1400,
    ],
)
def test_what_is_no_answer_is_unreadable(client: bytes) -> None:
    ada = Authenticator()
    bent = ada.get(CHALLENGE).model_copy(update={"client_data": base64url(client)})

    assert judged(ada, bent) == "passkey_unreadable"


@given(data=st.binary(max_size=120), signature=st.binary(max_size=80))
def test_no_bytes_make_the_check_crash(data: bytes, signature: bytes) -> None:
    ada = Authenticator(key=KEY)
    client = json.dumps(
        {"type": "webauthn.get", "challenge": base64url(CHALLENGE), "origin": ORIGIN}
    ).encode()
    for authenticator_data in (data, ada.authenticator_data() + data):
        assertion = Assertion.model_construct(
            credential_id=base64url(ada.credential_id),
            client_data=base64url(client),
            authenticator_data=base64url(authenticator_data),
            signature=base64url(signature),
        )
        assert judged(ada, assertion).startswith("passkey_")


KEY = ec_key()


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"\x04" + bytes(64),
        b"\xa0",
        b"\x80",
        secrets.token_bytes(77),
        cose(ec_key(), alg=-36),
        cose(ec_key(ec.SECP384R1())),
        cose(RSA, alg=-37),
        cose(RSA, alg=-65535),
        cose(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - that it is weak is the case
        encode_cbor({1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)}),
    ],
    ids=range(11),  # keys are fresh in each process, and names must be the same in all
)
def test_no_other_key_gets_into_a_policy(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"no public key|needs one of"):
        algorithm_of(key)


@pytest.mark.parametrize(
    "changed",
    [
        {"credential_id": base64url(bytes(15))},
        {"credential_id": "A" * 1365},
        {"credential_id": "not base64url!"},
        {"public_key": "AAAA"},
        {"public_key": "A" * 2049},
        {"public_key": base64url(cose(RSA, alg=-38))},
        {"rp_id": "https://approvals.example.com"},
        {"rp_id": "Approvals.example.com"},
        {"rp_id": ""},
        {"iss": ""},
        {"sub": ""},
        {"sub": 7},
        {"name": "n" * 81},
        {"transports": ["usb"]},
    ],
)
def test_a_passkey_that_cannot_be_one_stops_the_policy(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Authenticator().passkey(ADA, **changed)


def test_the_shortest_and_longest_values_of_a_passkey_are_accepted() -> None:
    ada = Authenticator(credential_id=bytes(16))

    passkey = ada.passkey(Identity(iss="i", sub="s"), name="n" * 80)

    assert (passkey.iss, passkey.sub, len(passkey.name)) == ("i", "s", 80)
    assert len(Authenticator(credential_id=bytes(1023)).passkey(ADA).credential_id) == 1364
    with pytest.raises(ValidationError, match="frozen"):
        passkey.iss = "another"  # type: ignore[misc]  # what is tried


@pytest.mark.parametrize(
    ("key", "name"),
    [(ec_key(), "ES256"), (ed25519.Ed25519PrivateKey.generate(), "EdDSA"), (RSA, "RS256")],
)
def test_an_algorithm_has_its_usual_name(key: PrivateKey, name: str) -> None:
    assert algorithm_of(cose(key)) == name


def test_the_words_of_a_passkey_are_of_these_bytes() -> None:
    """Computed by other means: six words are compared between a page and a command."""
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    digest = hashlib.sha256(b"infragate/passkey-key/v1\0" + public).hexdigest()

    assert Authenticator(key=KEY).passkey(ADA).digest == f"sha256:{digest}"


@pytest.mark.parametrize(
    ("name", "value"),
    [("authenticator_data", bytes(36)), ("authenticator_data", bytes(38)), ("client_data", b"{}")],
)
def test_cut_or_padded_answers_are_unreadable(name: str, value: bytes) -> None:
    ada = Authenticator()
    bent = ada.get(CHALLENGE).model_copy(update={name: base64url(value)})

    assert judged(ada, bent) == "passkey_unreadable"


@pytest.mark.parametrize(
    ("rp_id", "address", "production", "fits"),
    [
        ("approvals.example.com", "https://approvals.example.com", True, True),
        ("example.com", "https://approvals.example.com:8443/", True, True),
        ("localhost", "http://localhost:3001", False, True),
        ("localhost", "http://localhost:3001", True, False),
        ("example.com", "https://badexample.com", True, False),
        ("approvals.example.com", "https://example.com", True, False),
        ("approvals.example.com", "http://approvals.example.com", False, False),
        ("localhost", "http://127.0.0.1:3001", False, False),
    ],
)
def test_passkeys_must_fit_the_address_of_the_pages(
    rp_id: str,
    address: str,
    production: bool,
    fits: bool,
) -> None:
    assert (address_problem({rp_id}, address, production=production) is None) is fits
    assert address_problem((), address, production=production) is None
    if not production:
        assert (address_problem({rp_id}, address) is None) is fits
