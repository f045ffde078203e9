"""A session of the handshake era follows plans: its stream tells, at whichever replica it is."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
import redis
from pydantic import SecretStr

from api.completing import Completer
from api.desk import Desk
from api.plan_ear import PlanEar
from api.resources import Resources
from api.sessions import SharedSessions
from api.tools import make_server
from shared.plans import Plan, Requester, SealedPlan, State
from shared.stores import mcp_follows
from shared.stores.connection import connect_async
from shared.stores.mcp_follows import McpFollowStore
from shared.stores.plan_view import PlanView
from shared.stores.plans import PlanStore
from tests.api.desk_stage import SETTINGS, Workers
from tests.api.replicas import BOB, PATIENCE_S, Replica, behind_the_edge, nothing_left
from tests.api.test_modern import headers, requested
from tests.api.test_oauth import ISSUER
from tests.worker.worlds import a_plan

pytestmark = pytest.mark.real_redis


@pytest.fixture(autouse=True)
def never_looks_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told here was heard, or known before."""
    for module in ("desk", "event_streams", "following"):
        monkeypatch.setattr(f"api.{module}.LOOK_S", 3600)


def alices(redis_url: str, plan_id: str = "plan-1", *, lives_s: int = 3600) -> Plan:
    who = Requester(iss=ISSUER, sub="alice", client_id="codex", assurance="gateway-asserted")
    now = int(time.time())
    plan = a_plan(requester=who, id=plan_id, created_at=now, expires_at=now + lives_s)
    with redis.Redis.from_url(redis_url) as client:
        PlanStore(client).add(plan, SealedPlan(document=plan.document(), seal="seal"))
    return plan


def decide(redis_url: str, plan: Plan, state: State) -> None:
    with redis.Redis.from_url(redis_url) as client:
        store = PlanStore(client)
        stored = store.load(plan.id)
        assert stored is not None
        assert store.move(stored, state)


@asynccontextmanager
async def gateways(redis_url: str) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            client = connect_async(SecretStr(redis_url), timeout_s=PATIENCE_S)
            stack.push_async_callback(client.aclose)
            plans = PlanView(client)
            ear = PlanEar()
            desk = Desk(Workers(), plans, ear, SETTINGS, time.time)
            server = make_server(
                desk,
                "1",
                resources=Resources(desk, plans, McpFollowStore(client), ear, clock=time.time),
                completer=Completer(desk, "mcp:tools"),
            )
            manager = SharedSessions(
                server, client, ear, clock=time.time, max_request_body_size=1024 * 1024
            )
            await stack.enter_async_context(manager.run())
            ears = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(ears.cancel_scope.cancel)
            ears.start_soon(ear.listen, client)
            made.append(Replica(app=behind_the_edge(manager), manager=manager))
        yield made


def asking(method: str, plan_id: str = "plan-1") -> Any:
    params = {"uri": f"plan://{plan_id}"}
    return {"jsonrpc": "2.0", "id": 5, "method": f"resources/{method}", "params": params}


def test_the_stream_tells_of_a_decision_that_was_made_anywhere(redis_url: str) -> None:
    plan = alices(redis_url)

    async def main() -> None:
        async with gateways(redis_url) as (here, there), nothing_left():
            session = await here.opened()
            async with here.listening(session) as listening:
                await listening.event()
                answer = await there.post(asking("subscribe"), session)
                assert "result" in answer.message()
                decide(redis_url, plan, State.DENIED)
                told = await listening.message()
            assert told["method"] == "notifications/resources/updated"
            assert told["params"] == {"uri": "plan://plan-1"}

    anyio.run(main)


def test_who_comes_back_later_is_told_what_happened_meanwhile(redis_url: str) -> None:
    plan = alices(redis_url)

    async def main() -> None:
        async with gateways(redis_url) as (here, there):
            session = await here.opened()
            assert "result" in (await here.post(asking("subscribe"), session)).message()
            decide(redis_url, plan, State.DENIED)
            async with there.listening(session) as listening:
                assert (await listening.message())["params"] == {"uri": "plan://plan-1"}

    anyio.run(main)


