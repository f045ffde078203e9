"""What `verify` and `check_claims` believe, and each reason why they do not."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Refusal
from shared.jose import (
    ACCESS_TOKEN_TYPES,
    KeySet,
    Verified,
    check_claims,
    key_id,
    numeric_date,
    parse_key_set,
    verify,
)
from tests.shared.jose_tokens import b64, document, jwk, sign, sign_raw

NOW = 1_800_000_000
CLAIMS: dict[str, object] = {
    "iss": "https://issuer.example",
    "aud": "https://gateway.example/mcp",
    "sub": "alice",
    "iat": NOW - 10,
    "exp": NOW + 300,
}
ALL = ("RS256", "PS256", "ES256", "ES384", "EdDSA")


def _keys(alg: str = "ES256") -> KeySet:
    keys = parse_key_set(document(jwk(alg)))
    assert isinstance(keys, KeySet)
    return keys


def _code(result: object) -> str:
    assert isinstance(result, Refusal), result
    return result.code


@pytest.mark.parametrize("alg", ALL)
def test_a_token_of_each_algorithm_is_believed(alg: str) -> None:
    verified = verify(sign(CLAIMS, alg=alg), _keys(alg))

    assert isinstance(verified, Verified)
    assert verified.claims == CLAIMS
    assert verified.header["kid"] == "k1"


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    """The example of RFC 7638 §3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE"
        "CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q"
        "vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6"
        "WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    keys = parse_key_set(document({"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "x"}))

    assert isinstance(keys, KeySet)
    assert keys.keys["x"].thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_token_over_the_limit_is_refused_before_it_is_decoded() -> None:
    assert _code(verify("!" * 101, _keys(), max_bytes=100)) == "token_size"


def test_a_token_may_have_sixteen_kibibytes_and_no_more() -> None:
    assert _code(verify("!" * 16_384, _keys())) == "token_parts"
    assert _code(verify("!" * 16_385, _keys())) == "token_size"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("", "token_parts"),
        ("{header}.{payload}", "token_parts"),
        ("{header}.{payload}.{signature}.", "token_parts"),
        ("{header}.{payload}.{signature}=", "token_encoding"),
        ("{header}.{payload}.{signature}\n", "token_encoding"),
        (" {header}.{payload}.{signature}", "token_encoding"),
        ("{header}.+{payload}.{signature}", "token_encoding"),
        ("{header}.{payload}.{signature}é", "token_encoding"),
        ("{header}.{payload}.", "token_signature"),
        ("{header}.{payload}.AAAA", "token_signature"),
        ("{header}..{signature}", "token_signature"),
    ],
)
def test_a_token_with_another_form_is_refused(form: str, code: str) -> None:
    header, payload, signature = sign(CLAIMS).split(".")

    token = form.format(header=header, payload=payload, signature=signature)

    assert _code(verify(token, _keys())) == code


def test_a_signature_of_zeros_is_refused() -> None:
    head, _, _ = sign(CLAIMS).rpartition(".")

    assert _code(verify(f"{head}.{b64(bytes(64))}", _keys())) == "token_signature"


def test_spare_bits_in_the_last_character_are_refused() -> None:
    head, _, signature = sign(CLAIMS).rpartition(".")
    spare = {"A": "B", "Q": "R", "g": "h", "w": "x"}[signature[-1]]

    assert _code(verify(f"{head}.{signature[:-1]}{spare}", _keys())) == "token_encoding"


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"null",
        b"{",
        b'"ES256"',
        b'{"alg":"ES256","alg":"ES256","kid":"k1"}',
        b'{"alg":"ES256","kid":"k1","x":NaN}',
        b'{"alg":"ES256","kid":"k1","x":"\\ud800"}',
        b'\xef\xbb\xbf{"alg":"ES256","kid":"k1"}',
        b'{"alg":"ES256","kid":"k1","x":"\xff"}',
        b'{"alg":"ES256","kid":"k1","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_header_that_parsers_disagree_about_is_refused(header: bytes) -> None:
    token = sign_raw(header, json.dumps(CLAIMS).encode(), alg="ES256")

    assert _code(verify(token, _keys())) == "token_header"


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"])
def test_a_header_that_says_where_keys_are_is_refused(name: str) -> None:
    assert _code(verify(sign(CLAIMS, **{name: "x"}), _keys())) == "token_header_forbidden"


@pytest.mark.parametrize("alg", ["none", "NONE", "HS256", "ES512", "", None, 256, ["ES256"]])
def test_an_algorithm_outside_the_list_is_refused(alg: object) -> None:
    token = sign_raw(json.dumps({"alg": alg, "kid": "k1"}).encode(), b"{}", alg="ES256")

    assert _code(verify(token, _keys())) == "token_algorithm"


