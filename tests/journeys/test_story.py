"""The whole story with real processes: look, ask, be refused, a person decides, apply, verify."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from api.catalog import TOOLS
from shared.plans import ClusterRef, Plan, SealedPlan
from shared.seals import seal_plan
from shared.stores.plans import PlanStore
from tests.api.contract import declared
from tests.journeys.live import Agent, Live, code_of, text_of
from tests.journeys.person import Person
from tests.worker.worlds import a_plan

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: story}
data: {greeting: hello}
"""


@pytest.fixture
def approver(live: Live) -> Iterator[Person]:
    with Person(live) as person:
        yield person


def _state(live: Live, plan_id: str) -> dict[str, Any]:
    return live.run(lambda agent: agent.facts("apply_approved_plan", planId=plan_id))


@pytest.mark.promise("no-write-without-approval")
@pytest.mark.promise("applied-once")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_change_is_asked_for_approved_applied_and_verified(
    mode: str, live: Live, approver: Person
) -> None:
    before, scale = live.replicas(), live.scale()
    wanted = scale["replicas"]

    async def journey(agent: Agent) -> None:
        plan = await agent.facts("request_scale_deployment", **scale, reason="more visitors")
        assert plan["objects"] == [{"kind": "Deployment", "name": "nginx", "action": "update"}]

        refused = await agent.facts("apply_approved_plan", planId=plan["planId"])
        assert refused["status"] == "approval_required"
        assert refused["approvalUrl"] == plan["approvalUrl"]
        _read_and_approve(approver, plan)
        assert live.replicas() == before, "an approval alone changes nothing"

        applied = await agent.facts("apply_approved_plan", planId=plan["planId"])
        assert applied["status"] == "applied", applied
        assert applied["objects"][0]["result"] == "written"
        assert applied["rollouts"][0]["verdict"] == "complete", applied
        assert live.replicas() == wanted

        await _expect_no_second_write(agent, live, plan, applied)
        status = await agent.facts("get_k8s_status", namespace=live.namespace)
        (nginx,) = (row for row in status["deployments"]["items"] if row["name"] == "nginx")
        assert (nginx["desired"], nginx["ready"]) == (wanted, wanted)

    live.run(journey, mode=mode)
    events = [record["event"] for record in live.audit()]
    for event in ("plan.created", "challenge.issued", "proof.accepted", "apply.started"):
        assert event in events


def _read_and_approve(approver: Person, plan: dict[str, Any]) -> None:
    page = approver.open(plan["approvalUrl"])
    for shown in (plan["digest"], plan["words"], "more visitors", "Written by the agent"):
        assert shown in page.text
    done = approver.approve(plan["approvalUrl"])
    assert done.status_code == 200, done.text


async def _expect_no_second_write(
    agent: Agent, live: Live, plan: dict[str, Any], applied: dict[str, Any]
) -> None:
    writes = len(_writes(live))
    assert writes, "or the log shows nothing"
    again = await agent.facts("apply_approved_plan", planId=plan["planId"])
    assert again["status"] == "applied"
    assert again["objects"] == applied["objects"]
    assert len(_writes(live)) == writes


def _writes(live: Live) -> list[dict[str, Any]]:
    """What the worker wrote for real."""
    return [
        asked
        for asked in live.kubernetes_requests()
        if asked["verb"] in {"create", "update", "patch", "delete"}
        and not asked["dryRun"]
        and "infragate-applier" in asked["identity"]
    ]


def test_waiting_for_the_decision_goes_on_by_itself(live: Live, approver: Person) -> None:
    import anyio  # noqa: PLC0415 - only this journey does two things at once

    scale = live.scale()

    async def journey(agent: Agent) -> None:
        plan = await agent.facts("request_scale_deployment", **scale)
        results: list[dict[str, Any]] = []

        async def wait() -> None:
            results.append(
                await agent.facts("apply_approved_plan", planId=plan["planId"], waitSeconds=60)
            )

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.to_thread.run_sync(approver.approve, plan["approvalUrl"])
        assert results[0]["status"] == "applied"

    live.run(journey)
    assert any("Waiting for a person to decide" in heard for heard in live.heard)
    assert live.replicas() == scale["replicas"]


def test_a_denied_plans_reason_reaches_the_agent(live: Live, approver: Person) -> None:
    before = live.replicas()
    plan = live.plan_to_scale()

    approver.deny(plan["approvalUrl"], "not during the sale")

    told = _state(live, plan["planId"])
    assert told["status"] == "denied"
    assert "not during the sale" in told["message"]
    assert live.replicas() == before


def test_an_approval_that_was_taken_back_is_worth_nothing(live: Live, approver: Person) -> None:
    before = live.replicas()
    plan = live.plan_to_scale()
    approver.approve(plan["approvalUrl"])

    approver.deny(plan["approvalUrl"], "changed my mind")

    told = _state(live, plan["planId"])
    assert told["status"] == "revoked"
    assert live.replicas() == before


