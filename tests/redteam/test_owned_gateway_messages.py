"""Whoever owns the gateway puts messages into queues that Celery would have understood."""

from collections.abc import Iterator

import pytest

from shared.messages import ApplyCall, ReadCall, Role
from shared.plans import Operation
from tests.cluster.conftest import eventually
from tests.redteam.attackers import Attacker, owner_of, redis_root, refused
from tests.redteam.messages import hostile
from tests.redteam.stage import APPLIERS, Stage
from tests.redteam.watching import creating, unchanged, written

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
owned = pytest.mark.promise("owned-gateway-changes-nothing")


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "gateway") as attacker:
        yield attacker


@owned
@pytest.mark.parametrize("role", [Role.READ, Role.PLAN])
def test_a_call_runs_in_its_own_roles_process_only(
    role: Role, stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan(f"hop-{role}")
    stage.approve(plan_id)
    with unchanged(stage):
        reply = gateway.ask(ApplyCall(plan_id=plan_id), role)
        assert refused(reply, "verb_of_another_role")
    request = gateway.plan_call(Operation.SCALE, "dev-requester", name="nginx", replicas=3)
    with unchanged(stage):
        assert refused(gateway.ask(request, Role.APPLY), "verb_of_another_role")


@owned
def test_no_message_but_a_plain_call_is_done_even_for_an_approved_plan(
    stage: Stage, gateway: Attacker
) -> None:
    """The same apply as a plain call is done afterwards, so it was the form that was refused."""
    plan_id = gateway.plan("hostile-messages")
    stage.approve(plan_id)
    messages = hostile(gateway.packed(ApplyCall(plan_id=plan_id)))
    dropped = _dropped(stage)
    with unchanged(stage):
        for raw in messages.values():
            gateway.push(raw)
        eventually(lambda: _dropped(stage) == dropped + len(messages), within_s=30)
        with redis_root(stage) as root:
            assert root.stored(plan_id)[b"state"] == b"approved"
    with written(stage, *creating("hostile-messages")):
        assert gateway.apply(plan_id)["body"]["state"] == "applied"


def _dropped(stage: Stage) -> int:
    return stage.logged("queue.refused", *APPLIERS) + stage.logged("queue.expired", *APPLIERS)


@owned
def test_a_chain_in_a_readers_message_reaches_no_applier(stage: Stage, gateway: Attacker) -> None:
    plan_id = gateway.plan("canvas-hop")
    stage.approve(plan_id)
    plain = gateway.packed(ReadCall(tool="get_k8s_status", arguments={}))
    apply = gateway.packed(ApplyCall(plan_id=plan_id))
    messages = [raw for name, raw in hostile(plain).items() if name in {"chain", "callbacks"}]
    messages += [hostile(apply)["chain"]]
    dropped = stage.logged("queue.refused", "reader-1")
    with unchanged(stage):
        for raw in messages:
            gateway.push(raw, Role.READ)
        eventually(lambda: stage.logged("queue.refused", "reader-1") == dropped + len(messages))
        with redis_root(stage) as root:
            assert root.stored(plan_id)[b"state"] == b"approved"