def test_an_algorithm_that_the_caller_did_not_ask_for_is_refused() -> None:
    result = verify(sign(CLAIMS), _keys(), algorithms=frozenset({"RS256"}))

    assert _code(result) == "token_algorithm"


def test_asking_for_hmac_does_not_make_it_acceptable() -> None:
    token = sign_raw(b'{"alg":"HS256","kid":"k1"}', b"{}", alg="ES256")

    assert _code(verify(token, _keys(), algorithms=frozenset({"HS256"}))) == "token_algorithm"


@pytest.mark.parametrize("kid", [None, "", 1, ["k1"], {"k1": 1}, "k" * 257])
def test_a_kid_that_is_not_a_short_string_is_refused(kid: object) -> None:
    assert _code(verify(sign(CLAIMS, kid=kid), _keys())) == "token_kid"


@pytest.mark.parametrize(
    ("length", "code"), [(1, "token_unknown_key"), (256, "token_unknown_key"), (257, "token_kid")]
)
def test_a_kid_has_at_most_256_characters(length: int, code: str) -> None:
    assert _code(verify(sign(CLAIMS, kid="x" * length), _keys())) == code


@pytest.mark.parametrize("kid", ["k2", "../../dev/null", "k1\0", "' OR 1=1 --", "K1"])
def test_a_kid_is_a_plain_name_in_the_key_set(kid: str) -> None:
    assert _code(verify(sign(CLAIMS, kid=kid), _keys())) == "token_unknown_key"


def test_an_algorithm_of_another_key_type_is_refused() -> None:
    assert _code(verify(sign(CLAIMS, alg="ES256"), _keys("RS256"))) == "token_key_mismatch"


def test_an_algorithm_that_the_key_does_not_declare_is_refused() -> None:
    assert _code(verify(sign(CLAIMS, alg="PS256"), _keys("RS256"))) == "token_key_mismatch"


def test_a_key_without_alg_serves_all_that_fit_it() -> None:
    undeclared = jwk("RS256")
    del undeclared["alg"]
    keys = parse_key_set(document(undeclared))

    assert isinstance(keys, KeySet)
    assert isinstance(verify(sign(CLAIMS, alg="RS256"), keys), Verified)
    assert isinstance(verify(sign(CLAIMS, alg="ES256"), keys), Refusal)


def test_a_signature_by_another_key_is_refused() -> None:
    assert _code(verify(sign(CLAIMS, name="other", kid="k1"), _keys())) == "token_signature"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+JWT", None])
def test_the_usual_types_of_access_tokens_are_accepted(typ: str | None) -> None:
    verified = verify(sign(CLAIMS, typ=typ), _keys(), types=ACCESS_TOKEN_TYPES)

    assert isinstance(verified, Verified)


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "secevent+jwt", 1])
def test_a_token_of_another_type_is_refused(typ: object) -> None:
    assert _code(verify(sign(CLAIMS, typ=typ), _keys(), types=ACCESS_TOKEN_TYPES)) == "token_type"


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b"{}x", b'{"a":1e999}'],
)
def test_a_payload_that_is_not_one_plain_object_is_refused(payload: bytes) -> None:
    token = sign_raw(b'{"alg":"ES256","kid":"k1"}', payload, alg="ES256")

    assert _code(verify(token, _keys())) == "token_claims"


def test_the_kid_can_be_read_before_the_keys_are_there() -> None:
    assert key_id(sign(CLAIMS)) == "k1"
    assert _code(key_id("a.b")) == "token_parts"
    assert _code(key_id(sign(CLAIMS, jku="https://evil.example"))) == "token_header_forbidden"


@given(token=st.text(max_size=200) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
@settings(max_examples=60)
def test_arbitrary_text_is_refused_and_never_raises(token: str) -> None:
    assert isinstance(verify(token, _keys()), Refusal)


@given(data=st.data())
@settings(max_examples=100)
def test_changing_one_character_makes_a_token_unbelievable(data: st.DataObject) -> None:
    token = sign(CLAIMS, alg="EdDSA")
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("AZaz09-_.=").filter(lambda c: c != token[at]))

    assert isinstance(verify(token[:at] + other + token[at + 1 :], _keys("EdDSA")), Refusal)


