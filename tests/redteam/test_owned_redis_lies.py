"""Whoever owns Redis lies: about who lives, about who is signed in, about what workers answered."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from dev.login_driver import forms
from shared.approvals import SignedStatement
from shared.approver_rules import ApproverRule
from shared.messages import Announcement, Answer, Role, reply_json
from shared.plans import Identity
from shared.seals import decrypt_proof, public_text
from shared.stores.logins import Session, fingerprint
from tests.cluster.conftest import eventually
from tests.journeys.person import Person, origin_of
from tests.redteam.attackers import Attacker, redis_root, refused, until_served
from tests.redteam.messages import body
from tests.redteam.overwriting import OWN_KEY, edited, our_seal
from tests.redteam.rollback import overwrite, recording
from tests.redteam.stage import Stage
from tests.redteam.watching import CLAIM, unchanged, written

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
owned = pytest.mark.promise("owned-redis-changes-nothing")
OWN_PROOF_KEY = X25519PrivateKey.generate()


@pytest.fixture(scope="module")
def root(stage: Stage) -> Iterator[Attacker]:
    with redis_root(stage) as attacker:
        yield attacker


def announcement(stage: Stage, cluster: str) -> Announcement:
    """A worker of our own, with keys of our own, that lets everybody look at everything."""
    everybody = ApproverRule(
        namespaces=(stage.namespace,),
        subjects=(
            Identity(iss=stage.record.issuer, sub="dev-outsider"),
            Identity(iss=stage.record.issuer, sub="dev-approver"),
        ),
        requester_may_approve=True,
    )
    now = int(time.time())
    return Announcement(
        worker="evil",
        version="1",
        cluster=cluster,
        cluster_id="x",
        cluster_version="v1.36",
        simulated=False,
        namespaces=(stage.namespace, "everything"),
        roles=tuple(Role),
        seal_key=public_text(OWN_KEY.public_key()),
        receipt_key=public_text(OWN_KEY.public_key()),
        proof_key=public_text(OWN_PROOF_KEY.public_key()),
        approvers=(everybody,),
        started_at=now,
        seen_at=now,
    )


@contextmanager
def announced(root: Attacker, cluster: str = "sandbox") -> Iterator[None]:
    """Our worker is among those that live, as far as anybody can tell from Redis."""
    root.redis.set("wk:worker:evil", announcement(root.stage, cluster).model_dump_json())
    root.redis.sadd("wk:workers", "evil")
    try:
        yield
    finally:
        root.redis.delete("wk:worker:evil")
        root.redis.srem("wk:workers", "evil")


@owned
def test_keys_of_our_own_that_are_announced_are_not_believed(stage: Stage, root: Attacker) -> None:
    """Pinned keys win: a plan under our seal is not shown, and a proof is not readable to us."""
    forged, honest = root.plan("announced-forged"), root.plan("announced-honest")
    overwrite(root, forged, **our_seal(edited(root.stored(forged)[b"document"])))
    with unchanged(stage, logins=1), announced(root), Person(stage) as ada:
        page = ada.open(stage.page(forged))
        assert "evil" not in page.text
        assert "/approve" not in page.text
        call = {"verb": "challenge", "plan_id": forged, "approver": _ada(stage)}
        assert refused(root.ask(call), "plan_seal_broken")
        with recording(root, "proof") as proofs:
            assert ada.approve(stage.page(honest)).status_code == 200
    (proof,) = (body(raw) for raw in proofs)
    signed = SignedStatement.model_validate(proof["signed"])
    document = signed.statement.document()
    assert decrypt_proof(OWN_PROOF_KEY, proof["sealed_token"], statement=document) is None


@owned
def test_an_announced_policy_lets_nobody_approve(stage: Stage, root: Attacker) -> None:
    """It lets people look, and press a button: the applier asks its own policy."""
    plan_id = root.plan("announced-policy")
    with unchanged(stage), announced(root), Person(stage, "dev-outsider") as outsider:
        page = outsider.open(stage.page(plan_id))
        if any(form.action.endswith("/approve") for form in forms(page)):
            page = outsider.press(page, "/approve")
            assert page.status_code >= 400
        assert root.apply(plan_id)["body"]["state"] == "pending"
    assert [one["event"] for one in stage.records(plan_id)] == ["plan.created"]


@owned
def test_a_session_that_we_made_up_may_look_and_deny_and_approves_nothing(
    stage: Stage, root: Attacker
) -> None:
    plan_id = root.plan("made-up-session")
    session = Session(
        identity=Identity(iss=stage.record.issuer, sub="dev-approver"),
        name="Ada Approver",
        started_at=int(time.time()),
    )
    root.redis.set(f"gw:login:{fingerprint('chosen')}", session.model_dump_json(), ex=600)
    with Person(stage, "dev-outsider") as thief:
        thief.browser.headers["cookie"] = "infragate-session=chosen"
        with unchanged(stage):
            page = thief.open(stage.page(plan_id))
            assert "made-up-session" in page.text
            # The login for the approval is somebody's own: here it is the thief's.
            form = next(one for one in forms(page) if one.action.endswith("/approve"))
            sent = thief.browser.post(
                form.action,
                data=form.fields,
                headers={"origin": stage.approvals, "sec-fetch-site": "same-origin"},
            )
            assert origin_of(sent.headers["location"]) == stage.record.issuer
            signed = root.challenge(plan_id)
            assert signed.statement.approver.sub == "dev-approver"
            assert root.apply(plan_id)["body"]["state"] == "pending"
        with written(stage, CLAIM):
            thief.deny(stage.page(plan_id), "no")
    assert root.apply(plan_id)["body"]["state"] in {"denied", "revoked"}


@owned
def test_answers_that_we_made_up_deceive_the_agent_and_change_nothing(
    stage: Stage, root: Attacker
) -> None:
    """Our worker, for a cluster of our own, answers what the real ones would have refused."""
    plan_id = root.plan("made-up-answer")
    with unchanged(stage), only_ours(root):
        told = _answered(stage, root, {"plan_id": plan_id})
        assert told["planId"] == plan_id
        assert root.apply(plan_id)["body"]["state"] == "pending"


@contextmanager
def only_ours(root: Attacker) -> Iterator[None]:
    """Whenever a real worker announces itself it is forgotten at once; ours is there, elsewhere."""
    over = threading.Event()

    def forget() -> None:
        while not over.wait(0.005):
            others = cast("set[bytes]", root.redis.smembers("wk:workers")) - {b"evil"}
            if others:
                root.redis.srem("wk:workers", *others)

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        with announced(root, "evil"):
            yield
    finally:
        over.set()
        thread.join()
        until_served(root)


def _answered(stage: Stage, root: Attacker, answer: dict[str, str]) -> dict[str, object]:
    """What an agent is told when we answer its request for a plan.

    It asks until the gateway, which remembers the workers for a second, knows ours alone.
    """
    heard = threading.Event()

    def answer_it() -> None:
        taken = cast("Any", root.redis.blmpop(20, 1, "q:evil.plan", direction="LEFT"))
        message = json.loads(taken[1][0])
        reply = Answer(id=message["headers"]["id"], body=dict(answer))
        root.redis.rpush(message["properties"]["reply_to"], reply_json(reply))
        heard.set()

    thread = threading.Thread(target=answer_it)
    thread.start()
    told: dict[str, object] = {}

    def asked() -> bool:
        result = stage.call(
            "request_scale_deployment", namespace=stage.namespace, name="nginx", replicas=3
        )
        told.update(result.structured_content or {})
        return heard.is_set()

    eventually(asked, within_s=20)
    thread.join(20)
    return told


def _ada(stage: Stage) -> dict[str, str]:
    return {"iss": stage.record.issuer, "sub": "dev-approver"}