def test_a_plan_that_expires_is_told_without_anybody_moving_it(redis_url: str) -> None:
    alices(redis_url, lives_s=2)

    async def main() -> None:
        async with gateways(redis_url) as (here, there), nothing_left():
            session = await here.opened()
            async with here.listening(session) as listening:
                await listening.event()
                assert "result" in (await there.post(asking("subscribe"), session)).message()
                assert (await listening.message())["params"] == {"uri": "plan://plan-1"}

    anyio.run(main)


def test_a_listener_of_the_newest_revision_hears_of_decision_and_expiry(redis_url: str) -> None:
    plan = alices(redis_url)
    alices(redis_url, "plan-2", lives_s=2)
    wanted = {"resourceSubscriptions": ["plan://plan-1", "plan://plan-2"]}
    message = requested("subscriptions/listen", notifications=wanted)

    async def main() -> None:
        async with (
            gateways(redis_url) as (here, _),
            nothing_left(),
            here.under_way(message, headers(message)) as listening,
        ):
            acknowledged = await listening.message()
            assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
            decide(redis_url, plan, State.DENIED)
            told = [(await listening.message())["params"]["uri"] for _ in range(2)]
            assert sorted(told) == ["plan://plan-1", "plan://plan-2"]

    anyio.run(main)


def test_a_call_that_waits_goes_on_as_soon_as_a_person_decided(redis_url: str) -> None:
    plan = alices(redis_url)
    message = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {
            "name": "apply_approved_plan",
            "arguments": {"planId": plan.id, "waitSeconds": 300},
            "_meta": {"progressToken": "p"},
        },
    }

    async def main() -> None:
        async with gateways(redis_url) as (here, there):
            session = await here.opened()
            async with there.under_way(message, session) as waiting:
                assert (await waiting.message())["method"] == "notifications/progress"
                decide(redis_url, plan, State.DENIED)
                answer = await waiting.message()
            assert answer["result"]["isError"], "the worker of this test answers nonsense"

    anyio.run(main)


def test_nothing_is_told_of_a_plan_that_is_no_longer_followed(redis_url: str) -> None:
    first, second = alices(redis_url), alices(redis_url, "plan-2")

    async def main() -> None:
        async with gateways(redis_url) as (here, there):
            session = await here.opened()
            for plan_id in ("plan-1", "plan-2"):
                await here.post(asking("subscribe", plan_id), session)
            assert "result" in (await there.post(asking("unsubscribe"), session)).message()
            decide(redis_url, first, State.DENIED)
            decide(redis_url, second, State.DENIED)
            async with here.listening(session) as listening:
                assert (await listening.message())["params"] == {"uri": "plan://plan-2"}

    anyio.run(main)


@pytest.mark.promise("plans-are-private")
def test_another_persons_plan_cannot_be_followed(redis_url: str) -> None:
    alices(redis_url)

    async def main() -> None:
        async with gateways(redis_url) as (here, _):
            session = await here.opened(token=BOB)
            theirs = await here.post(asking("subscribe"), session, BOB)
            nothing = await here.post(asking("subscribe", "unknown"), session, BOB)
            assert theirs.message()["error"]["code"] == nothing.message()["error"]["code"] == -32002

    anyio.run(main)


def test_a_session_follows_no_more_than_it_may_and_nothing_after_its_end(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_follows, "MAX_FOLLOWED", 1)
    alices(redis_url)
    alices(redis_url, "plan-2")

    async def main() -> None:
        async with gateways(redis_url) as (here, there):
            session = await here.opened()
            assert "result" in (await here.post(asking("subscribe"), session)).message()
            refused = await here.post(asking("subscribe", "plan-2"), session)
            assert refused.message()["error"]["message"] == "Too many subscriptions"
            await there.send("DELETE", session)
        with redis.Redis.from_url(redis_url) as client:
            assert list(client.keys("gw:mcp:follows:*")) == []

    anyio.run(main)
