"""Who makes the applier say yes: a fresh login for exactly this plan, and nothing else."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from shared.approvals import read_signed_receipt
from shared.approver_rules import ApproverRule, GroupRef, Required
from shared.errors import AuditUnavailable, Refusal
from shared.messages import CancelCall, ChallengeCall, DenyCall
from shared.plans import Identity, State
from shared.seals import RECEIPT_DOMAIN, STATEMENT_DOMAIN, sign, signature_holds
from shared.settings import TERMINAL_CLIENT
from tests.worker.worlds import ADA, CLIENT, ISSUER, NOW, RULE, World, a_plan, make_world
from worker import approving, withdrawing

EVE = Identity(iss=ISSUER, sub="eve")


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(redis_url, tmp_path)
    yield made
    made.redis.close()


def code(answer: object) -> str:
    return answer.code if isinstance(answer, Refusal) else "accepted"


@pytest.mark.promise("proof-binds-plan")
def test_a_fresh_login_for_this_plan_approves_it_and_leaves_a_signed_receipt(world: World) -> None:
    stored = world.store()

    answer = world.prove(world.challenge())

    after = world.load()
    assert answer == {"state": "approved", "approvals": 1, "needed": 1}
    assert after.state is State.APPROVED
    signed = read_signed_receipt(after.receipt or "")
    assert not isinstance(signed, Refusal)
    assert signed.receipt.plan_digest == stored.sealed.digest
    assert signed.receipt.approver == ADA
    assert signature_holds(
        world.context.keys.receipt_public,
        RECEIPT_DOMAIN,
        signed.receipt.document(),
        signed.signature,
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"nonce": "something-else"}, "proof_nonce"),
        ({"nonce": None}, "proof_nonce"),
        ({"auth_time": NOW - 3600}, "proof_not_fresh"),
        ({"auth_time": NOW - 6}, "proof_not_fresh"),
        ({"auth_time": None}, "proof_times"),
        ({"auth_time": str(NOW)}, "proof_times"),
        ({"auth_time": True}, "proof_times"),
        ({"auth_time": NOW + 600}, "proof_from_the_future"),
        ({"iat": NOW + 600, "exp": NOW + 900}, "proof_from_the_future"),
        ({"iat": NOW - 900}, "proof_too_old"),
        ({"exp": NOW - 31}, "proof_expired"),
        ({"exp": None}, "proof_times"),
        ({"iss": "https://other.example"}, "proof_issuer"),
        ({"aud": "another-client"}, "proof_audience"),
        ({"aud": [CLIENT, "another-client"]}, "proof_audience"),
        ({"aud": []}, "proof_audience"),
        ({"aud": [CLIENT, TERMINAL_CLIENT]}, "proof_audience"),
        ({"azp": "another-client"}, "proof_authorized_party"),
        ({"azp": TERMINAL_CLIENT}, "proof_authorized_party"),
        ({"aud": TERMINAL_CLIENT, "azp": CLIENT}, "proof_authorized_party"),
        ({"scope": "mcp:tools"}, "proof_not_an_id_token"),
        ({"client_id": "codex"}, "proof_not_an_id_token"),
        ({"sub": "eve"}, "proof_of_somebody_else"),
        ({"sub": None}, "proof_of_somebody_else"),
    ],
)
@pytest.mark.promise("proof-checks")
def test_a_login_that_is_not_exactly_the_one_asked_for_approves_nothing(
    world: World, changed: dict[str, object], expected: str
) -> None:
    world.store()
    signed = world.challenge()
    token = world.provider.id_token(**world.claims(signed, **changed))

    answer = world.prove(signed, token)

    assert code(answer) == expected
    assert world.load().state is State.PENDING
    assert world.load().receipt is None
    assert world.audit_events()[-1]["event"] == "proof.refused"
    assert world.audit_events()[-1]["code"] == expected


def test_a_fresh_login_by_the_terminals_client_approves(world: World) -> None:
    world.store()
    signed = world.challenge()
    claims = world.claims(signed, aud=TERMINAL_CLIENT, azp=TERMINAL_CLIENT)

    answer = world.prove(signed, world.provider.id_token(**claims))

    assert not isinstance(answer, Refusal), answer
    assert world.load().state is State.APPROVED


@pytest.mark.promise("terminal-client-is-a-choice")
def test_without_a_terminals_client_its_logins_approve_nothing(world: World) -> None:
    values = {"oauth_authority": "https://id.example", "approval_cli_client_id": None}
    settings = world.context.settings.model_copy(update={"environment": "Production"} | values)
    world.context = replace(world.context, settings=settings)
    world.store()
    signed = world.challenge()
    claims = world.claims(signed, aud=TERMINAL_CLIENT, iss="https://id.example")

    assert code(world.prove(signed, world.provider.id_token(**claims))) == "proof_audience"
    assert world.load().state is State.PENDING


def test_appliers_can_be_told_to_believe_terminals_only(world: World) -> None:
    values = {"approval_client_id": TERMINAL_CLIENT, "approval_cli_client_id": None}
    settings = world.context.settings.model_copy(update=values)
    world.context = replace(world.context, settings=settings)
    world.store()
    signed = world.challenge()
    by_page = world.provider.id_token(**world.claims(signed))
    by_terminal = world.provider.id_token(**world.claims(signed, aud=TERMINAL_CLIENT))

    assert code(world.prove(signed, by_page)) == "proof_audience"
    assert not isinstance(world.prove(signed, by_terminal), Refusal)


def test_a_token_that_the_provider_did_not_sign_approves_nothing(world: World) -> None:
    world.store()
    signed = world.challenge()
    world.provider.key = generate_private_key(public_exponent=65537, key_size=2048)

    answer = world.prove(signed)

    assert code(answer) == "token_signature"
    assert world.load().state is State.PENDING


def test_a_token_with_an_unknown_key_name_approves_nothing(world: World) -> None:
    world.store()
    signed = world.challenge()
    world.provider.kid = "../../etc/passwd"

    assert code(world.prove(signed)) == "token_unknown_key"


@pytest.mark.promise("one-login-one-plan")
def test_one_login_cannot_approve_two_plans(world: World) -> None:
    world.store()
    world.store(a_plan(id="plan-2"))
    first, second = world.challenge(), world.challenge(plan_id="plan-2")
    world.prove(first)

    answer = world.prove(second, plan_id="plan-2")

    assert code(answer) == "proof_replayed"
    assert world.load("plan-2").state is State.PENDING


@pytest.mark.promise("one-login-one-plan")
def test_a_login_stays_spent_when_redis_forgets_it(world: World) -> None:
    """The cluster remembers it; a pages' process could have a second nonce signed for it."""
    world.store()
    world.store(a_plan(id="plan-2"))
    first, second = world.challenge(), world.challenge(plan_id="plan-2")
    world.prove(first)
    world.redis.delete(*world.redis.scan_iter("wk:spent:*"))

    answer = world.prove(second, plan_id="plan-2")

    assert code(answer) == "proof_replayed"
    assert world.load("plan-2").state is State.PENDING
    last = world.audit_events()[-1]
    assert (last["event"], last["plan"], last["code"]) == (
        "proof.refused",
        "plan-2",
        "proof_replayed",
    )


