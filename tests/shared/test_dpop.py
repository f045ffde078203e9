"""Proofs of possession (RFC 9449): one request, one token, one key, now."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dpop import Proof, read_proof
from shared.errors import Refusal
from tests.shared.jose_tokens import b64, jwk, sign_raw

NOW = 1_800_000_000
URL = "https://gate.example/mcp"
TOKEN = "a.b.c"


def public(alg: str = "ES256", name: str = "client") -> dict[str, object]:
    key = jwk(alg, name)
    return {member: key[member] for member in ("kty", "crv", "x", "y", "n", "e") if member in key}


def made(alg: str = "ES256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A good proof, but for what is said; None leaves something out."""
    members = {"typ": "dpop+jwt", "alg": alg, "jwk": public(alg), **(header or {})}
    said = {
        "jti": "proof-1",
        "htm": "POST",
        "htu": URL,
        "iat": NOW,
        "ath": b64(hashlib.sha256(TOKEN.encode()).digest()),
        **claims,
    }
    raw = [
        json.dumps({name: one for name, one in part.items() if one is not None}).encode()
        for part in (members, said)
    ]
    return sign_raw(raw[0], raw[1], alg=alg, name="client")


def of_length(length: int) -> str:
    """A good proof of exactly so many bytes."""
    for padding in range(5000, 6200):
        for more in range(3):
            proof = made(header={"more": "x" * more}, padding="x" * padding)
            if len(proof) == length:
                return proof
    raise AssertionError


def read(proof: str, **changed: Any) -> Proof | Refusal:
    asked: dict[str, Any] = {"token": TOKEN, "method": "POST", "url": URL, "now": NOW, **changed}
    return read_proof(proof, **asked)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA", "RS256", "PS256"])
def test_a_good_proof_names_its_key_and_itself(alg: str) -> None:
    proof = read(made(alg))

    assert isinstance(proof, Proof), proof
    assert proof.id == "proof-1"
    assert len(proof.thumbprint) == 43


@pytest.mark.parametrize("length", [1, 255])
def test_a_short_and_a_long_name_are_names(length: int) -> None:
    proof = read(made(jti="x" * length))

    assert isinstance(proof, Proof)
    assert proof.id == "x" * length


def test_query_and_fragment_of_the_address_do_not_matter() -> None:
    assert isinstance(read(made(htu=f"{URL}?a=b#c")), Proof)


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_clocks_may_differ_a_little(seconds: int) -> None:
    assert isinstance(read(made(iat=NOW + seconds)), Proof)


@pytest.mark.parametrize(
    "claims",
    [
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
        {"jti": 5},
        {"htm": "GET"},
        {"htm": "post"},
        {"htm": None},
        {"htu": "https://gate.example/other"},
        {"htu": "https://gate.example/mcp/"},
        {"htu": "http://gate.example/mcp"},
        {"htu": "https://evil.example/mcp"},
        {"htu": "https://[/mcp"},
        {"htu": None},
        {"iat": NOW - 61},
        {"iat": NOW + 61},
        {"iat": "now"},
        {"iat": None},
        {"ath": b64(hashlib.sha256(b"another token").digest())},
        {"ath": None},
    ],
    ids=str,
)
def test_a_proof_of_another_request_token_or_time_is_none(claims: dict[str, Any]) -> None:
    refused = read(made(**claims))

    assert isinstance(refused, Refusal)
    assert refused.code == "dpop_proof"


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"alg": None},
        {"jwk": None},
        {"jwk": "key"},
        {"jwk": {**public(), "d": "AAAA"}},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jwk": public(name="another")},
        {"crit": ["exp"]},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/certificate"},
        {"x5c": []},
        {"b64": False},
        {"zip": "DEF"},
        {"enc": "A256GCM"},
    ],
    ids=range(18),  # keys are fresh in each process, and names must be the same in all
)
def test_a_proof_by_no_usable_key_is_none(header: dict[str, Any]) -> None:
    assert isinstance(read(made(header=header)), Refusal)


def test_a_bent_or_huge_proof_is_none() -> None:
    good = made()
    head, payload, signature = good.split(".")

    for bent in (
        "",
        "..",
        f"{head}.{payload}",
        f"{good}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{'A' * len(signature)}",
        f"{payload}.{payload}.{signature}",
        f"!.{payload}.{signature}",
        f"{head}.!.{signature}",
        f"{head}.{payload}.!",
        good + "=",
        good + "é",
    ):
        assert isinstance(read(bent), Refusal), bent[:60]


def test_a_proof_may_have_8_kib() -> None:
    fits, too_long = (of_length(8192), of_length(8193))

    assert isinstance(read(fits), Proof)
    assert isinstance(read(too_long), Refusal)


@pytest.mark.parametrize(("header", "claims"), [("[]", "{}"), ("{}", "[]"), ("1", "null")])
def test_a_proof_without_two_objects_is_none(header: str, claims: str) -> None:
    refused = read(sign_raw(header.encode(), claims.encode(), alg="ES256", name="client"))

    assert isinstance(refused, Refusal)
    assert "no JSON object" in refused.message


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{0,20}){2}"))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    assert isinstance(read(text), Refusal)
