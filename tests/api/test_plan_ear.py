"""One replica's ear on plans: who waits is woken, whoever moved it, and nothing follows from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import redis
import redis.asyncio
from pydantic import SecretStr

from api.plan_ear import GAP_S, PlanEar
from dev.redis_server import RedisServer, free_port
from shared.plans import State
from shared.stores.connection import connect_async
from shared.stores.plan_records import MOVED
from shared.stores.plans import PlanStore
from tests.shared.stores.test_plans import PLAN, SEALED

LONG_S = 100


@asynccontextmanager
async def listening(url: str, *ears: PlanEar) -> AsyncIterator[None]:
    """Ears that are open, each with connections of its own."""
    client = connect_async(SecretStr(url), timeout_s=1)
    async with client, anyio.create_task_group() as tasks:
        for ear in ears:
            with ear.hearing(None) as heard:
                tasks.start_soon(ear.listen, client)
                assert await heard.wait(LONG_S), "an ear says when it begins to hear"
        yield
        tasks.cancel_scope.cancel()


@pytest.mark.real_redis
def test_who_waits_for_a_plan_hears_of_everything_that_happens_to_it_at_any_replica(
    redis_url: str,
) -> None:
    here, there = PlanEar(), PlanEar()

    async def main() -> None:
        store = PlanStore(redis.Redis.from_url(redis_url))
        async with listening(redis_url, here, there):
            with here.hearing(["plan-1"]) as one, there.hearing(None) as all_of_them:
                store.add(PLAN, SEALED)
                assert await one.wait(LONG_S)
                assert await all_of_them.wait(LONG_S)
                stored = store.load("plan-1")
                assert stored is not None
                store.move(stored, State.APPROVED)
                assert await one.wait(LONG_S)
                store.note("plan-1", {"outcome": "{}"})
                assert await one.wait(LONG_S)

    anyio.run(main)


@pytest.mark.real_redis
def test_nobody_is_woken_by_another_plan_a_refused_move_or_nonsense(redis_url: str) -> None:
    ear = PlanEar()

    async def main() -> None:
        client = redis.Redis.from_url(redis_url)
        store = PlanStore(client)
        store.add(PLAN, SEALED)
        stored = store.load("plan-1")
        assert stored is not None
        assert store.move(stored, State.DENIED)
        async with listening(redis_url, ear):
            with ear.hearing(["plan-1"]) as mine, ear.hearing(["the-last"]) as last:
                assert not store.move(stored, State.APPROVED)
                for said in (b"plan-2", b"", b"\xff", b"plan-1" * 99, b"plan-1\n", b"the-last"):
                    client.publish(MOVED, said)
                assert await last.wait(LONG_S), "what came before it was heard too"
                assert not await mine.wait(0)

    anyio.run(main)


@pytest.mark.real_redis
def test_after_redis_was_away_everybody_looks_since_something_may_have_been_missed(
    tmp_path: Path,
) -> None:
    ear = PlanEar()

    async def main() -> None:
        with RedisServer(free_port(), tmp_path, aof=True) as server:
            async with listening(server.url, ear):
                with ear.hearing(["plan-1"]) as one, ear.hearing(None) as all_of_them:
                    server.stop()
                    server.start()
                    assert await one.wait(LONG_S)
                    assert await all_of_them.wait(LONG_S)
                    redis.Redis.from_url(server.url).publish(MOVED, "plan-1")
                    assert await one.wait(LONG_S)

    anyio.run(main)


@pytest.mark.promise("plan-news-is-a-hint")
def test_who_says_all_the_time_that_a_plan_moved_causes_a_look_now_and_then_only() -> None:
    ear, looks = PlanEar(), 5

    async def main() -> None:
        with ear.hearing(["plan-1"]) as heard:
            began = anyio.current_time()
            for _ in range(looks):
                for _ in range(1000):
                    ear.hear("plan-1")
                assert await heard.wait(LONG_S)
            assert anyio.current_time() - began >= (looks - 1) * GAP_S

    anyio.run(main)


def test_what_happens_between_looks_is_heard_and_nothing_is_kept_of_those_who_left() -> None:
    ear = PlanEar()

    async def main() -> None:
        with ear.hearing(["plan-1", "plan-2"]) as heard, ear.hearing(None):
            ear.hear("plan-2")
            assert await heard.wait(0)
            ear.follow(heard, ["plan-3"])
            ear.hear("plan-1")
            assert not await heard.wait(0)
            ear.hear("plan-3")
            assert await heard.wait(LONG_S)
        assert (dict(ear._waiting), ear._everything) == ({}, set())

    anyio.run(main)