def test_the_same_proof_sent_twice_approves_once(world: World) -> None:
    world.store()
    signed = world.challenge()
    token = world.provider.id_token(**world.claims(signed))
    world.prove(signed, token)

    assert code(world.prove(signed, token)) == "plan_approved"


@pytest.mark.promise("statement-is-ours")
def test_a_statement_that_the_applier_did_not_sign_approves_nothing(world: World) -> None:
    world.store()
    signed = world.challenge()
    forged = signed.model_copy(
        update={
            "signature": sign(
                Ed25519PrivateKey.generate(), STATEMENT_DOMAIN, signed.statement.document()
            )
        }
    )

    assert code(world.prove(forged)) == "statement_forged"


def test_a_statement_about_one_plan_does_not_approve_another(world: World) -> None:
    world.store()
    world.store(a_plan(id="plan-2", summary="delete everything"))
    signed = world.challenge()

    answer = world.prove(signed, plan_id="plan-2")

    assert code(answer) == "statement_of_another_plan"
    assert world.load("plan-2").state is State.PENDING


def test_a_challenge_is_not_answered_after_five_minutes(world: World) -> None:
    world.store()
    signed = world.challenge()
    world.clock.now += 300

    assert code(world.prove(signed)) == "challenge_expired"


def test_a_late_proof_is_refused_before_the_plan_is_looked_at(world: World) -> None:
    world.store()
    signed = world.challenge()
    world.redis.hset("wk:plan:plan-1", "seal", "broken")
    world.clock.now += 300

    assert code(world.prove(signed)) == "challenge_expired"


@pytest.mark.promise("seal-checked")
def test_a_plan_that_was_changed_in_redis_is_not_approved(world: World) -> None:
    world.store()
    signed = world.challenge()
    evil = a_plan(summary="web: replicas 2 → 3")
    world.redis.hset("wk:plan:plan-1", "document", evil.document())

    assert code(world.prove(signed)) == "plan_seal_broken"


@pytest.mark.promise("seal-checked")
def test_no_challenge_is_given_for_a_plan_that_somebody_else_sealed(world: World) -> None:
    stored = world.store()
    seal = sign(Ed25519PrivateKey.generate(), b"infragate/seal/v1\0", b"x")
    world.redis.hset("wk:plan:plan-1", "seal", seal)

    answer = approving.challenge(ChallengeCall(plan_id=stored.id, approver=ADA), world.context)

    assert code(answer) == "plan_seal_broken"


