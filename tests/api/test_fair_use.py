"""One subject cannot take everything: rates and places over a real Redis, shared by replicas."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import pytest
import redis
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from api import allowance
from api.allowance import Allowance
from api.fair_use import FairUse
from dev.redis_server import free_port
from shared.stores.connection import connect_async
from shared.stores.mcp_shares import LEASE_S, McpShareStore
from tests.api.asgi import Answer, send_request
from tests.api.replicas import ALICE, BOB, in_front_of
from tests.api.test_edge import Inner, bearer

pytestmark = pytest.mark.real_redis


@dataclass
class Slow:
    """An application that answers when it is told to."""

    go: anyio.Event = field(default_factory=anyio.Event)
    inside: int = 0
    inner: Inner = field(default_factory=lambda: Inner("mcp"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        await self.go.wait()
        await self.inner(scope, receive, send)


@dataclass
class Gateway:
    """A replica: its layers, and what it knows of shares."""

    app: ASGIApp
    allowance: Allowance


@asynccontextmanager
async def gateways(
    url: str, *inner: ASGIApp, rate: float = 1, burst: int = 100, at_a_time: int = 100
) -> AsyncIterator[list[Gateway]]:
    """A replica in front of each application, with connections of its own."""
    async with AsyncExitStack() as stack:
        made = []
        for number, app in enumerate(inner):
            client = connect_async(SecretStr(url), timeout_s=10)
            stack.push_async_callback(client.aclose)
            store = McpShareStore(
                client, f"replica-{number}", rate=rate, burst=burst, at_a_time=at_a_time
            )
            known = Allowance(store)
            layer = partial(FairUse, allowance=known)
            made.append(Gateway(in_front_of(app, fair_use=layer), known))
        yield made


async def ask(gateway: Gateway, token: str = ALICE, method: str = "POST") -> Answer:
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    sent = {**bearer(token), "Mcp-Session-Id": "0" * 32}
    return await send_request(gateway.app, method, headers=sent, chunks=[body])


@asynccontextmanager
async def under_way(gateway: Gateway, slow: Slow, count: int) -> AsyncIterator[None]:
    """That many requests that are being answered while the block runs."""
    before = slow.inside
    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(ask, gateway)
        with anyio.fail_after(20):
            while slow.inside < before + count:  # noqa: ASYNC110 - they tell nobody else
                await anyio.sleep(0.01)
        yield
        slow.go.set()


def later(url: str, seconds: float) -> None:
    """Makes what Redis knows of everybody's share that much older."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        for key in client.keys("gw:mcp:share:*"):
            client.hincrbyfloat(key, "at", -seconds)
            for name, value in client.hgetall(key).items():
                if name.startswith("held:"):
                    count, until = value.split()
                    client.hset(key, name, f"{count} {int(until) - int(seconds)}")


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """What Redis is asked for."""
    asked: list[dict[str, int]] = []
    take = McpShareStore.take

    async def counted(self: McpShareStore, subject: str, **wanted: int) -> Any:
        asked.append(wanted)
        return await take(self, subject, **wanted)

    monkeypatch.setattr(McpShareStore, "take", counted)
    return asked


