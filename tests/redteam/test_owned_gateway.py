"""Whoever owns the agents' gateway: its environment, its files and its Redis user."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from shared.messages import ApplyCall, CancelCall, ReadCall, Role
from shared.plans import Operation
from tests.cluster.conftest import eventually
from tests.journeys.person import Person
from tests.redteam.attackers import Attacker, owner_of, refused
from tests.redteam.stage import Stage
from tests.redteam.watching import CLAIM, CONFIG_MAPS, claims, seen, unchanged, written

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
owned = pytest.mark.promise("owned-gateway-changes-nothing")


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "gateway") as attacker:
        yield attacker


@owned
def test_a_plan_that_nobody_approved_is_not_applied_whoever_asks_however_often(
    stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan("unapproved")
    with unchanged(stage):
        for _ in range(5):
            assert gateway.apply(plan_id)["body"]["state"] == "pending"
        extra = {"verb": "apply", "plan_id": plan_id, "state": "approved", "force": True}
        assert refused(gateway.ask(extra), "call_unreadable")
        unknown = {"verb": "write", "plan_id": plan_id}
        assert refused(gateway.ask(unknown, Role.APPLY), "call_unreadable")


@owned
def test_a_request_in_somebody_elses_name_is_said_to_be_asserted_only(
    stage: Stage, gateway: Attacker
) -> None:
    """An owned gateway can name any requester; pages and notices say whose word that is."""
    with unchanged(stage):
        plan_id = gateway.plan("substituted", subject="dev-outsider")
        with Person(stage) as ada:
            page = ada.open(stage.page(plan_id))
        assert gateway.apply(plan_id)["body"]["state"] == "pending"

    assert "dev-outsider" in page.text
    eventually(lambda: [one for one in stage.notices() if one["plan"] == plan_id])
    (notice,) = (one for one in stage.notices() if one["plan"] == plan_id)
    assert notice["requester"]["sub"] == "dev-outsider"
    assert notice["requester_assurance"] == "gateway-asserted"


@owned
@pytest.mark.parametrize(
    "arguments",
    [
        {"namespace": "kube-system"},
        {"namespace": "infragate-system"},
        {"namespace": "default"},
        {"namespace": "*"},
        {"namespace": ""},
        {"namespace": "mcp-nginx-demo/../kube-system"},
    ],
    ids=lambda given: given["namespace"] or "none",
)
def test_no_plan_is_made_for_a_namespace_that_is_not_served(
    arguments: dict[str, Any], stage: Stage, gateway: Attacker
) -> None:
    asked = len(stage.asked())
    with unchanged(stage):
        call = gateway.plan_call(
            Operation.SCALE, "dev-requester", name="nginx", replicas=3, **arguments
        )
        assert gateway.ask(call)["kind"] == "refusal"
    assert not [one for one in stage.asked()[asked:] if one["namespace"] != stage.namespace]


FORBIDDEN = {
    "a Secret": "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {}\n",
    "a Lease": (
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\n"
        "metadata: {name: x, namespace: infragate-system}\n"
    ),
    "a ClusterRoleBinding": (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: x}\n"
    ),
    "another namespace in the manifest": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: kube-system}\n"
    ),
    "a privileged Pod template": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
        "spec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n"
        "    spec:\n      containers:\n"
        "      - {name: a, image: 'a:1', securityContext: {privileged: true}}\n"
    ),
}


@owned
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_plan_is_made_of_what_the_guardrails_refuse(
    what: str, stage: Stage, gateway: Attacker
) -> None:
    with unchanged(stage):
        call = gateway.plan_call(Operation.APPLY, "dev-requester", manifest=FORBIDDEN[what])
        assert gateway.ask(call)["kind"] == "refusal"


@owned
def test_it_reads_no_secret_through_a_reader(stage: Stage, gateway: Attacker) -> None:
    asked = len(stage.asked())
    with unchanged(stage):
        for arguments in (
            {"namespace": stage.namespace, "kind": "Secret", "name": "nginx-credentials"},
            {"namespace": "kube-system", "kind": "ConfigMap", "name": "kube-root-ca.crt"},
            {"namespace": stage.namespace, "kind": "ConfigMap", "name": "../secrets/x"},
        ):
            reply = gateway.ask(ReadCall(tool="get_k8s_resource", arguments=dict(arguments)))
            assert reply["kind"] in {"refusal", "fault"}, reply
    tried = stage.asked()[asked:]
    assert not [one for one in tried if one["resource"] == "secrets"]


@owned
def test_an_approved_plan_that_many_calls_apply_at_once_is_written_once(
    stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan("at-once")
    stage.approve(plan_id)
    asked = len(stage.asked())
    before = seen(stage)
    ids = [gateway.send(ApplyCall(plan_id=plan_id)) for _ in range(20)]
    replies = [gateway.reply(call_id) for call_id in ids]

    states = {reply["body"]["state"] for reply in replies if reply["kind"] == "answer"}
    assert "applied" in states
    assert states <= {"applied", "applying"}
    tried = [one for one in stage.asked()[asked:] if one["verb"] == "create" and not one["dryRun"]]
    assert [one["path"] for one in tried if one["status"] < HTTPStatus.BAD_REQUEST] == [
        CLAIM,
        CONFIG_MAPS,
    ]
    assert {one["path"] for one in tried if one["status"] >= HTTPStatus.BAD_REQUEST} <= {CLAIM}
    new = seen(stage).objects.keys() - before.objects.keys()
    assert len(new) == len((CLAIM, CONFIG_MAPS))


@owned
def test_a_no_in_an_approvers_name_only_takes_power_away(stage: Stage, gateway: Attacker) -> None:
    """An owned gateway can do this: it can refuse service anyway. All it leaves is a claim."""
    plan_id = gateway.plan("denied-by-gateway")
    stage.approve(plan_id)
    with written(stage, CLAIM):
        reply = gateway.deny(plan_id, "dev-approver", "no")
        assert reply["body"]["state"] == "revoked"
    assert claims(stage)[plan_id] == "revoke"
    with unchanged(stage):
        assert gateway.apply(plan_id)["body"]["state"] == "revoked"


@owned
def test_a_no_in_the_name_of_somebody_who_may_not_say_it_does_nothing(
    stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan("denied-by-others")
    with unchanged(stage):
        assert refused(gateway.deny(plan_id, "dev-outsider"), "not_an_approver")
        assert refused(gateway.deny(plan_id, "dev-approver-2"), "not_an_approver")
        cancel = CancelCall(plan_id=plan_id, requester=gateway.person("dev-outsider"))
        assert refused(gateway.ask(cancel), "no_such_plan")
