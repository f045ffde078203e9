"""Whoever owns the gateway brings the applier logins that were made for something else."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.approvals import SignedStatement
from shared.seals import STATEMENT_DOMAIN, sign
from tests.redteam.attackers import Attacker, owner_of, refused
from tests.redteam.provider import Forge
from tests.redteam.stage import Stage
from tests.redteam.watching import unchanged

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

BEFORE_THE_CHALLENGE = int(time.time()) - 3600

FORGED: dict[str, tuple[Callable[[Forge], str], str]] = {
    "a login from before": (
        lambda forge: forge.real(auth_time=BEFORE_THE_CHALLENGE),
        "proof_not_fresh",
    ),
    "a refreshed token": (
        lambda forge: forge.real(auth_time=BEFORE_THE_CHALLENGE, nonce=None),
        "proof_nonce",
    ),
    "an old token": (lambda forge: forge.real(iat=BEFORE_THE_CHALLENGE), "proof_too_old"),
    "an expired token": (lambda forge: forge.real(exp=BEFORE_THE_CHALLENGE), "proof_expired"),
    "a token from the future": (
        lambda forge: forge.real(auth_time=int(time.time()) + 3600),
        "proof_from_the_future",
    ),
    "no auth_time": (lambda forge: forge.real(auth_time=None), "proof_times"),
    "auth_time as a text": (lambda forge: forge.real(auth_time="9999999999"), "proof_times"),
    "an access token": (lambda forge: forge.access_token(), "proof_not_an_id_token"),
    "another client's token": (
        lambda forge: forge.real(aud="infragate-cli", azp="infragate-cli"),
        "proof_audience",
    ),
    "a list of audiences": (
        lambda forge: forge.real(aud=["infra-gate-approval-ui", "infragate-cli"]),
        "proof_audience",
    ),
    "another authorized party": (
        lambda forge: forge.real(azp="infragate-cli"),
        "proof_authorized_party",
    ),
    "another issuer": (lambda forge: forge.real(iss="https://evil.example"), "proof_issuer"),
    "no nonce": (lambda forge: forge.real(nonce=None), "proof_nonce"),
    "a nonce of our own": (lambda forge: forge.real(nonce="chosen"), "proof_nonce"),
    "somebody else": (lambda forge: forge.real(sub="dev-approver-2"), "proof_of_somebody_else"),
    "alg none": (lambda forge: forge.unsigned(), "token_algorithm"),
    "HS256 with the public key": (lambda forge: forge.hmac_of_public_key(), "token_algorithm"),
    "our own key": (lambda forge: forge.own(), "token_signature"),
    "kid traversal": (lambda forge: forge.own(kid="../../../../dev/null"), "token_unknown_key"),
    "jku": (
        lambda forge: forge.own(jku="https://evil.example/jwks"),
        "token_header_forbidden",
    ),
    "x5u": (lambda forge: forge.own(x5u="https://evil.example/x5u"), "token_header_forbidden"),
    "an embedded key": (lambda forge: forge.embedded(), "token_header_forbidden"),
    "crit": (lambda forge: forge.own(crit=["exp"]), "token_header_forbidden"),
    "a claim twice": (lambda forge: forge.twice(), "token_claims"),
    "claims changed after signing": (lambda forge: forge.bent(), "token_signature"),
    "nonsense": (lambda _: "not a token", "token_parts"),
    "a giant": (lambda forge: forge.real(name="x" * 20_000), "token_size"),
}


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "gateway") as attacker:
        yield attacker


@pytest.fixture(scope="module")
def plan(gateway: Attacker) -> str:
    """A plan that waits for its approval, for all of these attacks."""
    return gateway.plan("forged-proofs")


@pytest.mark.promise("owned-gateway-changes-nothing")
@pytest.mark.parametrize("kind", FORGED)
def test_a_login_that_was_forged_or_made_for_something_else_approves_nothing(
    kind: str, stage: Stage, gateway: Attacker, plan: str
) -> None:
    make, code = FORGED[kind]
    with unchanged(stage):
        signed = gateway.challenge(plan)

        reply = gateway.prove(signed, make(Forge(stage=stage, signed=signed)))

        assert refused(reply, code)
        assert gateway.apply(plan)["body"]["state"] == "pending"
    last = stage.records(plan)[-1]
    assert (last["event"], last["code"]) == ("proof.refused", code)


def test_the_same_login_unchanged_would_have_been_enough(stage: Stage, gateway: Attacker) -> None:
    """Or the refusals above would show nothing."""
    plan_id = gateway.plan("honest-proof")
    signed = gateway.challenge(plan_id)

    reply = gateway.prove(signed, Forge(stage=stage, signed=signed).real())

    assert reply["body"]["state"] == "approved"


STATEMENTS: dict[str, dict[str, Any]] = {
    "a later challenge": {"challenge_iat": BEFORE_THE_CHALLENGE - 3600},
    "a longer life": {"expires_at": 2_000_000_000},
    "another approver": {"approver": {"iss": "http://127.0.0.1", "sub": "dev-outsider"}},
    "another cluster": {"cluster_id": "elsewhere"},
    "another plan": {"plan_digest": "sha256:" + "0" * 64},
}


@pytest.mark.promise("owned-gateway-changes-nothing")
@pytest.mark.parametrize("change", STATEMENTS)
@pytest.mark.parametrize("resigned", [False, True], ids=["old signature", "signed by us"])
def test_a_statement_that_was_changed_approves_nothing(
    resigned: bool, change: str, stage: Stage, gateway: Attacker, plan: str
) -> None:
    """Even with a login that the provider signed for exactly the changed statement."""
    signed = gateway.challenge(plan)
    statement = signed.statement.model_validate(
        signed.statement.model_dump(mode="json") | STATEMENTS[change]
    )
    signature = signed.signature
    if resigned:
        signature = sign(Ed25519PrivateKey.generate(), STATEMENT_DOMAIN, statement.document())
    forged = SignedStatement(statement=statement, signature=signature)
    with unchanged(stage):
        token = Forge(stage=stage, signed=forged).real()

        assert refused(gateway.prove(forged, token, plan_id=plan), "statement_forged")


@pytest.mark.promise("owned-gateway-changes-nothing")
def test_a_login_for_one_plan_is_no_approval_of_another(stage: Stage, gateway: Attacker) -> None:
    """Both statements are real and wait at the same time; the login is real, too."""
    one, other = gateway.plan("piggyback-one"), gateway.plan("piggyback-other")
    first, second = gateway.challenge(one), gateway.challenge(other)
    token = Forge(stage=stage, signed=first).real()
    with unchanged(stage):
        assert refused(gateway.prove(second, token), "proof_nonce")
        assert refused(gateway.prove(first, token, plan_id=other), "statement_of_another_plan")
        assert refused(gateway.prove(second, token, plan_id=one), "statement_of_another_plan")
        for plan_id in (one, other):
            assert gateway.apply(plan_id)["body"]["state"] == "pending"


@pytest.mark.promise("owned-gateway-changes-nothing")
@pytest.mark.parametrize("subject", ["dev-outsider", "dev-approver-2", "dev-requester"])
def test_nobody_but_its_approver_gets_a_challenge(
    subject: str, stage: Stage, gateway: Attacker, plan: str
) -> None:
    """An outsider, an approver of another namespace and of another operation, the requester."""
    with unchanged(stage):
        reply = gateway.ask(
            {
                "verb": "challenge",
                "plan_id": plan,
                "approver": gateway.person(subject).model_dump(),
            }
        )

        assert refused(reply, "not_an_approver")