@pytest.fixture
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens ahead are kept for as long as a slow machine needs."""
    monkeypatch.setattr(allowance, "AHEAD_S", 60)


@pytest.mark.promise("fair-use")
def test_a_subject_that_sends_too_much_is_told_when_to_come_back_and_others_are_served(
    redis_url: str,
) -> None:
    inner = Inner("mcp")

    async def main() -> None:
        three = gateways(redis_url, *[inner] * 3, rate=1 / 4000, burst=3)
        async with three as (here, there, third):
            for gateway in (here, there, here):
                assert (await ask(gateway)).status == 200
            refused = await ask(there)
            assert refused.status == 429
            wait_s = int(refused.headers["retry-after"])
            assert 3000 < wait_s <= 4000  # however slow the machine is
            assert refused.json() == {
                "jsonrpc": "2.0",
                "id": None,
                "error": {
                    "code": -32010,
                    "message": "You send more requests than are answered. "
                    f"Try again in {wait_s} s.",
                    "data": {"code": "too_many_requests", "retryAfter": wait_s},
                },
            }
            assert (await ask(there, method="GET")).status == 429
            assert (await ask(there, BOB)).status == 200
            later(redis_url, 4000)
            assert (await ask(third)).status == 200
            assert (await ask(third)).status == 429
        assert len(inner.seen) == 5

    anyio.run(main)


@pytest.mark.usefixtures("no_hurry")
def test_a_busy_subject_costs_one_question_for_many_requests(
    redis_url: str, questions: list[dict[str, int]]
) -> None:
    async def main() -> None:
        async with gateways(redis_url, Inner("mcp"), rate=0.001, burst=50) as (gateway,):
            answers = [(await ask(gateway)).status for _ in range(60)]
        assert answers == [200] * 50 + [429] * 10

    anyio.run(main)
    assert [each["tokens"] for each in questions] == [1, 2, 4, 8, 10, 10, 10, 10, 10]


@pytest.mark.usefixtures("no_hurry")
def test_places_are_taken_along_with_tokens_and_cost_no_question_of_their_own(
    redis_url: str, questions: list[dict[str, int]]
) -> None:
    slow = Slow()

    async def main() -> None:
        async with (
            gateways(redis_url, slow, burst=1000) as (gateway,),
            under_way(gateway, slow, 12),
        ):
            assert all(each["places"] <= 16 for each in questions)

    anyio.run(main)
    assert len(questions) <= 6


def test_tokens_that_were_taken_ahead_are_not_kept(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "AHEAD_S", 0)

    async def main() -> None:
        async with gateways(redis_url, Inner("mcp"), rate=0.1, burst=3) as (gateway,):
            assert [(await ask(gateway)).status for _ in range(4)] == [200, 200, 200, 429]

    anyio.run(main)


def test_without_redis_only_the_number_at_a_time_counts_and_redis_is_left_alone_for_a_while(
    questions: list[dict[str, int]],
) -> None:
    slow = Slow()

    async def main() -> None:
        url = f"redis://127.0.0.1:{free_port()}/0"
        async with gateways(url, slow, burst=1, at_a_time=2) as (gateway,):
            async with under_way(gateway, slow, 2):
                assert (await ask(gateway)).status == 429
            assert {(await ask(gateway)).status for _ in range(10)} == {200}

    anyio.run(main)
    assert len(questions) == 1


def test_a_redis_that_takes_its_time_to_fail_refuses_nobody_for_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one behind a dead connection does: by then the pause would have been over."""
    monkeypatch.setattr(allowance, "PAUSE_S", 0.0)

    async def main() -> None:
        url = f"redis://127.0.0.1:{free_port()}/0"
        async with gateways(url, Inner("mcp"), rate=0.1, burst=1) as (gateway,):
            assert {(await ask(gateway)).status for _ in range(5)} == {200}

    anyio.run(main)


@pytest.mark.promise("fair-use")
def test_one_subject_has_so_many_places_at_all_replicas_together_and_streams_take_none(
    redis_url: str,
) -> None:
    slow = Slow()

    async def main() -> None:
        async with (
            gateways(redis_url, slow, slow, at_a_time=5) as (here, there),
            under_way(here, slow, 3),
            under_way(there, slow, 2),
        ):
            for gateway in (here, there):
                refused = await ask(gateway)
                assert (refused.status, refused.headers["retry-after"]) == (429, "1")
                assert "being answered" in refused.json()["error"]["message"]
            assert slow.inside == 5
            slow.go.set()
            assert (await ask(here, method="GET")).status == 200
            assert (await ask(here, BOB)).status == 200

    anyio.run(main)


