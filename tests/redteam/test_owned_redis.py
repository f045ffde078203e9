"""Whoever owns Redis: every field of every plan, and every message, brought back or replayed."""

import json
from collections.abc import Iterator

import pytest

from shared.messages import Role
from shared.plans import ClusterRef, Plan, SealedPlan, read_plan
from shared.seals import seal_plan
from tests.cluster.conftest import eventually
from tests.journeys.live import JWT
from tests.journeys.person import Person
from tests.redteam.attackers import Attacker, redis_root, refused, until_served
from tests.redteam.messages import body
from tests.redteam.overwriting import OVERWRITTEN
from tests.redteam.provider import Forge
from tests.redteam.rollback import bring_back, copy_of, overwrite, recording
from tests.redteam.stage import WORKERS, Stage
from tests.redteam.watching import creating, seen, unchanged, written
from worker.key_files import SEAL_FILE, signing_key

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
owned = pytest.mark.promise("owned-redis-changes-nothing")

SAID = {"pending", "approved", "applied", "outcome_unknown"}
"""What a reply may say without anything having happened: states are Redis' own words."""


@pytest.fixture(scope="module")
def root(stage: Stage) -> Iterator[Attacker]:
    with redis_root(stage) as attacker:
        yield attacker


@pytest.fixture(scope="module")
def approved(stage: Stage, root: Attacker) -> str:
    """Another plan, which the approver did approve: its receipt is real."""
    return approved_plan(stage, root, "the-approved-one", value="approved")


def approved_plan(stage: Stage, root: Attacker, name: str, *, value: str = "1") -> str:
    plan_id = root.plan(name, value)
    stage.approve(plan_id)
    assert root.stored(plan_id)[b"state"] == b"approved"
    return plan_id


def applied_plan(stage: Stage, root: Attacker, name: str) -> str:
    plan_id = approved_plan(stage, root, name)
    with written(stage, *creating(name)):
        assert root.apply(plan_id)["body"]["state"] == "applied"
    return plan_id


@owned
@pytest.mark.parametrize("what", OVERWRITTEN)
def test_no_field_of_a_plan_that_waits_leads_to_a_write(
    what: str, stage: Stage, root: Attacker, approved: str
) -> None:
    plan_id = root.plan(f"pending-{list(OVERWRITTEN).index(what)}")
    fields = OVERWRITTEN[what](root.stored(plan_id), root.stored(approved), plan_id, stage)
    with unchanged(stage):
        overwrite(root, plan_id, **fields)
        for _ in range(2):
            reply = root.apply(plan_id)
            assert reply["kind"] == "refusal" or reply["body"]["state"] in SAID
    assert [record["event"] for record in stage.records(plan_id)] == ["plan.created"]


@owned
@pytest.mark.parametrize(
    "what", [name for name in OVERWRITTEN if "document" in name or "us" in name]
)
def test_what_was_changed_before_the_approval_is_neither_shown_nor_approved(
    what: str, stage: Stage, root: Attacker, approved: str
) -> None:
    plan_id = root.plan(f"shown-{list(OVERWRITTEN).index(what)}")
    fields = OVERWRITTEN[what](root.stored(plan_id), root.stored(approved), plan_id, stage)
    signed = root.challenge(plan_id)
    with unchanged(stage), Person(stage) as ada:
        overwrite(root, plan_id, **fields | {"state": "pending"})

        page = ada.open(stage.page(plan_id))
        assert "evil" not in page.text
        assert "/approve" not in page.text
        token = Forge(stage=stage, signed=signed).real()
        assert refused(root.prove(signed, token), "plan_seal_broken")


@owned
@pytest.mark.parametrize("what", OVERWRITTEN)
def test_no_field_of_an_approved_plan_leads_to_another_write(
    what: str, stage: Stage, root: Attacker, approved: str
) -> None:
    """What was approved is written once or not at all; nothing else ever is."""
    name = f"approved-{list(OVERWRITTEN).index(what)}"
    plan_id = approved_plan(stage, root, name)
    fields = OVERWRITTEN[what](root.stored(plan_id), root.stored(approved), plan_id, stage)
    before = seen(stage)
    overwrite(root, plan_id, **fields)

    for _ in range(2):
        root.apply(plan_id)

    after = seen(stage)
    paths = sorted(write.split()[3] for write in after.writes[len(before.writes) :])
    assert paths in ([], sorted(creating(name)))
    made = stage.admin().get("ConfigMap", stage.namespace, name)
    assert (made is None) == (not paths)
    assert made is None or made["data"] == {"value": "1"}


@owned
def test_a_plan_of_another_cluster_is_not_written_here(stage: Stage, root: Attacker) -> None:
    """Sealed by a planner with the very same key, for a cluster that looks the same but is not."""
    plan_id = root.plan("another-cluster")
    plan = read_plan(root.stored(plan_id)[b"document"])
    assert isinstance(plan, Plan)
    other = plan.model_copy(
        update={"cluster": ClusterRef(name="sandbox", id="another", ca_sha256="x")}
    )
    key = signing_key(stage.places.of_role("planner").keys / SEAL_FILE)
    digest = SealedPlan(document=other.document(), seal="").digest
    seal = seal_plan(key, digest, other.expires_at)
    with unchanged(stage):
        overwrite(root, plan_id, document=other.document(), digest=digest, seal=seal)

        assert refused(root.apply(plan_id), "plan_of_another_cluster")
        call = {"verb": "challenge", "plan_id": plan_id, "approver": ada_of(stage)}
        assert refused(root.ask(call), "plan_of_another_cluster")


