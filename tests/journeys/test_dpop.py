"""Tokens that are bound to a key (RFC 9449), from the issuer to a change, at two replicas.

The official client shows them: each of its requests has a proof of its own. The replicas know from
one Redis which proofs were shown.
"""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.dpop import SKEW_S
from tests.journeys.live import Agent, Live
from tests.journeys.person import Person
from tests.journeys.proving import WithProofs, redeemed, tokens
from tests.journeys.round_robin import Fleet, fleet
from tests.journeys.test_mcp import BOTH, INITIALIZE
from tests.shared.proof_keys import ProofKey, ath

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

CLIENT = ProofKey()
THIEF = ProofKey(name="thief")


@pytest.fixture(scope="module")
def replicas(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(live, tmp_path_factory.mktemp("replicas")) as it:
        yield it
    assert "Traceback" not in it.logs()


@pytest.fixture(scope="module")
def token(live: Live) -> str:
    return str(tokens(live, CLIENT)["access_token"])


@pytest.fixture(params=["one replica", "the other replica"])
def replica(request: pytest.FixtureRequest, replicas: Fleet) -> str:
    one, other = replicas.proxy.targets
    return one if request.param == "one replica" else other


def ask(replica: str, replicas: Fleet, authorization: str, *proofs: str) -> httpx2.Response:
    """Asks this one replica, as what stands before it would."""
    host = httpx2.URL(replicas.mcp).netloc.decode("ascii")
    headers = [
        ("host", host),
        ("accept", BOTH),
        ("authorization", authorization),
        *(("dpop", proof) for proof in proofs),
    ]
    url = f"{replica}/mcp"
    return httpx2.post(url, json=INITIALIZE, headers=headers, timeout=30, trust_env=False)


def assert_refused(answer: httpx2.Response, error: str) -> None:
    assert answer.status_code == 401, answer.text
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(f'DPoP error="{error}", error_description="'), challenge
    assert 'algs="ES256 ' in challenge
    assert "/.well-known/oauth-protected-resource/mcp" in challenge


@pytest.mark.promise("bound-tokens-need-their-key")
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_client_that_proves_its_key_changes_the_cluster(
    mode: str, live: Live, replicas: Fleet, token: str
) -> None:
    async def journey(agent: Agent) -> dict[str, Any]:
        plan = await agent.facts(
            "request_restart_deployment", namespace=live.namespace, name="nginx"
        )
        with Person(live) as person:
            person.approve(plan["approvalUrl"])
        return await agent.facts("apply_approved_plan", planId=plan["planId"])

    before = len(replicas.proxy.served)
    shows = WithProofs(CLIENT, token, live.mcp)
    applied = live.run(journey, mode=mode, shows=shows, address=replicas.mcp)

    assert applied["status"] == "applied"
    assert set(replicas.proxy.served[before:]) == set(replicas.proxy.targets)


@pytest.mark.promise("bound-tokens-need-their-key")
def test_a_proof_that_one_replica_has_seen_is_none_at_any(
    live: Live, replicas: Fleet, token: str
) -> None:
    one, other = replicas.proxy.targets
    for first, second in [(one, other), (other, one), (one, one)]:
        proof = CLIENT.proof("POST", live.mcp, token=token)

        assert ask(first, replicas, f"DPoP {token}", proof).status_code == 200
        assert_refused(ask(second, replicas, f"DPoP {token}", proof), "invalid_dpop_proof")


@pytest.mark.promise("bound-tokens-need-their-key")
@pytest.mark.parametrize(
    "changes",
    [
        {"htu": "http://127.0.0.1:1/mcp"},
        {"htm": "GET"},
        {"ath": None},
        {"ath": ath("another token")},
        {"iat": int(time.time()) - 10 * SKEW_S},
        {"jti": None},
        {"header": {"typ": "JWT"}},
    ],
    ids=["wrong htu", "wrong htm", "no ath", "wrong ath", "old iat", "no jti", "wrong typ"],
)
def test_a_proof_that_is_not_of_this_request_is_refused(
    changes: dict[str, Any], live: Live, replicas: Fleet, replica: str, token: str
) -> None:
    proof = CLIENT.proof("POST", live.mcp, token=token, **changes)

    assert_refused(ask(replica, replicas, f"DPoP {token}", proof), "invalid_dpop_proof")


@pytest.mark.promise("bound-tokens-need-their-key")
def test_whoever_has_the_token_and_not_its_key_gets_nothing(
    live: Live, replicas: Fleet, replica: str, token: str
) -> None:
    of_another_key = THIEF.proof("POST", live.mcp, token=token)

    assert_refused(ask(replica, replicas, f"DPoP {token}"), "invalid_dpop_proof")
    assert_refused(ask(replica, replicas, f"DPoP {token}", of_another_key), "invalid_token")
    assert_refused(ask(replica, replicas, f"Bearer {token}"), "invalid_token")


def test_a_refreshed_token_is_bound_to_the_same_key(live: Live, replicas: Fleet) -> None:
    first = tokens(live, CLIENT)
    form = {
        "grant_type": "refresh_token",
        "client_id": "infragate-cli",
        "refresh_token": first["refresh_token"],
    }

    second = redeemed(live, CLIENT, form)

    assert (first["token_type"], second["token_type"]) == ("DPoP", "DPoP")
    shown = f"DPoP {second['access_token']}"
    (one, _) = replicas.proxy.targets
    proof = CLIENT.proof("POST", live.mcp, token=second["access_token"])
    assert ask(one, replicas, shown, proof).status_code == 200


def test_issuer_and_gateway_publish_what_proofs_may_be_signed_with(live: Live) -> None:
    issuer = httpx2.get(
        f"{live.record.issuer}/.well-known/oauth-authorization-server", trust_env=False
    )
    with live.http() as client:
        resource = client.get("/.well-known/oauth-protected-resource/mcp")

    for published in (issuer.json(), resource.json()):
        assert "ES256" in published["dpop_signing_alg_values_supported"]
