"""What deciding leaves behind: in Redis, in the audit log, and for whoever comes in between."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.approvals import SignedReceipt, SignedStatement, read_signed_receipt
from shared.approver_rules import GroupRef
from shared.errors import BadConfiguration, Refusal
from shared.messages import CancelCall, ChallengeCall, DenyCall, ProofCall
from shared.plans import Identity, State
from shared.seals import encrypt_proof
from shared.stores.plans import PlanStore
from tests.worker.worlds import ADA, ISSUER, NOW, ROB, RULE, World, a_plan, make_world
from worker import approving, claims, withdrawing
from worker.notices import Event, Notice

EVE = Identity(iss=ISSUER, sub="eve")
ROB_HIMSELF = Identity(iss=ROB.iss, sub=ROB.sub)


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(redis_url, tmp_path)
    yield made
    made.redis.close()


def code(answer: object) -> str:
    return answer.code if isinstance(answer, Refusal) else "accepted"


def deny(world: World, plan_id: str = "plan-1", **given: Any) -> object:
    call = DenyCall(**({"plan_id": plan_id, "approver": ADA} | given))
    return withdrawing.deny(call, world.context)


def cancel(world: World, plan_id: str = "plan-1") -> object:
    return withdrawing.cancel(CancelCall(plan_id=plan_id, requester=ROB_HIMSELF), world.context)


def receipt(world: World) -> Any:
    signed = read_signed_receipt(world.load().receipt or "")
    assert isinstance(signed, SignedReceipt)
    return signed.receipt


@dataclass
class Heard:
    """Keeps the notices that are told."""

    told: list[Notice] = field(default_factory=list)

    def tell(self, notice: Notice) -> None:
        self.told.append(notice)

    def stop(self) -> None:
        pass


class SlowStore(PlanStore):
    """A store in which somebody else always moves a plan first."""

    def move(self, *_: Any, **__: Any) -> bool:
        return False


def overtaken(world: World) -> None:
    world.context = replace(world.context, plans=SlowStore(world.redis))


# ── the challenge ────────────────────────────────────────────────────────────────────────────────


def test_a_challenge_says_exactly_what_a_login_is_to_commit_to(world: World) -> None:
    stored = world.store()

    one, two = world.challenge().statement, world.challenge().statement

    assert (one.plan_id, one.plan_digest, one.cluster_id) == (
        "plan-1",
        stored.sealed.digest,
        "cluster-1",
    )
    assert (one.decision, one.approver) == ("approve", ADA)
    assert (one.challenge_iat, one.expires_at) == (NOW, NOW + 300)
    assert len(one.challenge) == 43
    assert one.challenge != two.challenge


def test_a_challenge_ends_with_its_plan(world: World) -> None:
    world.store()
    world.clock.now = NOW + 3500

    assert world.challenge().statement.expires_at == NOW + 3600


@pytest.mark.promise("seal-checked")
@pytest.mark.parametrize("document", [b"", b"{}", b"\xff"])
def test_a_plan_that_cannot_be_read_is_neither_approved_nor_withdrawn(
    world: World, document: bytes
) -> None:
    world.store()
    signed = world.challenge()
    world.redis.hset("wk:plan:plan-1", "document", cast("Any", document))

    challenged = approving.challenge(ChallengeCall(plan_id="plan-1", approver=ADA), world.context)
    answers = [challenged, world.prove(signed), deny(world), cancel(world)]

    assert [code(answer) for answer in answers] == ["plan_unreadable"] * 4


@pytest.mark.parametrize(("late", "expected"), [(-1, "accepted"), (0, "plan_expired")])
def test_a_plan_can_be_approved_until_the_second_of_its_expiry(
    world: World, late: int, expected: str
) -> None:
    world.store()
    world.clock.now = NOW + 3600 + late

    answer = approving.challenge(ChallengeCall(plan_id="plan-1", approver=ADA), world.context)

    assert code(answer) == expected


def test_challenges_and_proofs_are_recorded_with_who_and_what(world: World) -> None:
    stored = world.store()
    world.prove(world.challenge())

    issued, accepted = world.audit_events()
    for event in (issued, accepted):
        assert (event["plan"], event["digest"]) == ("plan-1", stored.sealed.digest)
        assert (event["iss"], event["sub"]) == (ADA.iss, ADA.sub)
    given = receipt(world)
    assert [issued["event"], accepted["event"]] == ["challenge.issued", "proof.accepted"]
    assert (accepted["proof"], accepted["key"], accepted["policy"]) == (
        given.proof_sha256,
        given.key_thumbprint,
        given.policy_sha256,
    )


# ── the proof ────────────────────────────────────────────────────────────────────────────────────


def test_a_receipt_says_when_and_until_when(world: World) -> None:
    world.store()
    world.prove(world.challenge())

    given = receipt(world)
    assert (given.plan_id, given.auth_time, given.verified_at) == ("plan-1", NOW, NOW)
    assert given.apply_before == NOW + 900
    assert given.policy_sha256 == world.context.policy.sha256
    assert len(given.proof_sha256) == 64


def test_a_receipt_ends_with_its_plan(world: World) -> None:
    world.store()
    world.clock.now = NOW + 3500
    world.prove(world.challenge())

    assert receipt(world).apply_before == NOW + 3600


def test_an_approval_is_told_with_whom_and_how_many(world: World) -> None:
    heard = Heard()
    world.context = replace(world.context, notices=cast("Any", heard))
    world.store()

    answer = world.prove(world.challenge())

    assert isinstance(answer, dict)
    assert (answer["state"], answer["approvals"], answer["needed"]) == ("approved", 1, 1)
    (notice,) = heard.told
    assert (notice.event, notice.by, notice.detail) == (Event.APPROVED, ADA, "1 of 1 approvals")


def test_a_spent_login_is_remembered_for_a_day(world: World) -> None:
    world.store()
    world.prove(world.challenge())

    (key,) = cast("list[bytes]", world.redis.keys("wk:spent:*"))
    assert 24 * 3600 - 60 < world.redis.ttl(key) <= 24 * 3600


def test_only_groups_that_the_policy_names_for_this_provider_are_in_the_receipt(
    world: World,
) -> None:
    groups = (
        GroupRef(iss=ISSUER, group="ops"),
        GroupRef(iss=ISSUER, group="dba"),
        GroupRef(iss="https://other", group="dev"),
    )
    elsewhere = (GroupRef(iss=ISSUER, group="all"),)
    world.with_rules(
        RULE.model_copy(update={"subjects": (), "groups": groups}),
        RULE.model_copy(update={"namespaces": ("other",), "groups": elsewhere}),
    )
    world.store()
    signed = world.challenge()
    token = world.provider.id_token(
        **world.claims(signed, groups=["ops", "dba", "dev", "all", "staff"])
    )

    answer = world.prove(signed, token)

    assert code(answer) == "accepted"
    assert receipt(world).groups == ("dba", "ops")


def test_a_proof_to_an_older_key_is_opened_while_a_rotation_lasts(world: World) -> None:
    world.store()
    old, new = world.context.keys.proof, X25519PrivateKey.generate()
    assert old is not None
    signed = world.challenge()
    token = world.provider.id_token(**world.claims(signed))
    sealed = encrypt_proof(old.public_key(), token, statement=signed.statement.document())
    keys = replace(world.context.keys, proof=new, older_proofs=(old,))
    world.context = replace(world.context, keys=keys)

    answer = approving.prove(
        ProofCall(plan_id="plan-1", signed=signed, sealed_token=sealed), world.context
    )

    assert code(answer) == "accepted"


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!"])
def test_a_proof_that_cannot_be_opened_is_refused(world: World, sealed: str) -> None:
    world.store()
    call = ProofCall(plan_id="plan-1", signed=world.challenge(), sealed_token=sealed)

    assert code(approving.prove(call, world.context)) == "proof_unreadable"


@pytest.mark.parametrize("token", ["x", "a.b.c", "e30.e30.e30"])
def test_a_proof_that_is_no_token_is_refused(world: World, token: str) -> None:
    world.store()

    assert code(world.prove(world.challenge(), token)).startswith("token_")


def test_a_proof_for_a_plan_that_is_not_there_is_refused(world: World) -> None:
    world.store()

    assert code(world.prove(world.challenge(), plan_id="none")) == "no_such_plan"


def test_a_worker_without_the_proof_key_opens_nothing(world: World) -> None:
    world.store()
    signed: SignedStatement = world.challenge()
    keys = replace(world.context.keys, proof=None)
    context = replace(world.context, keys=keys)

    with pytest.raises(BadConfiguration, match="no proof key"):
        approving.prove(ProofCall(plan_id="plan-1", signed=signed, sealed_token="AA"), context)


def test_who_is_overtaken_while_approving_is_told(world: World) -> None:
    world.store()
    signed = world.challenge()
    overtaken(world)

    assert code(world.prove(signed)) == "already_decided"
    assert world.load().state is State.PENDING


# ── taking back ──────────────────────────────────────────────────────────────────────────────────


def test_a_withdrawal_keeps_who_why_and_when(world: World) -> None:
    world.store()

    deny(world, reason="no")

    stored = world.load()
    assert Identity.model_validate_json(stored.decided_by or "") == ADA
    assert (stored.decided_reason, stored.decided_at) == ("no", NOW)


@pytest.mark.parametrize(
    ("approved", "how", "event"),
    [
        (False, deny, "plan.denied"),
        (True, deny, "plan.revoked"),
        (False, cancel, "plan.cancelled"),
        (True, cancel, "plan.cancelled"),
    ],
)
def test_a_withdrawal_is_recorded_and_closes_the_digest_in_the_cluster(
    world: World, approved: bool, how: Any, event: str
) -> None:
    stored = world.store()
    if approved:
        world.prove(world.challenge())

    how(world)

    last = world.audit_events()[-1]
    assert (last["event"], last["plan"], last["digest"]) == (event, "plan-1", stored.sealed.digest)
    assert (last["iss"], last["sub"]) == (ADA.iss, "rob" if how is cancel else "ada")
    (lease,) = world.cluster.plan_claims.values()
    annotations = lease["metadata"]["annotations"]
    assert lease["spec"]["holderIdentity"] == "revoked"
    assert annotations["infragate.dev/claim-purpose"] == "revoke"
    assert annotations["infragate.dev/plan-expires-at"] == str(NOW + 3600)
    assert annotations["infragate.dev/plan-id"] == "plan-1"


@pytest.mark.parametrize(
    ("approved", "how", "event", "who"),
    [
        (False, deny, Event.DENIED, ADA),
        (True, deny, Event.REVOKED, ADA),
        (False, cancel, Event.CANCELLED, ROB_HIMSELF),
    ],
)
def test_a_withdrawal_is_told_with_by_whom(
    world: World, approved: bool, how: Any, event: Event, who: Identity
) -> None:
    stored = world.store()
    if approved:
        world.prove(world.challenge())
    heard = Heard()
    world.context = replace(world.context, notices=cast("Any", heard))

    how(world)

    (notice,) = heard.told
    assert (notice.event, notice.by, notice.at) == (event, who, NOW)
    assert (notice.plan_id, notice.digest) == ("plan-1", stored.sealed.digest)


@pytest.mark.parametrize(
    ("purpose", "expected"), [("revoke", "accepted"), ("apply", "already_applying")]
)
def test_a_withdrawal_that_was_cut_off_after_its_claim_can_be_repeated(
    world: World, purpose: str, expected: str
) -> None:
    stored = world.store()
    claims.take(
        world.context.cluster,
        stored.sealed.digest,
        plan_id="plan-1",
        holder="somebody",
        purpose=purpose,
        expires_at=NOW + 3600,
    )

    assert code(deny(world)) == expected
    assert world.load().state is (State.DENIED if expected == "accepted" else State.PENDING)


@pytest.mark.parametrize("how", [deny, cancel])
def test_nothing_is_withdrawn_that_is_not_there_or_has_ended(world: World, how: Any) -> None:
    world.store()

    assert code(how(world, "none")) == "no_such_plan"
    how(world)
    assert code(how(world)).startswith("plan_")


@pytest.mark.parametrize("how", [deny, cancel])
def test_an_expired_plan_is_not_withdrawn(world: World, how: Any) -> None:
    world.store()
    world.clock.now = NOW + 3600

    assert code(how(world)) == "plan_expired"


@pytest.mark.parametrize("how", [deny, cancel])
def test_who_is_overtaken_while_withdrawing_is_told(world: World, how: Any) -> None:
    world.store()
    overtaken(world)

    assert code(how(world)) == "already_decided"


def test_a_member_of_a_group_of_approvers_may_deny(world: World) -> None:
    ops = RULE.model_copy(update={"subjects": (), "groups": (GroupRef(iss=ISSUER, group="ops"),)})
    elsewhere = RULE.model_copy(update={"namespaces": ("other",)})
    world.with_rules(ops, elsewhere)
    world.store()

    assert code(deny(world, approver=EVE, groups=("dev",))) == "not_an_approver"
    assert code(deny(world, approver=ADA)) == "not_an_approver"
    assert deny(world, approver=EVE, groups=("ops",)) == {"state": "denied"}


def test_a_requester_of_the_same_name_elsewhere_cancels_nothing(world: World) -> None:
    world.store(a_plan())
    stranger = Identity(iss="https://other", sub=ROB.sub)

    answer = withdrawing.cancel(CancelCall(plan_id="plan-1", requester=stranger), world.context)

    assert code(answer) == "no_such_plan"
    assert world.load().state is State.PENDING