def ada_of(stage: Stage) -> dict[str, str]:
    return {"iss": stage.record.issuer, "sub": "dev-approver"}


@owned
def test_redis_rolled_back_after_an_apply_writes_nothing_again(
    stage: Stage, root: Attacker
) -> None:
    plan_id = approved_plan(stage, root, "rolled-back")
    copies = copy_of(root, "wk:*")
    with written(stage, *creating("rolled-back")):
        assert root.apply(plan_id)["body"]["state"] == "applied"
    with unchanged(stage, claimed=True):
        for _ in range(3):
            bring_back(root, copies)
            assert root.apply(plan_id)["body"]["state"] in {"applied", "applying"}


@owned
@pytest.mark.parametrize("state", ["pending", "approved"])
def test_redis_rolled_back_after_a_no_writes_nothing(
    state: str, stage: Stage, root: Attacker
) -> None:
    """Not even with a proof that was kept back until then."""
    name = f"no-to-{state}"
    plan_id = root.plan(name) if state == "pending" else approved_plan(stage, root, name)
    copies = copy_of(root, f"wk:plan:{plan_id}")
    signed = root.challenge(plan_id) if state == "pending" else None
    with Person(stage) as ada:
        assert ada.deny(stage.page(plan_id), "no").status_code == 200
    with unchanged(stage, claimed=True, logins=int(state == "pending")):
        bring_back(root, copies)
        if signed is not None:
            reply = root.prove(signed, Forge(stage=stage, signed=signed).real())
            assert reply["body"]["state"] == "approved"
        assert root.apply(plan_id)["body"]["state"] == "revoked"
        bring_back(root, copies)
        assert root.apply(plan_id)["body"]["state"] in {"pending", "revoked"}


@owned
@pytest.mark.parametrize("when", ["applied", "revoked", "approved"])
def test_everything_deleted_and_put_back_writes_nothing_new(
    when: str, stage: Stage, root: Attacker
) -> None:
    name = f"flushed-{when}"
    plan_id = approved_plan(stage, root, name)
    fields = {key.decode(): value for key, value in root.stored(plan_id).items()}
    if when == "applied":
        root.apply(plan_id)
    if when == "revoked":
        root.deny(plan_id, "dev-approver")
    root.redis.flushall()
    with unchanged(stage):
        assert refused(root.apply(plan_id), "no_such_plan")
    overwrite(root, plan_id, **fields)
    with written(stage, *creating(name)) if when == "approved" else unchanged(stage, claimed=True):
        state = root.apply(plan_id)["body"]["state"]
    assert state in ({"revoked"} if when == "revoked" else {"applied", "applying"})
    with unchanged(stage, claimed=True):
        root.redis.flushall()
        overwrite(root, plan_id, **fields)
        root.apply(plan_id)
    until_served(root)


@owned
def test_a_recorded_proof_is_worth_nothing_again_though_spent_logins_are_forgotten(
    stage: Stage, root: Attacker
) -> None:
    """For its plan, which has ended, and for another one; the token itself stays closed."""
    other = root.plan("replayed-for")
    with recording(root, "proof") as proofs:
        plan_id = approved_plan(stage, root, "replayed")
    (proof,) = proofs
    assert not JWT.search(json.dumps(body(proof)))
    with written(stage, *creating("replayed")):
        assert root.apply(plan_id)["body"]["state"] == "applied"
    spent = list(root.redis.scan_iter("wk:spent:*"))
    assert spent
    root.redis.delete(*spent)
    call = body(proof)
    with unchanged(stage, claimed=True):
        assert root.ask(call)["kind"] == "refusal"
        assert refused(root.ask(call | {"plan_id": other}), "statement_of_another_plan")
        signed = root.challenge(other)
        swapped = call | {"plan_id": other, "signed": signed.model_dump(mode="json")}
        assert refused(root.ask(swapped), "proof_unreadable")
        overwrite(root, plan_id, state="pending")
        assert refused(root.ask(call), "proof_replayed")
        assert root.apply(plan_id)["body"]["state"] == "pending"
        assert root.apply(other)["body"]["state"] == "pending"


@owned
def test_an_apply_that_is_delivered_fifty_times_is_done_once(stage: Stage, root: Attacker) -> None:
    plan_id = approved_plan(stage, root, "redelivered")
    with recording(root, "apply") as applies, written(stage, *creating("redelivered")):
        told = stage.call("apply_approved_plan", planId=plan_id)
        assert (told.structured_content or {})["status"] == "applied", told
    (message,) = applies
    done = stage.logged("call.done")
    with unchanged(stage):
        for _ in range(50):
            root.push(message)
        eventually(lambda: stage.logged("call.done") >= done + 50, within_s=30)


@owned
def test_nobody_hears_remote_control(stage: Stage, root: Attacker) -> None:
    """Celery's workers would stop, take on another queue, or run another pool."""
    with unchanged(stage):
        for channel in ("/0.celery.pidbox", "q:/0.celery.pidbox", "celery.pidbox"):
            for method in ("shutdown", "add_consumer", "pool_restart", "revoke", "rate_limit"):
                order = {"method": method, "arguments": {"queue": "evil"}, "destination": None}
                root.redis.publish(channel, str(order))
        root.redis.sadd("_kombu.binding.celery.pidbox", "a")
        for role in Role:
            wrong = root.ask({"verb": "cancel", "plan_id": "x", "requester": ada_of(stage)}, role)
            assert refused(wrong, "verb_of_another_role", "no_such_plan")
    for name in WORKERS:
        assert stage.stack._running[name].exit_code() is None
