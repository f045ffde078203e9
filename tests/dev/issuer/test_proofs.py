"""Tokens bound to a key (RFC 9449): who proves to hold one gets tokens that need it."""

from typing import Any

import httpx2
import pytest

from dev.issuer.proofs import ALGORITHMS
from dev.issuer.settings import DEFAULT_RESOURCE
from shared.dpop import SKEW_S
from tests.dev.issuer.provider import ISSUER, REDIRECT, VERIFIER, Clock, Json, Provider
from tests.shared.jose_tokens import b64, private_key
from tests.shared.proof_keys import ProofKey

TOKEN = f"{ISSUER}/token"
CLIENT = ProofKey()
OTHER = ProofKey(name="another client")


@pytest.fixture
def with_proof(provider: Provider, client_id: str, clock: Clock) -> "WithProof":
    return WithProof(provider, client_id, clock)


class WithProof:
    """A public client that shows proofs."""

    def __init__(self, provider: Provider, client_id: str, clock: Clock) -> None:
        self.provider = provider
        self.client_id = client_id
        self.clock = clock

    def proof(self, key: ProofKey = CLIENT, **changes: Any) -> str:
        return key.proof("POST", TOKEN, **{"iat": int(self.clock()), **changes})

    def redeem(self, *proofs: str) -> httpx2.Response:
        """A whole login whose code is redeemed beside these proofs."""
        return self.post(
            *proofs,
            grant_type="authorization_code",
            code=self.provider.code(self.client_id),
            redirect_uri=REDIRECT,
            code_verifier=VERIFIER,
        )

    def refresh(self, token: str, *proofs: str) -> httpx2.Response:
        return self.post(*proofs, grant_type="refresh_token", refresh_token=token)

    def post(self, *proofs: str, **form: str) -> httpx2.Response:
        headers = [("DPoP", proof) for proof in proofs]
        form |= {"client_id": self.client_id}
        return self.provider.browser.post("/token", data=form, headers=headers)

    def tokens(self) -> Json:
        answer = self.redeem(self.proof())
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def userinfo(self, token: str, scheme: str, *proofs: str) -> httpx2.Response:
        headers = [("authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
        return self.provider.browser.get("/userinfo", headers=headers)


def assert_refused(answer: httpx2.Response, error: str = "invalid_dpop_proof") -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text


def test_a_proof_binds_the_access_token_to_its_key(with_proof: WithProof) -> None:
    told = with_proof.tokens()
    claims = with_proof.provider.claims(told["access_token"])

    assert told["token_type"] == "DPoP"
    assert claims["cnf"] == {"jkt": CLIENT.thumbprint}
    assert claims["aud"] == DEFAULT_RESOURCE
    assert "cnf" not in with_proof.provider.claims(told["id_token"])


def test_without_a_proof_tokens_are_bearer_tokens(with_proof: WithProof) -> None:
    told = with_proof.redeem().json()

    assert told["token_type"] == "Bearer"
    assert "cnf" not in with_proof.provider.claims(told["access_token"])


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "GET"},
        {"htu": f"{ISSUER}/par"},
        {"htu": "http://evil.example/token"},
        {"jti": None},
        {"iat": None},
        {"header": {"typ": "JWT"}},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"jwk": OTHER.public}},
    ],
    ids=range(9),  # keys are fresh in each process, and names must be the same in all
)
def test_a_proof_that_is_not_of_this_request_and_key_gets_nothing(
    with_proof: WithProof, changes: dict[str, Any]
) -> None:
    assert_refused(with_proof.redeem(with_proof.proof(**changes)))


def test_a_proof_that_gives_its_private_key_away_gets_nothing(with_proof: WithProof) -> None:
    numbers = private_key("ES256", CLIENT.name).private_numbers()
    secret = {**CLIENT.public, "d": b64(numbers.private_value.to_bytes(32, "big"))}

    assert_refused(with_proof.redeem(with_proof.proof(header={"jwk": secret})))


def test_an_old_proof_and_one_of_the_future_get_nothing(
    with_proof: WithProof, clock: Clock
) -> None:
    now = int(clock())

    for issued in (now - SKEW_S - 1, now + SKEW_S + 1):
        assert_refused(with_proof.redeem(with_proof.proof(iat=issued)))


def test_a_proof_is_good_once_for_as_long_as_it_is_good_at_all(
    with_proof: WithProof, clock: Clock
) -> None:
    early = with_proof.proof(iat=int(clock()) + SKEW_S)

    assert with_proof.redeem(early).status_code == 200
    clock.turn(2 * SKEW_S)
    assert_refused(with_proof.redeem(early))


def test_two_proofs_are_none(with_proof: WithProof) -> None:
    assert_refused(with_proof.redeem(with_proof.proof(), with_proof.proof()))


def test_a_bad_proof_costs_no_code(with_proof: WithProof) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": with_proof.provider.code(with_proof.client_id),
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }

    assert_refused(with_proof.post("nonsense", **form))
    assert with_proof.post(with_proof.proof(), **form).status_code == 200


def test_a_public_clients_refresh_token_needs_the_same_key(with_proof: WithProof) -> None:
    token = with_proof.tokens()["refresh_token"]

    assert_refused(with_proof.refresh(token), "invalid_grant")
    assert_refused(with_proof.refresh(token, with_proof.proof(OTHER)), "invalid_grant")
    told = with_proof.refresh(token, with_proof.proof()).json()

    assert told["token_type"] == "DPoP"
    claims = with_proof.provider.claims(told["access_token"])
    assert claims["cnf"] == {"jkt": CLIENT.thumbprint}


def test_a_restart_forgets_no_binding(with_proof: WithProof) -> None:
    token = with_proof.tokens()["refresh_token"]
    with_proof.provider = Provider(with_proof.provider.settings.state, clock=with_proof.clock)

    assert_refused(with_proof.refresh(token), "invalid_grant")
    assert with_proof.refresh(token, with_proof.proof()).status_code == 200


def test_who_registered_for_bound_tokens_gets_no_other(
    provider: Provider, with_proof: WithProof
) -> None:
    registered = provider.register(dpop_bound_access_tokens=True)
    with_proof.client_id = registered["client_id"]

    assert registered["dpop_bound_access_tokens"] is True
    assert_refused(with_proof.redeem())
    assert with_proof.redeem(with_proof.proof()).json()["token_type"] == "DPoP"


def test_userinfo_takes_a_bound_token_with_its_proof_only(with_proof: WithProof) -> None:
    token = with_proof.tokens()["access_token"]
    now = int(with_proof.clock())

    def proof(key: ProofKey = CLIENT, **changes: Any) -> str:
        claims = {"iat": now, **changes}
        return key.proof("GET", f"{ISSUER}/userinfo", token=token, **claims)

    assert with_proof.userinfo(token, "DPoP", proof()).json()["sub"] == "dev-requester"
    for scheme, proofs in [
        ("Bearer", []),
        ("Bearer", [proof()]),
        ("DPoP", []),
        ("DPoP", [proof(OTHER)]),
        ("DPoP", [proof(ath=None)]),
    ]:
        assert with_proof.userinfo(token, scheme, *proofs).status_code == 401


def test_the_metadata_names_what_proofs_may_be_signed_with(provider: Provider) -> None:
    metadata = provider.browser.get("/.well-known/oauth-authorization-server").json()

    assert metadata["dpop_signing_alg_values_supported"] == list(ALGORITHMS)
    assert "ES256" in ALGORITHMS
    assert not {"none", "HS256"} & set(ALGORITHMS)
