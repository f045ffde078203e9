"""Where the policy demands a passkey, a login alone neither approves nor leads to a write."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from shared.approvals import Receipt, read_signed_receipt
from shared.approver_rules import ApproverRule, GroupRef
from shared.errors import Refusal
from shared.messages import ChallengeCall
from shared.passkeys import PasskeyDemand, Wanted, read_wanted
from shared.plans import Identity, RiskNote, State
from tests.worker.applying_stage import Stage, make_stage
from tests.worker.authenticator import RP_ID, Authenticator
from tests.worker.worlds import ADA, ISSUER, RULE, World, a_plan, make_world
from worker import approving

ALWAYS = PasskeyDemand.model_validate("required")
EVE = Identity(iss=ISSUER, sub="eve")
STRICT = RULE.model_copy(update={"passkey": ALWAYS})


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(redis_url, tmp_path)
    made.with_rules(STRICT)
    yield made
    made.redis.close()


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = make_stage(redis_url, tmp_path)
    yield made
    made.world.redis.close()


@pytest.fixture
def ada(world: World) -> Authenticator:
    """Ada's passkey, which the policy knows."""
    authenticator = Authenticator()
    world.with_passkeys(authenticator.passkey(ADA))
    return authenticator


def code(answer: object) -> str:
    return answer.code if isinstance(answer, Refusal) else "accepted"


def receipt_of(world: World, plan_id: str = "plan-1") -> Receipt:
    signed = read_signed_receipt(world.load(plan_id).receipt or "")
    assert not isinstance(signed, Refusal)
    return signed.receipt


@pytest.mark.promise("passkey-demanded")
def test_a_login_alone_does_not_approve_and_is_told_which_passkeys_would(
    world: World, ada: Authenticator
) -> None:
    world.store()

    answer = world.prove(world.challenge())

    assert isinstance(answer, Refusal)
    assert answer.code == "passkey_required"
    credential = ada.passkey(ADA).credential_id
    assert read_wanted(answer.details) == Wanted(rp_id=RP_ID, credentials=(credential,))
    assert world.load().state is State.PENDING
    assert world.audit_events()[-1]["code"] == "passkey_required"


@pytest.mark.promise("passkey-binds-the-statement")
def test_the_same_login_with_a_passkey_over_its_statement_approves(
    world: World, ada: Authenticator
) -> None:
    world.store()
    signed = world.challenge()
    token = world.provider.id_token(**world.claims(signed))
    world.prove(signed, token)
    document = signed.statement.document()

    answer = world.prove(
        signed,
        token,
        assertion=ada.get(hashlib.sha256(b"infragate/passkey/v1\0" + document).digest()),
    )

    assert answer == {"state": "approved", "approvals": 1, "needed": 1}
    credential = hashlib.sha256(ada.credential_id).hexdigest()
    assert receipt_of(world).passkey == credential
    accepted = world.audit_events()[-1]
    assert (accepted["event"], accepted["passkey"], accepted["passkey_count"]) == (
        "proof.accepted",
        credential,
        ada.count,
    )


@pytest.mark.promise("passkey-binds-the-statement")
def test_an_answer_that_was_made_for_another_statement_approves_nothing(
    world: World, ada: Authenticator
) -> None:
    """Of another plan, of an earlier try, or the login's own nonce."""
    world.store()
    world.store(a_plan(id="plan-2"))
    earlier, other = world.challenge(), world.challenge(plan_id="plan-2")
    signed = world.challenge()
    nonce = hashlib.sha256(b"infragate/approval-nonce/v1\0" + signed.statement.document()).digest()

    for challenge in (
        earlier.statement.passkey_challenge(),
        other.statement.passkey_challenge(),
        nonce,
        bytes(32),
    ):
        assert code(world.prove(signed, assertion=ada.get(challenge))) == "passkey_challenge"
    assert world.load().state is State.PENDING


@pytest.mark.promise("passkey-key-is-the-policys")
def test_another_persons_passkey_does_not_count(world: World, ada: Authenticator) -> None:
    eve = Authenticator()
    world.with_passkeys(ada.passkey(ADA), eve.passkey(EVE))
    world.store()
    signed = world.challenge()

    answer = world.prove(signed, assertion=eve.get(signed.statement.passkey_challenge()))

    assert code(answer) == "passkey_unknown"
    assert world.load().state is State.PENDING


def test_a_passkey_does_not_replace_the_login(world: World, ada: Authenticator) -> None:
    world.store()
    signed = world.challenge()
    stale = world.provider.id_token(**world.claims(signed, auth_time=int(world.clock()) - 60))

    answer = world.prove(signed, stale, assertion=ada.get(signed.statement.passkey_challenge()))

    assert code(answer) == "proof_not_fresh"


