"""Which keys of a JWK Set may sign, and which documents are not believed at all."""

import hashlib
import json
from math import prod

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from shared.errors import Refusal
from shared.jwks import (
    Key,
    KeySet,
    parse_key,
    parse_key_set,
)
from shared.strict import (
    strict_base64url,
    strict_json,
)
from tests.shared.jose_tokens import b64, document, jwk


def _code(result: object) -> str:
    assert isinstance(result, Refusal), result
    return result.code


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
def test_a_signing_key_of_each_kind_is_usable(alg: str) -> None:
    key = parse_key(jwk(alg))

    assert isinstance(key, Key)
    assert key.algorithms == {alg}


def test_keys_for_other_purposes_are_left_out_with_their_reason() -> None:
    """Keycloak publishes its encryption key in the same document."""
    keys = parse_key_set(document(jwk("ES256"), jwk("RS256", "enc", use="enc", alg="RSA-OAEP")))

    assert isinstance(keys, KeySet)
    assert set(keys.keys) == {"k1"}
    assert keys.skipped == ((1, "use"),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kid": None}, "kid"),
        ({"kid": ""}, "kid"),
        ({"kid": "k" * 257}, "kid"),
        ({"kty": "oct"}, "kty"),
        ({"kty": ["EC"]}, "kty"),
        ({"d": "AA"}, "private"),
        ({"k": "AA"}, "private"),
        ({"use": "enc"}, "use"),
        ({"use": None}, "use"),
        ({"key_ops": ["sign"]}, "key_ops"),
        ({"key_ops": "verify"}, "key_ops"),
        ({"alg": "RS256"}, "alg"),
        ({"alg": "ES384"}, "alg"),
        ({"alg": None}, "alg"),
        ({"crv": "P-521"}, "curve"),
        ({"crv": "secp256k1"}, "curve"),
        ({"crv": ["P-256"]}, "curve"),
        ({"crv": "P-384"}, "parameters"),
        ({"x": "AA"}, "parameters"),
        ({"y": b64(b"\1" * 32)}, "parameters"),
        ({"y": 5}, "parameters"),
    ],
)
def test_an_elliptic_key_that_may_not_sign_is_left_out(
    changes: dict[str, object], reason: str
) -> None:
    assert parse_key({**jwk("ES256"), **changes}) == reason


def _rsa_jwk(bits: int, exponent: int = 65537) -> dict[str, object]:
    public = rsa.generate_private_key(public_exponent=exponent, key_size=bits).public_key()
    return {**get_default_algorithms()["RS256"].to_jwk(public, as_dict=True), "kid": "k1"}


