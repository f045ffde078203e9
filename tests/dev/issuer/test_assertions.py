"""private_key_jwt: the approval client proves itself by key, and only so."""

import json

import jwt
import pytest

from dev.issuer.clients import APPROVAL_CLIENT
from tests.dev.issuer.provider import ISSUER, ApprovalClient, ClientKey, Json, with_assertion


def push(approval: ApprovalClient, proof: dict[str, str]) -> Json:
    """The answer to a pushed request that is good but for `proof`."""
    provider = approval.provider
    wish: dict[str, str | None] = {
        "redirect_uri": "http://127.0.0.1:3001/approvals/callback",
        "scope": "openid",
        "resource": None,
    }
    answer = provider.post("/par", **provider.request(APPROVAL_CLIENT, **wish), **proof)
    return {"status": answer.status_code, **answer.json()}


@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/token", f"{ISSUER}/par", [ISSUER]])
def test_an_assertion_for_this_issuer_is_accepted(
    approval: ApprovalClient, audience: object
) -> None:
    assert push(approval, approval.key.proof(aud=audience))["status"] == 201


def test_an_assertion_works_once(approval: ApprovalClient) -> None:
    proof = approval.key.proof()

    assert push(approval, proof)["status"] == 201
    assert push(approval, proof)["error"] == "invalid_client"


def test_a_jti_works_once_even_in_a_new_assertion(approval: ApprovalClient) -> None:
    assert push(approval, approval.key.proof(jti="same"))["status"] == 201
    assert push(approval, approval.key.proof(jti="same", aud=f"{ISSUER}/par"))["status"] == 401


def test_a_jti_is_remembered_as_long_as_its_assertion_lives(approval: ApprovalClient) -> None:
    expires = int(approval.provider.clock()) + 300
    assert push(approval, approval.key.proof(jti="same", exp=expires))["status"] == 201

    approval.provider.clock.turn(304)

    assert push(approval, approval.key.proof(jti="same", exp=expires, iat=None))["status"] == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"iss": None},
        {"sub": "somebody"},
        {"sub": None},
        {"sub": 7},
        {"aud": None},
        {"aud": "https://other.example"},
        {"aud": f"{ISSUER}/"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": []},
        {"exp": None},
        {"exp": 1},
        {"exp": 99_999_999_999},
        {"exp": "1790000030"},
        {"exp": True},
        {"iat": 99_999_999_999},
        {"nbf": 99_999_999_999},
        {"iat": "now"},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 300},
    ],
)
def test_an_assertion_with_one_wrong_claim_is_refused(
    approval: ApprovalClient, changes: dict[str, object]
) -> None:
    claims = approval.key.claims(**changes)
    # PyJWT refuses to make some of these; an attacker need not use it
    proof = jwt.api_jws.encode(
        json.dumps(claims).encode(),
        approval.key.private,
        algorithm="ES256",
        headers={"kid": "k1"},
    )

    assert push(approval, with_assertion(proof)) | {"error_description": ""} == {
        "status": 401,
        "error": "invalid_client",
        "error_description": "",
    }


def test_alg_none_is_refused(approval: ApprovalClient) -> None:
    unsigned = jwt.encode(approval.key.claims(), "", algorithm="none", headers={"kid": "k1"})

    assert push(approval, with_assertion(unsigned))["error"] == "invalid_client"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_public_key_is_no_shared_secret(approval: ApprovalClient) -> None:
    """HS256 signed with what everybody can read."""
    secret = approval.key.jwk["x"]
    confused = jwt.encode(approval.key.claims(), secret, algorithm="HS256", headers={"kid": "k1"})

    assert push(approval, with_assertion(confused))["error"] == "invalid_client"


@pytest.mark.parametrize("kid", ["k1", "other", "../keys.json"])
def test_another_key_is_refused_whatever_it_calls_itself(
    approval: ApprovalClient, kid: str
) -> None:
    thief = ClientKey(client_id=APPROVAL_CLIENT, clock=approval.provider.clock, kid=kid)

    assert push(approval, thief.proof())["error"] == "invalid_client"


def test_a_key_inside_the_assertion_is_not_looked_at(approval: ApprovalClient) -> None:
    thief = ClientKey(client_id=APPROVAL_CLIENT, clock=approval.provider.clock)
    headers = {"kid": "k1", "jwk": thief.jwk, "jku": "https://evil.example/jwks"}
    assertion = jwt.encode(thief.claims(), thief.private, algorithm="ES256", headers=headers)

    assert push(approval, with_assertion(assertion))["error"] == "invalid_client"


def test_a_critical_header_that_nobody_understands_is_refused(approval: ApprovalClient) -> None:
    headers = {"kid": "k1", "crit": ["exp"], "exp": 1}
    private = approval.key.private
    assertion = jwt.encode(approval.key.claims(), private, algorithm="ES256", headers=headers)

    assert push(approval, with_assertion(assertion))["error"] == "invalid_client"


def test_without_kid_the_only_key_is_meant(approval: ApprovalClient) -> None:
    assertion = jwt.encode(approval.key.claims(), approval.key.private, algorithm="ES256")

    assert push(approval, with_assertion(assertion))["status"] == 201


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"client_secret": "s"},
        {"client_assertion": "x"},
        {"client_assertion": "x" * 9000},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
    ],
)
def test_less_than_an_assertion_is_refused(approval: ApprovalClient, proof: dict[str, str]) -> None:
    good = approval.key.proof() if "client_assertion_type" in proof else {}

    assert push(approval, good | proof)["error"] == "invalid_client"


def test_an_assertion_of_a_public_client_proves_nothing(approval: ApprovalClient) -> None:
    client_id = approval.provider.register()["client_id"]
    key = ClientKey(client_id=client_id, clock=approval.provider.clock)

    answer = approval.provider.post("/token", grant_type="authorization_code", **key.proof())

    assert answer.json()["error"] == "invalid_client"
