"""The official vectors: not one invalid token is believed, and every valid one that is refused
is refused for a reason that is written down here.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Refusal
from shared.jose import KeySet, authenticate, parse_key_set, verify

VECTORS = Path(__file__).parent / "jose_vectors"
SYMMETRIC = "symmetric keys are never published, so never accepted"
P521 = "P-521 is not on the list: no identity provider of ours signs with it"
PINNED = "the key says PS256, the token PS384: a key's own alg is binding"
ENCRYPTED = "encrypted tokens are not accepted anywhere"


def _cases() -> list[Any]:
    cases = []
    for path in sorted(VECTORS.glob("*.json")):
        for group in json.loads(path.read_text())["testGroups"]:
            for test in group["tests"]:
                name = f"{path.stem}-{test['tcId']}-{group['comment']}-{test['comment']}"
                cases.append(pytest.param(group, test, id=name))
    return cases


def _key_set(group: dict[str, Any]) -> KeySet | Refusal:
    keys = group.get("public") or group["private"]
    return parse_key_set(json.dumps(keys if "keys" in keys else {"keys": [keys]}).encode())


def _token(test: dict[str, Any]) -> str:
    token = test.get("jws", test.get("jwe"))
    return token if isinstance(token, str) else json.dumps(token)


def _why_a_valid_one_is_refused(group: dict[str, Any], test: dict[str, Any]) -> str | None:
    keys = group.get("public") or group["private"]
    keys = keys.get("keys", [keys])
    if "jwe" in test:
        return ENCRYPTED
    if all(key["kty"] == "oct" for key in keys):
        return SYMMETRIC
    if keys[0].get("crv") == "P-521":
        return P521
    if test["comment"] == "Figure20":
        return PINNED
    return None


@pytest.mark.parametrize(("group", "test"), _cases())
def test_an_official_vector_is_judged_rightly(group: dict[str, Any], test: dict[str, Any]) -> None:
    keys = _key_set(group)
    signed = keys if isinstance(keys, Refusal) else authenticate(_token(test), keys)

    believed = not isinstance(signed, Refusal)

    if test["result"] == "valid":
        assert believed is (_why_a_valid_one_is_refused(group, test) is None)
    else:
        assert not believed


@pytest.mark.promise("jose-vectors")
@pytest.mark.parametrize(("group", "test"), _cases())
def test_no_invalid_official_vector_becomes_claims(
    group: dict[str, Any], test: dict[str, Any]
) -> None:
    keys = _key_set(group)
    if test["result"] == "invalid" and not isinstance(keys, Refusal):
        assert isinstance(verify(_token(test), keys), Refusal)


def test_the_vectors_are_all_there() -> None:
    verdicts = Counter(case.values[1]["result"] for case in _cases())

    assert sum(verdicts.values()) == 83 + 26 + 401
    assert verdicts["valid"] == 57
    refused = [
        reason
        for case in _cases()
        if case.values[1]["result"] == "valid"
        and (reason := _why_a_valid_one_is_refused(*case.values))
    ]
    assert Counter(refused) == {SYMMETRIC: 16, P521: 2, PINNED: 2, ENCRYPTED: 2}


def test_most_invalid_vectors_get_as_far_as_their_signature() -> None:
    """Else the first test would pass for a verifier that refuses everything early."""
    outcomes: Counter[str] = Counter()
    for case in _cases():
        group, test = case.values
        keys = _key_set(group)
        if test["result"] == "invalid" and isinstance(keys, KeySet):
            signed = authenticate(_token(test), keys)
            assert isinstance(signed, Refusal)
            outcomes[signed.code] += 1
    assert outcomes["token_signature"] > 300