def _of_modulus(n: int) -> Key | str:
    return parse_key(jwk("RS256", n=b64(n.to_bytes((n.bit_length() + 7) // 8, "big"))))


def test_rsa_keys_that_are_too_small_or_too_large_are_left_out() -> None:
    assert parse_key(_rsa_jwk(1024)) == "rsa_size"
    assert _of_modulus(2**2047 - 1) == "rsa_size"
    assert isinstance(_of_modulus(2**2048 - 1), Key)
    assert isinstance(_of_modulus(2**8192 - 1), Key)
    assert _of_modulus(2**8192 + 1) == "rsa_size"


@pytest.mark.parametrize("e", [1, 3, 65535, 65540, 2**32 + 1])
def test_rsa_exponents_that_are_small_even_or_huge_are_left_out(e: int) -> None:
    assert parse_key(jwk("RS256", e=b64(e.to_bytes(5, "big").lstrip(b"\0")))) == "rsa_exponent"


@pytest.mark.parametrize("e", [65537, 65539, 2**32 - 1])
def test_other_rsa_exponents_are_usable(e: int) -> None:
    assert isinstance(parse_key(jwk("RS256", e=b64(e.to_bytes(4, "big").lstrip(b"\0")))), Key)


def test_an_even_modulus_is_left_out() -> None:
    assert _of_modulus(2**2048 - 2) == "rsa_weak"


SMALL_PRIMES = [n for n in range(2, 168) if all(n % m for m in range(2, n))]
PRODUCT = prod(SMALL_PRIMES)
OF_THE_CHIPS = prod(
    k * PRODUCT + pow(65537, a, PRODUCT) for k, a in ((2**804 + 1, 5), (2**805 + 3, 7))
)


def test_a_modulus_of_the_chips_that_made_guessable_primes_is_left_out() -> None:
    """CVE-2017-15361: p = k·M + 65537^a mod M, where M is the product of the first primes."""
    assert OF_THE_CHIPS % 2 == 1
    assert _of_modulus(OF_THE_CHIPS) == "rsa_weak"


FINGERPRINT = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


@pytest.mark.parametrize("prime", FINGERPRINT)
def test_a_modulus_that_one_small_prime_clears_is_usable(prime: int) -> None:
    """Those chips' moduli are a power of 65537 modulo every small prime; this is not for one."""
    powers = {pow(65537, a, prime) for a in range(prime)}
    alike = (OF_THE_CHIPS + t * (PRODUCT // prime) for t in range(prime))
    cleared = next(n for n in alike if n % prime and n % prime not in powers)

    assert isinstance(_of_modulus(cleared), Key)


def test_an_rsa_key_that_names_no_algorithm_signs_all_that_fit_its_kind() -> None:
    entry = {name: one for name, one in jwk("RS256").items() if name != "alg"}
    key = parse_key(entry)

    assert isinstance(key, Key)
    assert key.algorithms == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_key_with_any_private_member_is_left_out(member: str) -> None:
    assert parse_key(jwk("RS256", **{member: "AA"})) == "private"


def test_a_name_may_have_256_characters() -> None:
    assert isinstance(parse_key({**jwk("ES256"), "kid": "k" * 256}), Key)


@pytest.mark.parametrize("n", ["", "AA", None, 5, "!!"])
def test_an_rsa_key_without_a_modulus_is_left_out(n: object) -> None:
    assert parse_key(jwk("RS256", n=n)) in ("parameters", "rsa_size")


def test_a_leading_zero_octet_is_another_spelling_and_left_out() -> None:
    modulus = strict_base64url(str(jwk("RS256")["n"])) or b""

    assert parse_key(jwk("RS256", n=b64(b"\0" + modulus))) == "parameters"


def test_other_edwards_curves_are_left_out() -> None:
    assert parse_key(jwk("EdDSA", crv="Ed448")) == "curve"
    assert parse_key(jwk("EdDSA", x=b64(b"\1" * 31))) == "parameters"


def test_a_member_that_is_not_an_object_is_left_out() -> None:
    assert parse_key("k1") == "not_an_object"


def test_two_keys_of_one_name_refuse_the_document() -> None:
    assert _code(parse_key_set(document(jwk("ES256"), jwk("RS256")))) == "jwks_duplicate_kid"


def test_what_is_no_key_at_all_does_not_spoil_a_document() -> None:
    keys = parse_key_set(json.dumps({"keys": ["k1", None, jwk("ES256")]}).encode())

    assert isinstance(keys, KeySet)
    assert set(keys.keys) == {"k1"}
    assert keys.skipped == ((0, "not_an_object"), (1, "not_an_object"))


def test_a_hidden_key_of_the_same_name_refuses_the_document_too() -> None:
    twin = {"kty": "oct", "kid": "k1", "k": "AA"}

    assert _code(parse_key_set(document(jwk("ES256"), twin))) == "jwks_duplicate_kid"


def test_a_document_over_64_kib_is_refused() -> None:
    padded = document(jwk("ES256")) + b" " * 64 * 1024

    assert _code(parse_key_set(padded)) == "jwks_size"
    assert isinstance(parse_key_set(padded[: 64 * 1024]), KeySet)
    assert _code(parse_key_set(padded[: 64 * 1024 + 1])) == "jwks_size"


def test_a_document_of_more_than_50_keys_is_refused() -> None:
    keys = [{"kty": "oct", "kid": str(i)} for i in range(51)]

    assert _code(parse_key_set(document(*keys))) == "jwks_size"
    assert isinstance(parse_key_set(document(jwk("ES256"), *keys[:49])), KeySet)


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"<html>", b"\xff"]
)
def test_a_document_that_is_no_key_set_is_refused(text: bytes) -> None:
    assert _code(parse_key_set(text)) == "jwks_malformed"


def test_a_document_without_a_usable_key_is_refused() -> None:
    assert _code(parse_key_set(b'{"keys":[]}')) == "jwks_empty"
    assert _code(parse_key_set(document(jwk("ES256", d="AA")))) == "jwks_empty"


def test_p_384_keys_sign_only_es384() -> None:
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    entry = get_default_algorithms()["ES384"].to_jwk(public, as_dict=True)
    key = parse_key({**entry, "kid": "k"})

    assert isinstance(key, Key)
    assert key.algorithms == {"ES384"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_members = st.sampled_from(["kid", "kty", "use", "alg", "crv", "x", "y", "n", "e", "key_ops"])


@given(
    changes=st.dictionaries(_members, _json, max_size=4), alg=st.sampled_from(["ES256", "RS256"])
)
@settings(max_examples=150)
def test_no_document_makes_the_reader_raise(changes: dict[str, object], alg: str) -> None:
    text = json.dumps({"keys": [{**jwk(alg), **changes}]}).encode()

    assert isinstance(parse_key_set(text), KeySet | Refusal)


@given(st.binary(max_size=100))
def test_every_octet_string_has_one_spelling(raw: bytes) -> None:
    assert strict_base64url(b64(raw)) == raw


@given(st.binary(max_size=60))
def test_strict_json_never_raises(raw: bytes) -> None:
    strict_json(raw)


@given(_json)
def test_strict_json_reads_what_json_writes(value: object) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert strict_json(text) == value


def test_a_fraction_is_read_as_it_is() -> None:
    assert strict_json(b"[1.5, 1e3]") == [1.5, 1000.0]
    assert strict_json(b"1e999") is None


@pytest.mark.parametrize(
    ("alg", "hashed"),
    [
        ("ES256", '{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'),
        ("EdDSA", '{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'),
        ("RS256", '{{"e":"AQAB","kty":"RSA","n":"{n}"}}'),
    ],
)
def test_a_key_is_named_by_the_members_of_rfc_7638_alone(alg: str, hashed: str) -> None:
    entry = jwk(alg)
    key, renamed = parse_key(entry), parse_key({**entry, "kid": "another"})

    assert isinstance(key, Key)
    assert isinstance(renamed, Key)
    assert key.thumbprint == b64(hashlib.sha256(hashed.format(**entry).encode()).digest())
    assert renamed.thumbprint == key.thumbprint
