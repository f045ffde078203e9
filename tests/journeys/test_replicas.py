"""Several gateway processes are one gateway: real clients behind a round robin, and restarts."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitRequestURLParams, ElicitResult

from tests.journeys.live import Agent, Live
from tests.journeys.person import Person
from tests.journeys.round_robin import Fleet, fleet
from tests.journeys.test_mcp import BOTH, INITIALIZE, _call

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

SESSIONS = 200
TALKERS = 4


@pytest.fixture(scope="module")
def replicas(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(live, tmp_path_factory.mktemp("replicas")) as it:
        yield it
    assert "Traceback" not in it.logs()
    assert "session.crashed" not in it.logs()


@pytest.fixture
def curl(live: Live, replicas: Fleet) -> Iterator[httpx2.Client]:
    with a_client(live, replicas) as client:
        yield client


def a_client(live: Live, replicas: Fleet, subject: str = "dev-requester") -> httpx2.Client:
    headers = {
        "authorization": f"Bearer {live.token(subject)}",
        "accept": BOTH,
        "content-type": "application/json",
    }
    base = replicas.mcp.removesuffix("/mcp")
    return httpx2.Client(base_url=base, headers=headers, timeout=30, trust_env=False)


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
def test_a_change_is_asked_for_approved_and_applied_by_whichever_replica(
    mode: str, live: Live, replicas: Fleet
) -> None:
    async def journey(agent: Agent) -> dict[str, Any]:
        assert (await agent.client.list_tools()).tools
        status = await agent.facts("get_k8s_status", namespace=live.namespace)
        deployments = {one["name"]: one for one in status["deployments"]["items"]}
        assert deployments["nginx"]["desired"] == live.replicas()
        plan = await agent.facts("request_scale_deployment", **live.scale())
        early = await agent.facts("apply_approved_plan", planId=plan["planId"])
        assert early["status"] == "approval_required"
        with Person(live) as person:
            person.approve(plan["approvalUrl"])
        return await agent.facts("apply_approved_plan", planId=plan["planId"])

    before = len(replicas.proxy.served)
    applied = live.run(journey, mode=mode, address=replicas.mcp)

    assert applied["status"] == "applied"
    assert set(replicas.proxy.served[before:]) == set(replicas.proxy.targets)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_person_who_is_asked_to_open_the_page_approves_there_and_the_call_goes_on(
    mode: str, live: Live, replicas: Fleet
) -> None:
    async def person_opens(
        context: ClientRequestContext,  # noqa: ARG001 - the SDK's name
        params: ElicitRequestParams,
    ) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        with Person(live) as person:
            await anyio.to_thread.run_sync(person.approve, params.url)
        return ElicitResult(action="accept")

    async def journey(agent: Agent) -> dict[str, Any]:
        plan = await agent.facts(
            "request_restart_deployment", namespace=live.namespace, name="nginx"
        )
        return await agent.facts("apply_approved_plan", planId=plan["planId"], waitSeconds=30)

    applied = live.run(journey, mode=mode, address=replicas.mcp, opens=person_opens)

    assert applied["status"] == "applied"


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_one_call_waits_with_progress_and_goes_on_when_the_person_decides_at_another_process(
    mode: str, live: Live, replicas: Fleet
) -> None:
    async def journey(agent: Agent) -> dict[str, Any]:
        plan = await agent.facts(
            "request_restart_deployment", namespace=live.namespace, name="nginx"
        )

        async def decide_while_it_waits() -> None:
            waits = f"Waiting for a person to decide: {plan['approvalUrl']}"
            while not any(waits in each for each in agent.heard):  # noqa: ASYNC110
                await anyio.sleep(0.01)
            with Person(live) as person:
                await anyio.to_thread.run_sync(person.approve, plan["approvalUrl"])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(decide_while_it_waits)
            return await agent.facts("apply_approved_plan", planId=plan["planId"], waitSeconds=60)
        raise AssertionError

    applied = live.run(journey, mode=mode, address=replicas.mcp)

    assert applied["status"] == "applied"


def test_a_stolen_session_id_opens_nothing_at_any_replica(
    live: Live, replicas: Fleet, curl: httpx2.Client
) -> None:
    session = {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
    unknown = {"mcp-session-id": "0" * 32}
    with a_client(live, replicas, "dev-approver") as thief:
        for _ in range(2 * len(replicas.proxy.targets)):
            stolen = thief.post("/mcp", json=_call("get_allowed_namespaces"), headers=session)
            nothing = thief.post("/mcp", json=_call("get_allowed_namespaces"), headers=unknown)
            assert (stolen.status_code, stolen.content) == (404, nothing.content)
    assert curl.post("/mcp", json=_call("get_allowed_namespaces"), headers=session).is_success


def test_a_call_that_waits_while_its_replica_stops_is_answered_by_another(
    live: Live, replicas: Fleet
) -> None:
    async def journey(agent: Agent) -> dict[str, Any]:
        plan = await agent.facts(
            "request_restart_deployment", namespace=live.namespace, name="nginx"
        )
        others = [replicas.start_one(), *replicas.proxy.targets[1:-1]]
        stopping = replicas.proxy.targets[0]
        replicas.proxy.targets[:] = [stopping]

        async def stop_while_it_waits() -> None:
            said = len(agent.heard)
            while not any("Waiting for" in each for each in agent.heard[said:]):  # noqa: ASYNC110
                await anyio.sleep(0.01)
            replicas.proxy.targets.extend(others)
            await anyio.to_thread.run_sync(replicas.stop_one, stopping)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_while_it_waits)
            return await agent.facts("apply_approved_plan", planId=plan["planId"], waitSeconds=3)
        raise AssertionError

    told = live.run(journey, mode="legacy", address=replicas.mcp)

    assert told["status"] == "approval_required"


@dataclass
class Traffic:
    """Sessions that go on calling, once again after a broken connection, until they are told."""

    live: Live
    replicas: Fleet
    stop: threading.Event = field(default_factory=threading.Event)
    answered: int = 0
    failed: list[str] = field(default_factory=list)

    def talk(self, sessions: list[dict[str, str]]) -> None:
        with a_client(self.live, self.replicas) as client:
            while not self.stop.is_set():
                for session in sessions:
                    self._call(client, session)

    def _call(self, client: httpx2.Client, session: dict[str, str]) -> None:
        answer = self._sent(client, session) or self._sent(client, session)
        if answer is None:
            self.failed.append("no connection, twice")
        elif answer.status_code != httpx2.codes.OK:
            self.failed.append(f"{answer.status_code} {answer.text}")
        else:
            told = answer.json()["result"]["structuredContent"]["namespaces"]
            assert told == [self.live.namespace]
            self.answered += 1

    def _sent(self, client: httpx2.Client, session: dict[str, str]) -> httpx2.Response | None:
        """The answer; None when the connection broke, here or behind the proxy."""
        call = _call("get_allowed_namespaces")
        try:
            answer = client.post("/mcp", json=call, headers=session)
        except httpx2.TransportError:
            return None
        return None if answer.status_code == httpx2.codes.BAD_GATEWAY else answer


def test_replicas_are_replaced_one_by_one_under_traffic_and_no_session_is_lost(
    live: Live, replicas: Fleet, curl: httpx2.Client
) -> None:
    sessions = [
        {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
        for _ in range(SESSIONS)
    ]
    traffic = Traffic(live=live, replicas=replicas)
    talkers = [
        threading.Thread(target=traffic.talk, args=(sessions[number::TALKERS],))
        for number in range(TALKERS)
    ]
    for talker in talkers:
        talker.start()
    try:
        for old in list(replicas.proxy.targets):
            replicas.start_one()
            replicas.stop_one(old)
    finally:
        traffic.stop.set()
        for talker in talkers:
            talker.join()

    assert traffic.failed == []
    assert traffic.answered >= SESSIONS
    for session in sessions:
        assert curl.post("/mcp", json=_call("get_allowed_namespaces"), headers=session).is_success