def test_one_login_and_one_answer_do_not_approve_two_plans(
    world: World, ada: Authenticator
) -> None:
    world.store()
    world.store(a_plan(id="plan-2"))
    first, second = world.challenge(), world.challenge(plan_id="plan-2")
    world.prove(first, assertion=ada.get(first.statement.passkey_challenge()))

    again = world.prove(
        second, plan_id="plan-2", assertion=ada.get(second.statement.passkey_challenge())
    )

    assert code(again) == "proof_replayed"


@pytest.mark.promise("passkey-demanded")
def test_who_has_no_passkey_is_told_before_signing_in(world: World) -> None:
    world.store()

    answer = approving.challenge(ChallengeCall(plan_id="plan-1", approver=ADA), world.context)

    assert code(answer) == "passkey_missing"


@pytest.mark.promise("passkey-demanded")
def test_a_group_that_needs_a_passkey_is_known_after_the_login(world: World) -> None:
    world.with_rules(
        ApproverRule(
            namespaces=("demo",), groups=(GroupRef(iss=ISSUER, group="ops"),), passkey=ALWAYS
        )
    )
    world.store()
    signed = world.challenge()
    token = world.provider.id_token(**world.claims(signed, groups=["ops"]))

    assert code(world.prove(signed, token)) == "passkey_missing"


@pytest.mark.parametrize(
    ("level", "expected"),
    [("low", "accepted"), ("medium", "accepted"), ("high", "passkey_required")],
)
def test_a_passkey_can_be_demanded_by_risk(
    world: World, ada: Authenticator, level: Literal["low", "medium", "high"], expected: str
) -> None:
    assert ada.passkey(ADA) in world.context.policy.passkeys
    world.with_rules(RULE.model_copy(update={"passkey": PasskeyDemand(high="required")}))
    world.store(a_plan(risk=RiskNote(level=level)))

    assert code(world.prove(world.challenge())) == expected


@pytest.mark.promise("passkey-demanded")
def test_a_second_rule_opens_no_way_around_the_demand(world: World, ada: Authenticator) -> None:
    assert ada.passkey(ADA) in world.context.policy.passkeys
    world.with_rules(RULE, STRICT)
    world.store()

    assert code(world.prove(world.challenge())) == "passkey_required"


def test_where_none_is_demanded_an_answer_is_not_looked_at(
    world: World, ada: Authenticator
) -> None:
    world.with_rules(RULE)
    world.store()

    assert code(world.prove(world.challenge(), assertion=ada.get(bytes(32)))) == "accepted"
    assert receipt_of(world).passkey is None


@pytest.mark.promise("passkey-of-today")
def test_an_approval_without_the_passkey_of_todays_policy_is_not_applied(stage: Stage) -> None:
    """Demanded since; taken out of the policy since; and, for contrast, still in it."""
    ada = Authenticator()
    plan = stage.approve(stage.plan("one"))
    stage.world.with_rules(STRICT)
    assert stage.code(plan) == "receipt_without_passkey"
    stage.world.with_passkeys(ada.passkey(ADA))
    assert stage.code(plan) == "receipt_without_passkey"

    signed = stage.world.challenge(plan_id=stage.plan("two").id)
    stage.world.clock.now += 1
    answer = ada.get(signed.statement.passkey_challenge())
    plan_id = signed.statement.plan_id
    assert code(stage.world.prove(signed, plan_id=plan_id, assertion=answer)) == "accepted"
    second = stage.world.load(plan_id).plan()
    assert not isinstance(second, Refusal)
    stage.world.with_passkeys(Authenticator().passkey(ADA))
    assert stage.code(second) == "receipt_without_passkey"
    assert stage.written() == []

    stage.world.with_passkeys(ada.passkey(ADA))
    assert stage.apply(second)[0] == "applied"


@pytest.mark.promise("passkey-of-today")
def test_an_earlier_approval_without_a_passkey_does_not_count_among_several(
    world: World,
) -> None:
    ada, eve = Authenticator(), Authenticator()
    both = STRICT.model_copy(
        update={
            "subjects": (ADA, EVE),
            "required": RULE.required.model_copy(update={"low": 2}),
        }
    )
    world.with_rules(both.model_copy(update={"passkey": PasskeyDemand()}))
    world.store()
    world.prove(world.challenge())
    world.with_rules(both)
    world.with_passkeys(ada.passkey(ADA), eve.passkey(EVE))
    signed = world.challenge(EVE)

    answer = world.prove(signed, assertion=eve.get(signed.statement.passkey_challenge()))

    assert answer == {"state": "pending", "approvals": 1, "needed": 2}


def test_receipts_from_before_there_were_passkeys_keep_their_bytes() -> None:
    receipt = Receipt(
        plan_id="p",
        plan_digest="d",
        approver=ADA,
        auth_time=1,
        proof_sha256="s",
        key_thumbprint="t",
        policy_sha256="p",
        verified_at=1,
        apply_before=2,
    )

    assert b"passkey" not in receipt.document()
    assert b'"passkey":"ab"' in receipt.model_copy(update={"passkey": "ab"}).document()
