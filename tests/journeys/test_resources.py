"""What agents read, follow and are helped with beside the tools, from a real cluster's workers.

Two replicas serve the client; the person decides on pages of a third process.
"""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import PromptReference, ResourceUpdatedNotification, TextResourceContents

from tests.journeys.live import PATIENCE_S, Agent, Live
from tests.journeys.person import Person
from tests.journeys.round_robin import Fleet, fleet

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

EACH_ERA = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
DIAGNOSE = PromptReference(type="ref/prompt", name="diagnose_workload")


@pytest.fixture(scope="module")
def replicas(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(live, tmp_path_factory.mktemp("replicas")) as it:
        yield it
    assert "Traceback" not in it.logs()


@EACH_ERA
def test_names_are_offered_from_namespace_to_container(
    mode: str, live: Live, replicas: Fleet
) -> None:
    async def journey(agent: Agent) -> None:
        async def offered(argument: str, typed: str, **chosen: str) -> list[str]:
            asked = {"name": argument, "value": typed}
            result = await agent.client.complete(DIAGNOSE, asked, context_arguments=chosen)
            return result.completion.values

        namespace = {"namespace": live.namespace}
        assert await offered("namespace", live.namespace[:2]) == [live.namespace]
        assert "nginx" in await offered("deployment", "ng", **namespace)
        pods = await offered("pod", "nginx-", **namespace)
        assert pods
        assert await offered("container", "", **namespace, pod=pods[0]) == ["nginx"]
        assert await offered("pod", "", namespace="kube-system") == []

    live.run(journey, mode=mode, address=replicas.mcp)


@EACH_ERA
def test_what_is_allowed_here_is_told_in_words(mode: str, live: Live, replicas: Fleet) -> None:
    async def journey(agent: Agent) -> str:
        (content,) = (await agent.client.read_resource("infragate://policy")).contents
        assert isinstance(content, TextResourceContents)
        return content.text

    told = live.run(journey, mode=mode, address=replicas.mcp)

    assert live.namespace in told
    assert "approve" in told


async def _planned(agent: Agent, live: Live) -> dict[str, Any]:
    return await agent.facts("request_restart_deployment", namespace=live.namespace, name="nginx")


async def _denied(live: Live, plan: dict[str, Any]) -> None:
    with Person(live) as person:
        await anyio.to_thread.run_sync(person.deny, plan["approvalUrl"], "Not today.")


async def _told(agent: Agent, uri: str) -> str:
    (content,) = (await agent.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


def test_who_subscribes_to_a_plan_hears_of_the_persons_decision(
    live: Live, replicas: Fleet
) -> None:
    heard: list[str] = []
    news = anyio.Event()

    async def hears(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.append(str(message.params.uri))
            news.set()

    async def journey(agent: Agent) -> str:
        plan = await _planned(agent, live)
        uri = f"plan://{plan['planId']}"
        with pytest.warns(MCPDeprecationWarning):  # that the newest revision has another way
            await agent.client.subscribe_resource(uri)
        await _denied(live, plan)
        with anyio.fail_after(PATIENCE_S):
            await news.wait()
        assert heard == [uri]
        return await _told(agent, uri)

    assert "denied" in live.run(journey, mode="legacy", address=replicas.mcp, hears=hears)


def test_who_listens_for_a_plan_hears_of_the_persons_decision(live: Live, replicas: Fleet) -> None:
    async def journey(agent: Agent) -> str:
        plan = await _planned(agent, live)
        uri = f"plan://{plan['planId']}"
        async with agent.client.listen(resource_subscriptions=[uri]) as events:
            await _denied(live, plan)
            with anyio.fail_after(PATIENCE_S):
                event = await anext(aiter(events))
        assert getattr(event, "uri", None) == uri
        return await _told(agent, uri)

    assert "denied" in live.run(journey, mode="2026-07-28", address=replicas.mcp)
