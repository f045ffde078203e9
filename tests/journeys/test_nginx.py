"""The proxy configuration of docs/operations.md, in a real nginx before two replicas."""

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from dev.redis_server import free_port
from tests.journeys.entrances import nginx
from tests.journeys.live import Agent, Live
from tests.journeys.person import Person
from tests.journeys.round_robin import Fleet, fleet, until_it_answers
from tests.journeys.test_mcp import BOTH, INITIALIZE, _call

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def replicas(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two replicas whose one address is nginx's."""
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    with fleet(live, folder, names=(f"127.0.0.1:{port}",)) as it:
        it.port = port
        process = subprocess.Popen(nginx(folder, port, it.proxy.targets))
        try:
            until_it_answers(f"http://127.0.0.1:{port}", process)
            yield it
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_change_is_waited_for_through_the_documented_proxy(
    mode: str, live: Live, replicas: Fleet
) -> None:
    async def journey(agent: Agent) -> dict[str, Any]:
        plan = await agent.facts(
            "request_restart_deployment", namespace=live.namespace, name="nginx"
        )
        with Person(live) as person:
            person.approve(plan["approvalUrl"])
        return await agent.facts("apply_approved_plan", planId=plan["planId"], waitSeconds=30)

    assert live.run(journey, mode=mode, address=replicas.mcp)["status"] == "applied"


def test_sessions_need_no_stickiness_and_events_come_unbuffered(
    live: Live, replicas: Fleet
) -> None:
    headers = {"authorization": f"Bearer {live.token()}", "accept": BOTH}
    base = replicas.mcp.removesuffix("/mcp")
    newest = {**INITIALIZE["params"], "protocolVersion": "2025-11-25"}  # type: ignore[dict-item]
    with httpx2.Client(base_url=base, headers=headers, timeout=20, trust_env=False) as client:
        opened = client.post("/mcp", json={**INITIALIZE, "params": newest})
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        for _ in range(4):
            answer = client.post("/mcp", json=_call("get_allowed_namespaces"), headers=session)
            assert answer.json()["result"]["structuredContent"]["namespaces"]
        with client.stream("GET", "/mcp", headers=session) as stream:
            assert next(stream.iter_lines()).startswith("id: session.")