def test_a_plan_of_another_cluster_is_not_approved(world: World) -> None:
    other = a_plan().cluster.model_copy(update={"id": "cluster-2"})
    world.store(a_plan(cluster=other))

    answer = approving.challenge(ChallengeCall(plan_id="plan-1", approver=ADA), world.context)

    assert code(answer) == "plan_of_another_cluster"


def test_an_expired_plan_is_not_approved(world: World) -> None:
    world.store()
    signed = world.challenge()
    world.clock.now = NOW + 3600

    assert code(world.prove(signed)) == "challenge_expired"  # it never outlives its plan
    assert world.load().state is State.PENDING


@pytest.mark.promise("empty-policy-approves-nothing")
def test_an_empty_policy_approves_nothing(world: World) -> None:
    world.store()
    world.with_rules()

    answer = approving.challenge(ChallengeCall(plan_id="plan-1", approver=ADA), world.context)

    assert code(answer) == "not_an_approver"


@pytest.mark.promise("approver-policy")
@pytest.mark.parametrize(
    "rule",
    [
        RULE.model_copy(update={"namespaces": ("other",)}),
        RULE.model_copy(update={"operations": ("delete",)}),
        RULE.model_copy(update={"subjects": (EVE,)}),
        RULE.model_copy(update={"subjects": (Identity(iss="https://x", sub="ada"),)}),
    ],
)
def test_somebody_whom_the_policy_does_not_name_for_this_plan_cannot_approve(
    world: World, rule: ApproverRule
) -> None:
    world.store()
    signed = world.challenge()
    world.with_rules(rule)

    assert code(world.prove(signed)) == "not_an_approver"


@pytest.mark.promise("four-eyes")
@pytest.mark.parametrize(("allowed", "expected"), [(False, "four_eyes"), (True, "accepted")])
def test_the_requester_approves_only_where_the_policy_says_so(
    world: World, allowed: bool, expected: str
) -> None:
    requester = a_plan().requester.model_copy(update={"sub": ADA.sub})
    world.store(a_plan(requester=requester))
    world.with_rules(RULE)
    lenient = RULE.model_copy(update={"requester_may_approve": True})
    world.with_rules(lenient)
    signed = world.challenge()
    world.with_rules(lenient if allowed else RULE)

    assert code(world.prove(signed)) == expected


GRACE = Identity(iss=ISSUER, sub="grace")
TWO = RULE.model_copy(update={"subjects": (ADA, GRACE), "required": Required(low=2)})


@pytest.mark.promise("n-of-m")
def test_a_plan_that_needs_two_people_is_approved_by_the_second(world: World) -> None:
    world.store()
    world.with_rules(TWO)

    first = world.prove(world.challenge(ADA))
    between = world.load()
    second = world.prove(world.challenge(GRACE))

    assert first == {"state": "pending", "approvals": 1, "needed": 2}
    assert (between.state, between.receipt) == (State.PENDING, None)
    assert second == {"state": "approved", "approvals": 2, "needed": 2}


@pytest.mark.promise("n-of-m")
def test_one_person_does_not_count_twice(world: World) -> None:
    world.store()
    world.with_rules(TWO)
    world.prove(world.challenge(ADA))
    world.clock.now += 1

    assert code(world.prove(world.challenge(ADA))) == "already_approved_by_you"
    assert world.load().state is State.PENDING


@pytest.mark.promise("n-of-m")
def test_an_earlier_approval_that_redis_made_up_does_not_count(world: World) -> None:
    world.store()
    world.with_rules(TWO)
    world.prove(world.challenge(ADA))
    (signed,) = json.loads(world.load().co_receipts or "")
    signed["receipt"]["approver"]["sub"] = "grace"
    world.redis.hset("wk:plan:plan-1", "co_receipts", json.dumps([signed]))
    world.clock.now += 1

    assert world.prove(world.challenge(ADA)) == {"state": "pending", "approvals": 1, "needed": 2}


def test_an_earlier_approval_of_somebody_who_lost_the_right_does_not_count(world: World) -> None:
    world.store()
    world.with_rules(TWO)
    world.prove(world.challenge(ADA))
    world.with_rules(TWO.model_copy(update={"subjects": (GRACE,)}))

    answer = world.prove(world.challenge(GRACE))

    assert answer == {"state": "pending", "approvals": 1, "needed": 2}


OPERATORS = RULE.model_copy(
    update={"subjects": (), "groups": (GroupRef(iss=ISSUER, group="operators"),)}
)


