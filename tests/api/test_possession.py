"""Tokens that are bound to a key, at the edge: shown with a proof, once, or not believed."""

import hashlib
import json
from functools import partial
from typing import Any

import anyio
import pytest

from api.edge import at_edge
from api.oauth import ProtectedResource, SdkTokenVerifier, Verifier
from shared.errors import RedisUnavailable
from tests.api.asgi import HOST, Answer, send_request
from tests.api.test_edge import Inner
from tests.api.test_oauth import CLAIMS, ISSUER, NOW, RESOURCE, FakeKeys
from tests.shared.jose_tokens import b64, sign
from tests.shared.test_dpop import made, read

PROOF = partial(made, htu=RESOURCE)
THUMBPRINT = read(made()).thumbprint  # type: ignore[union-attr]  # a good one
BOUND = sign({**CLAIMS, "scope": "mcp:tools", "cnf": {"jkt": THUMBPRINT}})
UNBOUND = sign({**CLAIMS, "scope": "mcp:tools"})
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()


class Spent:
    """What was shown before."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.gone = False

    async def __call__(self, proof: str) -> bool:
        if self.gone:
            raise RedisUnavailable("Redis does not answer (ConnectionError).")
        new = proof not in self.seen
        self.seen.add(proof)
        return new


def proof_for(token: str, **claims: Any) -> str:
    return PROOF(ath=b64(hashlib.sha256(token.encode()).digest()), **claims)


def shown(
    *headers: tuple[str, str], spend: Spent | None = None, inner: Inner | None = None
) -> Answer:
    app = at_edge(
        mcp=inner or Inner("mcp"),
        other=Inner("other"),
        verifier=Verifier(
            keys=FakeKeys(),
            issuer=ISSUER,
            resource=RESOURCE,
            clock=lambda: NOW,
            spend=spend,
        ),
        resource=ProtectedResource(resource=RESOURCE, issuer=ISSUER),
        allowed_hosts=[HOST],
        allowed_origins=[],
    )
    return anyio.run(partial(send_request, app, headers=headers, chunks=[PING]))


def with_proof(token: str, *proofs: str, scheme: str = "DPoP") -> list[tuple[str, str]]:
    return [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]


def assert_refused(answer: Answer) -> None:
    assert answer.status == 401, answer.body
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('DPoP error="invalid_dpop_proof"')
    assert 'algs="' in challenge
    assert "resource_metadata=" in challenge
    assert answer.json()["code"] == "dpop_proof"


def test_a_bound_token_with_its_proof_is_let_in_and_neither_goes_further() -> None:
    inner = Inner("mcp")

    answer = shown(*with_proof(BOUND, proof_for(BOUND)), spend=Spent(), inner=inner)

    assert answer.status == 200
    assert {name for name, _ in inner.seen[0]["headers"]} & {b"authorization", b"dpop"} == set()


@pytest.mark.promise("bound-tokens-need-their-key")
def test_a_stolen_token_that_is_bound_to_a_key_is_worth_nothing_without_the_key() -> None:
    elsewhere = made("ES384", htu=RESOURCE, ath=b64(hashlib.sha256(BOUND.encode()).digest()))

    for headers in (
        with_proof(BOUND, scheme="Bearer"),
        with_proof(BOUND, proof_for(BOUND), scheme="Bearer"),
        with_proof(BOUND),
        with_proof(BOUND, elsewhere),
        with_proof(BOUND, proof_for(UNBOUND)),
        with_proof(BOUND, proof_for(BOUND, htm="GET")),
        with_proof(BOUND, proof_for(BOUND), proof_for(BOUND, jti="2")),
        with_proof(BOUND, "nonsense"),
    ):
        assert_refused(shown(*headers, spend=Spent()))


@pytest.mark.promise("bound-tokens-need-their-key")
def test_a_proof_is_good_once() -> None:
    spent = Spent()
    first = with_proof(BOUND, proof_for(BOUND))

    assert shown(*first, spend=spent).status == 200
    assert_refused(shown(*first, spend=spent))
    assert shown(*with_proof(BOUND, proof_for(BOUND, jti="2")), spend=spent).status == 200


def test_without_redis_no_proof_is_believed() -> None:
    spent = Spent()
    spent.gone = True

    answer = shown(*with_proof(BOUND, proof_for(BOUND)), spend=spent)

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert_refused(shown(*with_proof(BOUND, proof_for(BOUND))))


def test_a_bearer_token_is_a_bearer_token() -> None:
    assert shown(*with_proof(UNBOUND, scheme="Bearer")).status == 200
    assert_refused(shown(*with_proof(UNBOUND, proof_for(UNBOUND)), spend=Spent()))


@pytest.mark.parametrize(
    "confirmation", [{"x5t#S256": "a"}, {"jkt": ""}, {"jkt": 5}, {}, "key", {"jkt": "a", "b": "c"}]
)
def test_a_token_that_is_bound_to_something_else_is_not_believed(confirmation: object) -> None:
    token = sign({**CLAIMS, "scope": "mcp:tools", "cnf": confirmation})

    answer = shown(*with_proof(token, scheme="Bearer"), spend=Spent())

    assert answer.status == 401
    assert answer.json()["code"] == "claim_confirmation"


def test_the_metadata_says_that_proofs_are_understood() -> None:
    metadata = ProtectedResource(resource=RESOURCE, issuer=ISSUER).metadata()

    assert "ES256" in str(metadata["dpop_signing_alg_values_supported"])
    assert "none" not in str(metadata["dpop_signing_alg_values_supported"])


def test_where_no_proof_is_seen_a_bound_token_is_not_believed() -> None:
    async def main() -> None:
        verifier = Verifier(keys=FakeKeys(), issuer=ISSUER, resource=RESOURCE, clock=lambda: NOW)
        sdk = SdkTokenVerifier(verifier, resource=RESOURCE)
        assert await sdk.verify_token(BOUND) is None
        assert await sdk.verify_token(UNBOUND) is not None

    anyio.run(main)