def test_places_that_nobody_needs_any_more_go_to_other_replicas(redis_url: str) -> None:
    first, second = Slow(), Slow()

    async def main() -> None:
        async with gateways(redis_url, first, first, second, at_a_time=8) as (here, there, third):
            async with under_way(here, first, 8):
                assert (await ask(there)).status == 429
            await here.allowance.keep()
            async with under_way(third, second, 8):
                pass

    anyio.run(main)


def test_a_replica_that_died_holds_its_places_no_longer_than_their_lease(redis_url: str) -> None:
    slow, other = Slow(), Slow()
    other.go.set()

    async def main() -> None:
        async with (
            gateways(redis_url, slow, other, other, at_a_time=3) as (here, there, third),
            under_way(here, slow, 3),
        ):
            assert (await ask(there)).status == 429
            later(redis_url, LEASE_S + 1)
            assert (await ask(third)).status == 200

    anyio.run(main)


def test_places_in_use_are_kept_for_as_long_as_they_are(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "LEASE_S", 0)  # this replica thinks that it is time
    slow = Slow()

    async def main() -> None:
        async with (
            gateways(redis_url, slow, slow, at_a_time=3) as (here, there),
            under_way(here, slow, 3),
        ):
            for _ in range(3):
                later(redis_url, LEASE_S - 1)
                await here.allowance.keep()
            assert (await ask(there)).status == 429

    anyio.run(main)


def test_a_replica_that_lost_its_lease_keeps_what_it_answers_and_takes_no_more(
    redis_url: str,
) -> None:
    first, second = Slow(), Slow()

    async def main() -> None:
        async with (
            gateways(redis_url, first, second, at_a_time=3) as (here, there),
            under_way(here, first, 3),
        ):
            later(redis_url, LEASE_S + 1)
            async with under_way(there, second, 3):
                await here.allowance.keep()
                assert (await ask(here)).status == 429
            assert first.inside == 3

    anyio.run(main)


def test_whoever_left_is_forgotten(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "AHEAD_S", 0)

    async def main() -> None:
        async with gateways(redis_url, Inner("mcp"), at_a_time=2) as (gateway,):
            assert (await ask(gateway)).status == 200
            assert (await ask(gateway, BOB)).status == 200
            await gateway.allowance.keep()
            assert gateway.allowance._shares == {}
            with redis.Redis.from_url(redis_url, decode_responses=True) as client:
                held = [client.hkeys(key) for key in client.keys("gw:mcp:share:*")]
            assert sorted(map(sorted, held)) == [["at", "tokens"]] * 2

    anyio.run(main)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda client, key: client.set(key, "nonsense"),
        lambda client, key: client.hset(key, "held:else", "nonsense"),
        lambda client, key: client.hset(key, "tokens", "nonsense"),
        lambda client, key: client.hset(key, "held:else", "99999999999 nonsense"),
    ],
    ids=["another type", "a lease", "tokens", "an end"],
)
def test_nonsense_in_redis_refuses_nobody(
    redis_url: str, spoil: Callable[[redis.Redis, str], object]
) -> None:
    async def main() -> None:
        async with gateways(redis_url, *[Inner("mcp")] * 2) as (here, there):
            assert (await ask(here)).status == 200
            with redis.Redis.from_url(redis_url, decode_responses=True) as client:
                (key,) = client.keys("gw:mcp:share:*")
                client.delete(key)
                spoil(client, key)
            assert (await ask(there)).status == 200

    anyio.run(main)


def test_a_clock_that_goes_back_gives_nothing_away(redis_url: str) -> None:
    async def main() -> None:
        client = connect_async(SecretStr(redis_url), timeout_s=2)
        async with client:
            store = McpShareStore(client, "r", rate=0.01, burst=2, at_a_time=1)
            take = partial(store.take, "x", places=0, used=0)
            assert (await take(tokens=5)).tokens == 2
            later(redis_url, -1000)
            assert (await take(tokens=1)).tokens == 0
            later(redis_url, 1100)
            assert (await take(tokens=5)).tokens == 1

    anyio.run(main)
