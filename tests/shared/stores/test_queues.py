"""Queues and replies on a real Redis: order, bounds, waits, outages."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import redis
from pydantic import SecretStr

from dev.redis_server import free_port
from shared.errors import QueueFull, RedisUnavailable, ShareFull
from shared.messages import Answer, Progress
from shared.stores import connection, queues, replies
from shared.stores.connection import AsyncRedis, connect, connect_async, is_hopeless
from shared.stores.queues import Parcel

pytestmark = pytest.mark.real_redis

T = TypeVar("T")


def on_loop(url: str, act: Callable[[AsyncRedis], Awaitable[T]]) -> T:
    """Runs `act` with a client of its own."""

    async def main() -> T:
        client = connect_async(SecretStr(url), timeout_s=2)
        try:
            return await act(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def parcel(queue: str, message: bytes, subject: str = "s") -> Parcel:
    return Parcel(queue=queue, message=message, call_id=message.decode(), subject=subject)


def put(
    url: str, queue: str, *messages: bytes, longest: int = 10, subject: str = "somebody"
) -> None:
    async def act(client: AsyncRedis) -> None:
        mouth = queues.QueueMouth(client)
        for message in messages:
            await mouth.put(parcel(queue, message, subject), longest=longest)

    on_loop(url, act)


def take_back(url: str, queue: str, message: bytes, subject: str = "somebody") -> bool:
    back = parcel(queue, message, subject)
    return on_loop(url, lambda client: queues.QueueMouth(client).take_back(back))


def test_the_oldest_message_is_taken_first_and_is_gone_then(redis_url: str) -> None:
    put(redis_url, "local.read", b"1", b"2", b"3")
    client = connect(SecretStr(redis_url), timeout_s=2)
    assert queues.take(client, ["local.read"], at_most=2, wait_s=0.1) == (
        "local.read",
        [b"1", b"2"],
    )
    assert queues.take(client, ["local.read"], at_most=2, wait_s=0.1) == ("local.read", [b"3"])
    assert queues.take(client, ["local.read"], at_most=2, wait_s=0.1) is None


def test_of_several_queues_the_first_with_a_message_is_named(redis_url: str) -> None:
    put(redis_url, "local.read", b"r")
    client = connect(SecretStr(redis_url), timeout_s=2)
    taken = queues.take(client, ["local.apply", "local.read"], at_most=1, wait_s=0.1)
    assert taken == ("local.read", [b"r"])


def test_a_full_queue_takes_no_more(redis_url: str) -> None:
    put(redis_url, "local.read", b"1", longest=2, subject="a")
    put(redis_url, "local.read", b"2", longest=2, subject="b")
    with pytest.raises(QueueFull) as full:
        put(redis_url, "local.read", b"3", longest=2, subject="c")
    assert not isinstance(full.value, ShareFull)


def test_a_subject_has_half_of_the_places_that_others_leave_in_the_queue(redis_url: str) -> None:
    for subject, places in (("a", 4), ("b", 2), ("c", 1)):
        put(
            redis_url, "local.read", *(b"%d" % n for n in range(places)), longest=8, subject=subject
        )
        with pytest.raises(ShareFull):
            put(redis_url, "local.read", b"9", longest=8, subject=subject)


def test_what_workers_took_and_what_was_taken_back_frees_its_subjects_places(
    redis_url: str,
) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    put(redis_url, "local.read", b"1", b"2", longest=4, subject="noisy")
    put(redis_url, "local.read", b"3", longest=4, subject="quiet")
    assert take_back(redis_url, "local.read", b"2", "noisy")
    assert not take_back(redis_url, "local.read", b"2", "noisy")
    with pytest.raises(QueueFull):  # one of three, and two were more than half
        put(redis_url, "local.read", b"4", longest=4, subject="noisy")
    assert queues.take(client, ["local.read"], at_most=1, wait_s=0.1) == ("local.read", [b"1"])
    put(redis_url, "local.read", b"5", longest=4, subject="noisy")
    left = queues.take(client, ["local.read"], at_most=9, wait_s=0.1)
    assert left == ("local.read", [b"3", b"5"])
    put(redis_url, "local.read", b"6", b"7", longest=4, subject="noisy")  # an empty one is new


def test_who_waits_in_a_queue_is_not_shown(redis_url: str) -> None:
    put(redis_url, "local.read", b"1", subject="jane@example.com")
    with redis.Redis.from_url(redis_url) as client:
        [tag] = client.lrange("q:of:local.read", 0, -1)
        assert b"jane" not in tag
        assert 0 < client.ttl("q:of:local.read") <= queues.KEEP_S


def test_a_queue_that_nobody_serves_is_forgotten(redis_url: str) -> None:
    put(redis_url, "local.read", b"1")
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.ttl("q:local.read") <= queues.KEEP_S


def test_replies_come_in_order_and_unreadable_ones_are_left_out(redis_url: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    replies.push(client, "r:me", Progress(id="1", done=1, total=2, message="half"))
    client.rpush("r:me", b"rubbish", b"[" * 50_000, json.dumps({"kind": "answer"}))
    replies.push(client, "r:me", Answer(id="1", body={"x": 1}))
    found = on_loop(redis_url, lambda c: replies.next_replies(c, "r:me", wait_s=0.1))
    assert found == [
        Progress(id="1", done=1, total=2, message="half"),
        Answer(id="1", body={"x": 1}),
    ]
    assert on_loop(redis_url, lambda c: replies.next_replies(c, "r:me", wait_s=0.1)) == []


def test_a_reply_list_that_nobody_reads_is_forgotten(redis_url: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    replies.push(client, "r:gone", Answer(id="1", body=None))
    assert 0 < client.ttl("r:gone") <= replies.KEEP_S


@pytest.mark.parametrize("key", ["wk:plan:1", "q:local.apply", ""])
def test_a_reply_goes_to_a_reply_list_and_nowhere_else(redis_url: str, key: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    with pytest.raises(ValueError, match="not a reply list"):
        replies.push(client, key, Answer(id="1", body=None))
    assert client.dbsize() == 0


def test_a_huge_reply_is_not_sent(redis_url: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    with pytest.raises(ValueError, match="too large"):
        replies.push(client, "r:me", Answer(id="1", body="x" * replies.MAX_REPLY_BYTES))


def test_no_server_is_a_fault_without_address_or_password() -> None:
    url = SecretStr(f"redis://user:hunter2@127.0.0.1:{free_port()}/0")
    with pytest.raises(RedisUnavailable) as raised:
        queues.take(connect(url, timeout_s=0.5), ["a"], at_most=1, wait_s=0.1)
    assert "hunter2" not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    assert not is_hopeless(raised.value)


def test_a_refused_password_is_known_to_be_hopeless(redis_url: str) -> None:
    url = SecretStr(redis_url.replace("redis://", "redis://nobody:wrong@"))
    with pytest.raises(RedisUnavailable) as raised:
        queues.take(connect(url, timeout_s=0.5), ["a"], at_most=1, wait_s=0.1)
    assert is_hopeless(raised.value)


def test_a_key_of_another_type_is_a_fault_and_no_crash(redis_url: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    client.set("q:local.read", "in the way")
    with pytest.raises(RedisUnavailable):
        queues.take(client, ["local.read"], at_most=1, wait_s=0.1)


def test_a_further_caller_waits_for_a_free_connection(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 2)

    async def act(_: AsyncRedis) -> list[object]:
        client = connect_async(SecretStr(redis_url), timeout_s=2)
        try:
            return list(await asyncio.gather(*(client.ping() for _ in range(10))))
        finally:
            await client.aclose()

    assert on_loop(redis_url, act) == [True] * 10