def _check(changes: Mapping[str, object] = CLAIMS, *drop: str, **more: object) -> Refusal | None:
    claims = {k: v for k, v in {**CLAIMS, **changes, **more}.items() if k not in drop}
    return check_claims(
        claims, issuer="https://issuer.example", audience="https://gateway.example/mcp", now=NOW
    )


def test_the_claims_of_an_access_token_for_us_are_accepted() -> None:
    assert _check() is None
    assert _check(aud=["https://gateway.example/mcp", "https://other.example"]) is None
    assert _check(exp=NOW + 0.5, iat=NOW - 0.5, nbf=NOW - 1.5) is None
    assert _check(nonce="n", auth_time=NOW, typ="Bearer", azp="agent") is None
    assert all(_check(typ=typ) is None for typ in ("Bearer", "DPoP", "JWT", "at+jwt"))
    assert _check(sub="s") is None
    assert _check(sub="s" * 255) is None


@pytest.mark.parametrize(
    ("lifetime", "code"),
    [(0, "claim_lifetime"), (1, None), (86_400, None), (86_401, "claim_lifetime")],
)
def test_an_access_token_may_live_a_day_and_no_longer(lifetime: int, code: str | None) -> None:
    refusal = _check(iat=NOW, exp=NOW + lifetime)

    assert (refusal and refusal.code) == code


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://issuer.example/"}, "claim_issuer"),
        ({"iss": "https://issuer.example.evil"}, "claim_issuer"),
        ({"iss": None}, "claim_issuer"),
        ({"iss": ["https://issuer.example"]}, "claim_issuer"),
        ({"aud": "https://gateway.example/mcp/"}, "claim_audience"),
        ({"aud": "https://gateway.example"}, "claim_audience"),
        ({"aud": []}, "claim_audience"),
        ({"aud": None}, "claim_audience"),
        ({"aud": ["https://gateway.example/mcp", 1]}, "claim_audience"),
        ({"aud": {"https://gateway.example/mcp": 1}}, "claim_audience"),
        ({"sub": ""}, "claim_subject"),
        ({"sub": 7}, "claim_subject"),
        ({"sub": "s" * 256}, "claim_subject"),
        ({"exp": None}, "claim_times"),
        ({"exp": str(NOW + 300)}, "claim_times"),
        ({"exp": True}, "claim_times"),
        ({"exp": float("inf")}, "claim_times"),
        ({"exp": float("nan")}, "claim_times"),
        ({"exp": 2**53}, "claim_times"),
        ({"iat": -1}, "claim_times"),
        ({"nbf": "soon"}, "claim_times"),
        ({"exp": NOW - 30}, "claim_expired"),
        ({"iat": NOW + 31, "exp": NOW + 60}, "claim_not_yet"),
        ({"nbf": NOW + 31}, "claim_not_yet"),
        ({"exp": NOW + 86_400}, "claim_lifetime"),
        ({"iat": NOW, "exp": NOW - 5}, "claim_lifetime"),
        ({"typ": "ID"}, "claim_purpose"),
        ({"typ": "Refresh"}, "claim_purpose"),
        ({"typ": "bearer"}, "claim_purpose"),
        ({"typ": None}, "claim_purpose"),
        ({"at_hash": "x"}, "claim_purpose"),
        ({"c_hash": "x"}, "claim_purpose"),
        ({"events": {}}, "claim_purpose"),
    ],
)
def test_a_claim_that_is_not_right_is_refused(claims: dict[str, object], code: str) -> None:
    assert _code(_check(claims)) == code


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("iss", "claim_issuer"),
        ("aud", "claim_audience"),
        ("sub", "claim_subject"),
        ("iat", "claim_times"),
        ("exp", "claim_times"),
    ],
)
def test_a_missing_claim_is_refused(claim: str, code: str) -> None:
    assert _code(_check(CLAIMS, claim)) == code


def test_the_leeway_is_exact() -> None:
    assert _check(iat=NOW - 100, exp=NOW - 29) is None
    assert _check(iat=NOW + 30) is None


@given(
    st.none()
    | st.booleans()
    | st.text()
    | st.floats()
    | st.integers()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.integers())
)
def test_a_numeric_date_is_whole_seconds_or_nothing(value: object) -> None:
    date = numeric_date(value)

    assert date is None or (isinstance(value, int | float) and 0 <= date <= value < date + 1)


@pytest.mark.parametrize(
    ("value", "date"), [(0, 0), (1.9, 1), (2**53 - 1, 2**53 - 1), (2**53, None), (-1, None)]
)
def test_a_numeric_date_is_from_the_epoch_to_what_json_holds_exactly(
    value: float, date: int | None
) -> None:
    assert numeric_date(value) == date
