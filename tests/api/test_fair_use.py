"""One subject cannot take everything: rates over a real Redis shared by replicas, and places."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from api import fair_use
from api.fair_use import Allowance, FairUse
from api.metrics import Metrics
from dev.redis_server import free_port
from shared.stores.connection import AsyncRedis, connect_async
from shared.stores.mcp_rates import McpRateStore
from tests.api.asgi import Answer, send_request
from tests.api.replicas import ALICE, BOB, in_front_of
from tests.api.test_edge import Inner, bearer
from tests.api.test_oauth import Clock

pytestmark = pytest.mark.real_redis


@asynccontextmanager
async def redis_at(url: str) -> AsyncIterator[AsyncRedis]:
    client = connect_async(SecretStr(url), timeout_s=0.5)
    try:
        yield client
    finally:
        await client.aclose()


def gateway(redis: AsyncRedis, inner: ASGIApp, clock: Clock, **limits: Any) -> ASGIApp:
    store = McpRateStore(
        redis, rate=limits.get("rate", 1), burst=limits.get("burst", 3), clock=clock
    )
    at_a_time, metrics = limits.get("at_a_time", 100), limits.get("metrics")
    layer = partial(FairUse, allowance=Allowance(store), at_a_time=at_a_time, metrics=metrics)
    return in_front_of(inner, fair_use=layer)


async def ask(app: ASGIApp, token: str = ALICE, method: str = "POST") -> Answer:
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    sent = {**bearer(token), "Mcp-Session-Id": "0" * 32}
    return await send_request(app, method, headers=sent, chunks=[body])


@pytest.mark.promise("fair-use")
def test_a_subject_that_sends_too_much_is_told_when_to_come_back_and_others_are_served(
    redis_url: str,
) -> None:
    clock, inner, metrics = Clock(), Inner("mcp"), Metrics()

    async def main() -> None:
        async with redis_at(redis_url) as one, redis_at(redis_url) as other:
            here, there = (
                gateway(redis, inner, clock, rate=0.25, metrics=metrics) for redis in (one, other)
            )
            for app in (here, there, here):
                assert (await ask(app)).status == 200
            refused = await ask(there)
            assert refused.status == 429
            assert refused.headers["retry-after"] == "4"
            assert refused.json()["code"] == "too_many_requests"
            assert (await ask(there, method="GET")).status == 429
            assert (await ask(there, BOB)).status == 200
            clock.now += 4
            assert (await ask(there)).status == 200
            assert (await ask(here)).status == 429
        assert len(inner.seen) == 5

    anyio.run(main)
    limited = metrics.registry.get_sample_value("infragate_rate_limited_total", {"limit": "rate"})
    assert limited == 3


def test_a_busy_subject_costs_one_question_for_many_requests(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    take = McpRateStore.take

    async def counted(self: McpRateStore, subject: str, wanted: int) -> Any:
        asked.append(wanted)
        return await take(self, subject, wanted)

    monkeypatch.setattr(McpRateStore, "take", counted)
    monkeypatch.setattr(fair_use, "AHEAD_S", 60)

    async def main() -> None:
        async with redis_at(redis_url) as redis:
            app = gateway(redis, Inner("mcp"), Clock(), rate=1, burst=50)
            answers = [(await ask(app)).status for _ in range(60)]
        assert answers == [200] * 50 + [429] * 10

    anyio.run(main)
    assert asked[:5] == [1, 2, 4, 8, 10]
    assert len(asked) <= 9 + 10


def test_tokens_that_were_taken_ahead_are_not_kept(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_use, "AHEAD_S", 0)

    async def main() -> None:
        async with redis_at(redis_url) as redis:
            app = gateway(redis, Inner("mcp"), Clock())
            assert [(await ask(app)).status for _ in range(4)] == [200, 200, 200, 429]

    anyio.run(main)


def test_without_redis_nobody_is_refused_and_redis_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []
    take = McpRateStore.take

    async def counted(self: McpRateStore, subject: str, wanted: int) -> Any:
        tried.append(subject)
        return await take(self, subject, wanted)

    monkeypatch.setattr(McpRateStore, "take", counted)

    async def main() -> None:
        async with redis_at(f"redis://127.0.0.1:{free_port()}/0") as redis:
            app = gateway(redis, Inner("mcp"), Clock())
            assert {(await ask(app)).status for _ in range(10)} == {200}

    anyio.run(main)
    assert len(tried) == 1


def test_one_subject_has_so_many_places_at_a_time_and_streams_take_none(redis_url: str) -> None:
    released, inside = anyio.Event(), []

    class Slow(Inner):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            inside.append(scope["method"])
            if len(inside) <= 2:
                await released.wait()
            await super().__call__(scope, receive, send)

    async def main() -> None:
        async with redis_at(redis_url) as redis, anyio.create_task_group() as tasks:
            app = gateway(redis, Slow("mcp"), Clock(), burst=100, at_a_time=2)
            tasks.start_soon(ask, app)
            tasks.start_soon(ask, app)
            with anyio.fail_after(5):
                while len(inside) < 2:  # noqa: ASYNC110 - they tell nobody else
                    await anyio.sleep(0.01)
            refused = await ask(app)
            assert (refused.status, refused.headers["retry-after"]) == (429, "1")
            assert (await ask(app, method="GET")).status == 200
            assert (await ask(app, BOB)).status == 200
            released.set()
        async with redis_at(redis_url) as redis:
            assert (await ask(gateway(redis, Inner("mcp"), Clock(), burst=100))).status == 200

    anyio.run(main)


def test_a_clock_that_goes_back_gives_nothing_away(redis_url: str) -> None:
    async def main() -> None:
        async with redis_at(redis_url) as redis:
            clock = Clock()
            store = McpRateStore(redis, rate=1, burst=2, clock=clock)
            assert (await store.take("x", 5)).count == 2
            clock.now -= 100
            assert (await store.take("x", 1)).count == 0
            clock.now += 101
            assert (await store.take("x", 5)).count == 1

    anyio.run(main)