@pytest.mark.promise("plans-are-private")
def test_another_users_plan_is_like_none(live: Live) -> None:
    plan = live.plan_to_scale()

    theirs = live.call("apply_approved_plan", "dev-outsider", planId=plan["planId"])
    nobodys = live.call("apply_approved_plan", "dev-outsider", planId="x" * len(plan["planId"]))

    assert code_of(theirs) == "no_such_plan"
    assert theirs.content == nobodys.content


@pytest.mark.promise("approver-policy")
def test_somebody_who_is_no_approver_cannot_approve(live: Live) -> None:
    plan = live.plan_to_scale()

    with Person(live, "dev-outsider") as outsider:
        page = outsider.open(plan["approvalUrl"])

    assert page.status_code in {200, 403, 404}
    assert 'action="/approvals/' not in page.text or "/approve" not in page.text
    assert _state(live, plan["planId"])["status"] == "approval_required"


@pytest.mark.promise("plans-expire")
def test_an_expired_plan_says_so_and_cannot_be_approved(live: Live, approver: Person) -> None:
    plan = _old_plan(live)

    told = _state(live, plan.id)

    assert told["status"] == "expired"
    assert told["next"] == "Request a new plan if it is still wanted."
    page = approver.open(f"{live.record.origin}/approvals/{plan.id}")
    assert "/approve" not in page.text


def _old_plan(live: Live) -> Plan:
    """A plan as the planner would have sealed it two hours ago."""
    raw = (live.places.state / "keys" / "seal.key").read_bytes()
    key: Any = load_pem_private_key(raw, password=None)
    identity = live.admin().identity
    fresh = a_plan()
    plan = a_plan(
        id="plan-of-yesterday-0000",
        namespace=live.namespace,
        cluster=ClusterRef(name="sandbox", id=identity.uid, ca_sha256=identity.ca_sha256),
        requester=fresh.requester.model_copy(
            update={"iss": live.record.issuer, "sub": "dev-requester"}
        ),
        created_at=int(live.record.started_at) - 7200,
        expires_at=int(live.record.started_at) - 3600,
    )
    digest = SealedPlan(document=plan.document(), seal="").digest
    sealed = SealedPlan(document=plan.document(), seal=seal_plan(key, digest, plan.expires_at))
    with live.redis("auditor") as client:
        PlanStore(client).add(plan, sealed)
    return plan


def test_all_fourteen_tools_answer_as_they_declare(live: Live, approver: Person) -> None:
    namespace = live.namespace
    called: set[str] = set()

    async def journey(agent: Agent) -> None:
        async def ask(tool: str, **arguments: object) -> dict[str, Any]:
            result = await agent.call(tool, **arguments)
            called.add(tool)
            assert text_of(result)
            return declared(tool, result)

        assert await ask("get_allowed_namespaces") == {"namespaces": [namespace]}
        status = await ask("get_k8s_status", namespace=namespace)
        pods = [row["name"] for row in status["pods"]["items"]]
        nginx = next(name for name in pods if name.startswith("nginx-"))
        await ask("get_k8s_events", namespace=namespace)
        await ask("get_pod_logs", namespace=namespace, podName=nginx)
        for kind, name in (
            ("deployment", "nginx"),
            ("Service", "nginx"),
            ("ConfigMap", "nginx-config"),
            ("Pod", nginx),
            ("replicaset", status["replicaSets"]["items"][0]["name"]),
        ):
            await ask("get_k8s_resource", namespace=namespace, kind=kind, name=name)
        for name in ("nginx", "broken-crash", "broken-image", "broken-unschedulable"):
            await ask("get_deployment_diagnostics", namespace=namespace, name=name)
        for name in pods:
            await ask("get_pod_diagnostics", namespace=namespace, podName=name)
        await ask("get_service_diagnostics", namespace=namespace, name="nginx")
        made = await ask("request_apply_manifest", namespace=namespace, manifest=MANIFEST)
        approver.approve(made["approvalUrl"])
        applied = await ask("apply_approved_plan", planId=made["planId"])
        assert applied["status"] == "applied"
        same = await ask("request_apply_manifest", namespace=namespace, manifest=MANIFEST)
        assert same["status"] == "no_change"
        await ask("request_delete_manifest", namespace=namespace, manifest=MANIFEST)
        await ask("request_scale_deployment", namespace=namespace, name="nginx", replicas=5)
        await ask("request_restart_deployment", namespace=namespace, name="nginx")
        await ask(
            "request_set_deployment_image",
            namespace=namespace,
            name="nginx",
            container="nginx",
            image="localhost/nginx:1.23",
        )

    live.run(journey)
    assert called == {tool.name for tool in TOOLS}


def test_a_crash_loop_is_found(live: Live) -> None:
    told = live.run(
        lambda agent: agent.facts(
            "get_deployment_diagnostics", namespace=live.namespace, name="broken-crash"
        )
    )

    assert any(finding["code"] == "crash_loop" for finding in told["findings"]), told["findings"]
