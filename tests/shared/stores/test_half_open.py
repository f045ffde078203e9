"""What the clients of Redis do when a connection is half-open: the other side is gone, unsaid.

On a real Redis, behind a proxy that swallows: the settings are only as good as the pinned redis-py.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from pydantic import SecretStr

from shared.errors import RedisUnavailable
from shared.stores import channels
from shared.stores.connection import AsyncRedis, Redis, connect, connect_async, redis_faults
from shared.stores.queues import PREFIX, take
from shared.stores.replies import next_replies
from tests.faults.proxy import FaultProxy

pytestmark = pytest.mark.real_redis

TIMEOUT_S = 2.0
"""Twenty times what a command here waits: a machine may pause for a while."""
KEPT = 6
"""Connections that lie in a pool, unused, when the network goes away."""


@pytest.fixture
def proxy(redis_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(int(redis_url.rsplit(":", maxsplit=1)[-1].split("/", maxsplit=1)[0])) as it:
        yield it


@pytest.fixture
def url(proxy: FaultProxy) -> SecretStr:
    return SecretStr(f"redis://127.0.0.1:{proxy.port}/0")


@pytest.fixture
def client(url: SecretStr) -> Iterator[Redis]:
    with connect(url, timeout_s=TIMEOUT_S) as it:
        yield it


def side_by_side(count: int, work: Callable[[], object]) -> list[str]:
    """Does the same in so many threads at once; returns what failed."""
    failed: list[str] = []
    all_here = threading.Barrier(count)

    def one() -> None:
        all_here.wait()
        try:
            with redis_faults():
                work()
        except RedisUnavailable as fault:
            failed.append(str(fault))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_one_time_out_is_paid_for_all_the_connections_that_threads_kept(
    proxy: FaultProxy, client: Redis
) -> None:
    assert side_by_side(KEPT, lambda: client.blpop(["nothing"], 0.1)) == []
    assert proxy.swallow(new=False) == KEPT

    with pytest.raises(RedisUnavailable, match="Timeout"), redis_faults():
        client.ping()

    assert side_by_side(KEPT, lambda: client.blpop(["nothing"], 0.1)) == []


def with_client(
    url: SecretStr, story: Callable[[AsyncRedis], Awaitable[None]], timeout_s: float = TIMEOUT_S
) -> None:
    async def run() -> None:
        redis = connect_async(url, timeout_s=timeout_s)
        try:
            await story(redis)
        finally:
            await redis.aclose()

    asyncio.run(run())


async def at_once(redis: AsyncRedis) -> list[object]:
    """As many waiting commands as connections are kept."""
    commands = (cast("Awaitable[object]", redis.blpop(["nothing"], 0.1)) for _ in range(KEPT))
    return await asyncio.gather(*commands, return_exceptions=True)


def test_one_time_out_is_paid_for_all_the_connections_that_an_event_loop_kept(
    proxy: FaultProxy, url: SecretStr
) -> None:
    async def story(redis: AsyncRedis) -> None:
        assert await at_once(redis) == [None] * KEPT
        assert proxy.swallow(new=False) == KEPT

        with pytest.raises(RedisUnavailable, match="Timeout"), redis_faults():
            await redis.ping()

        assert await at_once(redis) == [None] * KEPT

    with_client(url, story)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_connections_that_were_reset_are_opened_anew_without_a_word(
    loop: str, proxy: FaultProxy, url: SecretStr
) -> None:
    """uvloop says RuntimeError where asyncio says that the connection was reset."""

    async def story() -> list[object]:
        redis = connect_async(url, timeout_s=5)
        try:
            ends: list[object] = []
            for _ in range(5):
                ends += await at_once(redis)
                await asyncio.to_thread(proxy.cut)
                ends += await at_once(redis)
            return ends
        finally:
            await redis.aclose()

    run = asyncio.run if loop == "asyncio" else pytest.importorskip("uvloop").run
    assert run(story()) == [None] * 10 * KEPT


def test_a_caller_who_leaves_casts_no_doubt_on_other_connections(url: SecretStr) -> None:
    async def ids(redis: AsyncRedis) -> set[str]:
        found: list[dict[str, Any]] = await redis.client_list()
        return {str(one["id"]) for one in found}

    async def story(redis: AsyncRedis) -> None:
        await at_once(redis)
        before = await ids(redis)
        left = asyncio.ensure_future(redis.blpop(["nothing"], 0.4))
        await asyncio.sleep(0.1)  # long enough to be sent; without it the test shows less
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        await at_once(redis)

        assert len(await ids(redis) & before) >= KEPT - 1

    with_client(url, story)


def test_a_workers_blocking_read_ends_and_the_next_takes_what_came_meanwhile(
    proxy: FaultProxy, client: Redis, redis_url: str
) -> None:
    assert take(client, ["local.read"], at_most=4, wait_s=0.1) is None
    proxy.swallow()

    with pytest.raises(RedisUnavailable):
        take(client, ["local.read"], at_most=4, wait_s=0.1)
    with connect(SecretStr(redis_url), timeout_s=5) as other:
        other.lpush(PREFIX + "local.read", b"call")
    proxy.mend()

    assert take(client, ["local.read"], at_most=4, wait_s=5) == ("local.read", [b"call"])


def test_the_reader_of_answers_goes_on_after_a_half_open_connection(
    proxy: FaultProxy, url: SecretStr
) -> None:
    async def story(redis: AsyncRedis) -> None:
        assert await next_replies(redis, "r:me", wait_s=0.1) == []
        proxy.swallow()

        with pytest.raises(RedisUnavailable):
            await next_replies(redis, "r:me", wait_s=0.1)
        proxy.mend()

        assert await next_replies(redis, "r:me", wait_s=0.1) == []

    with_client(url, story)


def test_a_subscription_that_has_become_half_open_is_noticed(
    proxy: FaultProxy, url: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "WAIT_S", 0.2)

    async def story(redis: AsyncRedis) -> None:
        async with aclosing(channels.said_on(redis, "gw:test")) as messages:
            assert await anext(messages) is None
            await redis.publish("gw:test", "hello")
            assert await anext(messages) == b"hello"
            proxy.swallow(new=False)

            with pytest.raises(RedisUnavailable):
                await anext(messages)

    with_client(url, story)


def test_a_subscription_that_is_only_quiet_goes_on(
    url: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "WAIT_S", 0.1)

    async def story(redis: AsyncRedis) -> None:
        async with aclosing(channels.said_on(redis, "gw:test")) as messages:
            assert await anext(messages) is None
            told = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(1)  # many times as long as a silent one is believed
            await redis.publish("gw:test", "hello")

            assert await told == b"hello"

    with_client(url, story)


def test_a_connection_that_is_never_answered_is_given_up(
    proxy: FaultProxy, client: Redis, url: SecretStr
) -> None:
    proxy.swallow()

    with pytest.raises(RedisUnavailable), redis_faults():
        client.ping()

    async def story(redis: AsyncRedis) -> None:
        with pytest.raises(RedisUnavailable), redis_faults():
            await redis.ping()

    with_client(url, story)
