"""Tokens that are bound to a key, at the edge: shown with a proof, once, or not believed."""

import json
from functools import partial
from typing import Any

import anyio
import pytest

from api.edge import at_edge
from api.oauth import Verifier
from api.protected_resource import ProtectedResource
from shared.dpop import SKEW_S
from shared.errors import RedisUnavailable
from tests.api.asgi import HOST, Answer, send_request
from tests.api.test_edge import Inner
from tests.api.test_oauth import CLAIMS, ISSUER, NOW, RESOURCE, FakeKeys
from tests.shared.jose_tokens import sign
from tests.shared.proof_keys import ProofKey, ath

CLIENT = ProofKey()
BOUND = sign({**CLAIMS, "scope": "mcp:tools", "cnf": {"jkt": CLIENT.thumbprint}})
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


def proof_for(token: str, key: ProofKey = CLIENT, **changes: Any) -> str:
    return key.proof("POST", RESOURCE, token=token, **{"iat": NOW, **changes})


def shown(
    *headers: tuple[str, str],
    spend: Spent | None = None,
    inner: Inner | None = None,
    bound_tokens_only: bool = False,
    message: bytes = PING,
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
            static_token="a-static-token",
            bound_tokens_only=bound_tokens_only,
        ),
        resource=ProtectedResource(
            resource=RESOURCE, issuer=ISSUER, bound_tokens_only=bound_tokens_only
        ),
        allowed_hosts=[HOST],
        allowed_origins=[],
    )
    return anyio.run(partial(send_request, app, headers=headers, chunks=[message]))


def with_proof(token: str, *proofs: str, scheme: str = "DPoP") -> list[tuple[str, str]]:
    return [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]


def assert_refused(answer: Answer, error: str, code: str) -> None:
    """Refused in the words of RFC 9449 §7.1, with what a client needs to do better."""
    assert answer.status == 401, answer.body
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(f'DPoP error="{error}"'), challenge
    assert 'algs="ES256 ' in challenge
    assert "resource_metadata=" in challenge
    assert answer.json()["code"] == code


def assert_no_proof(answer: Answer) -> None:
    assert_refused(answer, "invalid_dpop_proof", "dpop_proof")


def assert_not_bound(answer: Answer) -> None:
    assert_refused(answer, "invalid_token", "dpop_binding")


def test_a_bound_token_with_its_proof_is_let_in_and_neither_goes_further() -> None:
    inner = Inner("mcp")

    answer = shown(*with_proof(BOUND, proof_for(BOUND)), spend=Spent(), inner=inner)

    assert answer.status == 200
    assert {name for name, _ in inner.seen[0]["headers"]} & {b"authorization", b"dpop"} == set()


@pytest.mark.promise("bound-tokens-need-their-key")
def test_a_stolen_token_that_is_bound_to_a_key_is_worth_nothing_without_the_key() -> None:
    thief = ProofKey(name="thief")

    for headers in (
        with_proof(BOUND, scheme="Bearer"),
        with_proof(BOUND, proof_for(BOUND), scheme="Bearer"),
        with_proof(BOUND, proof_for(BOUND, thief)),
    ):
        assert_not_bound(shown(*headers, spend=Spent()))


@pytest.mark.promise("bound-tokens-need-their-key")
def test_a_proof_is_for_one_request_of_now_with_one_token() -> None:
    for headers in (
        with_proof(BOUND),
        with_proof(BOUND, proof_for(BOUND, ath=ath(UNBOUND))),
        with_proof(BOUND, proof_for(BOUND, ath=None)),
        with_proof(BOUND, proof_for(BOUND, htm="GET")),
        with_proof(BOUND, proof_for(BOUND, htu=f"{RESOURCE}/other")),
        with_proof(BOUND, proof_for(BOUND, iat=NOW - SKEW_S - 1)),
        with_proof(BOUND, proof_for(BOUND), proof_for(BOUND)),
        with_proof(BOUND, "nonsense"),
    ):
        assert_no_proof(shown(*headers, spend=Spent()))


@pytest.mark.promise("bound-tokens-need-their-key")
def test_a_proof_is_good_once() -> None:
    spent = Spent()
    first = with_proof(BOUND, proof_for(BOUND))

    assert shown(*first, spend=spent).status == 200
    assert_no_proof(shown(*first, spend=spent))
    assert shown(*with_proof(BOUND, proof_for(BOUND)), spend=spent).status == 200


def test_the_proof_of_another_key_is_not_spent_by_who_cannot_use_it() -> None:
    spent = Spent()

    shown(*with_proof(BOUND, proof_for(BOUND, ProofKey(name="thief"))), spend=spent)

    assert spent.seen == set()


def test_without_redis_no_proof_is_believed() -> None:
    spent = Spent()
    spent.gone = True

    answer = shown(*with_proof(BOUND, proof_for(BOUND)), spend=spent)

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert_not_bound(shown(*with_proof(BOUND, proof_for(BOUND))))


def test_a_bearer_token_is_a_bearer_token() -> None:
    assert shown(*with_proof(UNBOUND, scheme="Bearer")).status == 200
    assert_not_bound(shown(*with_proof(UNBOUND, proof_for(UNBOUND)), spend=Spent()))


@pytest.mark.promise("bound-tokens-only")
def test_where_only_bound_tokens_are_taken_a_bearer_token_opens_nothing() -> None:
    only = partial(shown, bound_tokens_only=True)

    assert only(*with_proof(BOUND, proof_for(BOUND)), spend=Spent()).status == 200
    for token in (UNBOUND, "a-static-token"):
        for scheme in ("Bearer", "DPoP"):
            answer = only(*with_proof(token, proof_for(token), scheme=scheme), spend=Spent())
            assert answer.status == 401
    assert_not_bound(only(*with_proof(UNBOUND, scheme="Bearer"), spend=Spent()))
    assert only().headers["www-authenticate"].startswith('DPoP algs="')


def test_who_shows_proofs_is_asked_for_more_in_the_same_scheme() -> None:
    narrow = sign({**CLAIMS, "scope": "mcp:tools.read", "cnf": {"jkt": CLIENT.thumbprint}})
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "apply_approved_plan", "arguments": {}},
    }

    answer = shown(
        *with_proof(narrow, proof_for(narrow)), spend=Spent(), message=json.dumps(call).encode()
    )

    assert answer.status == 403
    assert answer.headers["www-authenticate"].startswith('DPoP error="insufficient_scope"')
    old = sign({**CLAIMS, "exp": NOW - 1000, "cnf": {"jkt": CLIENT.thumbprint}})
    expired = shown(*with_proof(old, proof_for(old)), spend=Spent())
    assert expired.headers["www-authenticate"].startswith('DPoP error="invalid_token"')


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
    assert "dpop_bound_access_tokens_required" not in metadata