@pytest.mark.promise("groups-are-signed")
@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["operators", "staff"], "accepted"),
        (["staff"], "not_an_approver"),
        ("operators", "not_an_approver"),
        (None, "not_an_approver"),
        (["operators"] + ["x"] * 1000, "not_an_approver"),
    ],
)
def test_a_group_counts_only_if_the_provider_signed_it_into_the_proof(
    world: World, groups: object, expected: str
) -> None:
    world.store()
    world.with_rules(OPERATORS)
    signed = world.challenge(EVE)
    token = world.provider.id_token(**world.claims(signed, groups=groups))

    assert code(world.prove(signed, token)) == expected


@pytest.mark.parametrize(
    ("acr", "expected"), [("mfa", "accepted"), ("0", "proof_acr"), (None, "proof_acr")]
)
def test_a_policy_can_ask_for_a_stronger_login(
    world: World, acr: str | None, expected: str
) -> None:
    world.store()
    world.with_rules(RULE.model_copy(update={"acr": ("mfa", "hwk")}))
    signed = world.challenge()
    token = world.provider.id_token(**world.claims(signed, acr=acr))

    assert code(world.prove(signed, token)) == expected


def test_a_token_encrypted_beside_another_statement_cannot_be_opened(world: World) -> None:
    world.store()
    first, second = world.challenge(), world.challenge()
    token = world.provider.id_token(**world.claims(first))
    world.prove(second.model_copy(update={"statement": first.statement}), token)

    assert world.load().state is State.PENDING


@pytest.mark.promise("audit-first")
def test_nothing_is_approved_when_the_audit_log_cannot_be_written(
    world: World, tmp_path: Path
) -> None:
    world.store()
    signed = world.challenge()
    blocked = tmp_path / "audit" / "audit.jsonl"
    blocked.unlink()
    blocked.mkdir()

    with pytest.raises(AuditUnavailable):
        world.prove(signed)

    assert world.load().state is State.PENDING


def test_an_approver_denies_a_plan_with_a_reason(world: World) -> None:
    world.store()

    answer = withdrawing.deny(
        DenyCall(plan_id="plan-1", approver=ADA, reason="not on a Friday"), world.context
    )

    assert answer == {"state": "denied"}
    assert world.load().decided_reason == "not on a Friday"


def test_somebody_else_cannot_deny(world: World) -> None:
    world.store()

    answer = withdrawing.deny(DenyCall(plan_id="plan-1", approver=EVE), world.context)

    assert code(answer) == "not_an_approver"
    assert world.load().state is State.PENDING


@pytest.mark.promise("revoked-stays-revoked")
def test_revoking_an_approval_takes_the_claim_in_the_cluster(world: World) -> None:
    world.store()
    world.prove(world.challenge())

    answer = withdrawing.deny(DenyCall(plan_id="plan-1", approver=ADA), world.context)

    assert answer == {"state": "revoked"}
    (lease,) = world.cluster.plan_claims.values()
    assert lease["metadata"]["annotations"]["infragate.dev/claim-purpose"] == "revoke"


def test_an_approval_cannot_be_revoked_once_somebody_claimed_the_apply(world: World) -> None:
    stored = world.store()
    world.prove(world.challenge())
    name = "ig-" + stored.sealed.digest.removeprefix("sha256:")[:40]
    world.cluster.create_lease(name, holder="applier", annotations={})

    answer = withdrawing.deny(DenyCall(plan_id="plan-1", approver=ADA), world.context)

    assert code(answer) == "already_applying"


def test_only_the_requester_cancels_and_others_learn_nothing(world: World) -> None:
    plan = a_plan()
    world.store(plan)
    rob = Identity(iss=plan.requester.iss, sub=plan.requester.sub)

    refused = withdrawing.cancel(CancelCall(plan_id="plan-1", requester=EVE), world.context)
    answer = withdrawing.cancel(CancelCall(plan_id="plan-1", requester=rob), world.context)

    assert code(refused) == "no_such_plan"
    assert answer == {"state": "cancelled"}


def test_a_worker_without_the_receipt_key_gives_no_challenge(world: World) -> None:
    world.store()
    keys = replace(world.context.keys, receipt=None)
    context = replace(world.context, keys=keys)

    with pytest.raises(Exception, match="not an applier"):
        approving.challenge(ChallengeCall(plan_id="plan-1", approver=ADA), context)


@pytest.mark.promise("no-tokens-anywhere")
def test_neither_redis_nor_the_audit_log_ever_holds_the_token(world: World) -> None:
    world.store()
    signed = world.challenge()
    token = world.provider.id_token(**world.claims(signed))
    world.prove(signed, token)

    signature = token.split(".")[2].encode()
    values = [world.redis.dump(key) for key in world.redis.keys("*")]
    assert all(signature not in (value or b"") for value in values)
    assert signature not in world.context.audit.path.read_bytes()
