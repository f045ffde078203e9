"""MCP sessions around a real Redis: any replica serves any request, for their owner alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis
import redis.asyncio

from dev.redis_server import RedisServer, free_port
from shared.stores import mcp_sessions
from shared.stores.mcp_sessions import session_key
from shared.stores.mcp_wire import Told, tell
from tests.api.replicas import (
    ALICE,
    ALICE_ELSEWHERE,
    BOB,
    HANDSHAKE,
    MODERN,
    Replica,
    Tools,
    call,
    initialize,
    nothing_left,
    replicas,
    text_in,
)
from tests.api.test_edge import bearer

pytestmark = pytest.mark.real_redis

UNKNOWN = {"Mcp-Session-Id": "0" * 32}
LISTING = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}

Story = Callable[[list[Replica]], Awaitable[None]]


def play(redis_url: str, story: Story, tools: Tools | None = None, **how: Any) -> None:
    """Runs a story with two replicas; when it is over, nothing of it may still be at work."""

    async def main() -> None:
        async with replicas(redis_url, tools, **how) as made, nothing_left():
            await story(made)

    anyio.run(main)


def keys_of(redis_url: str) -> set[str]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        return set(client.keys("*"))


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", HANDSHAKE])
def test_a_session_that_one_replica_opened_is_served_by_the_other(
    redis_url: str, version: str
) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened(version)

        listed = await there.post(LISTING, session)
        called = await here.post(call("whoami"), session)

        assert listed.headers["content-type"] == "application/json"
        assert len(listed.message()["result"]["tools"]) == 5
        assert text_in(called.message()) == f"alice tests {version}"

    play(redis_url, story)


def test_a_replica_that_came_later_serves_the_sessions_of_one_that_is_gone(redis_url: str) -> None:
    async def main() -> None:
        async with replicas(redis_url, count=1) as (gone,):
            session = await gone.opened()
        async with replicas(redis_url, count=1) as (later,):
            assert (await later.post(LISTING, session)).status == 200

    anyio.run(main)


@pytest.mark.promise("sessions-are-personal")
@pytest.mark.parametrize("thief", [BOB, ALICE_ELSEWHERE], ids=["another person", "program"])
def test_a_stolen_session_id_is_as_good_as_an_unknown_one(redis_url: str, thief: str) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        for method in ("GET", "DELETE"):
            stolen = await there.send(method, session, thief)
            unknown = await there.send(method, UNKNOWN, thief)
            assert (stolen.status, stolen.body) == (unknown.status, unknown.body)
            assert stolen.status == 404
        stolen = await there.post(LISTING, session, thief)
        unknown = await there.post(LISTING, UNKNOWN, thief)
        assert (stolen.status, stolen.body) == (unknown.status, unknown.body)
        assert (await here.post(LISTING, session)).status == 200

    play(redis_url, story)


@pytest.mark.promise("session-ids-are-secret")
def test_session_ids_have_128_random_bits_and_do_not_lie_in_redis(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        ids = [(await made[0].opened())["Mcp-Session-Id"] for _ in range(20)]
        assert all(len(each) == 32 and int(each, 16) for each in ids)
        assert len({each[:8] for each in ids}) == len({each[-8:] for each in ids}) == 20
        await made[0].post(call("whoami"), {"Mcp-Session-Id": ids[0]})

        with redis.Redis.from_url(redis_url) as client:
            everything = b"".join(key + client.dump(key) for key in client.keys("*"))
        assert not [each for each in ids if each.encode() in everything]

    play(redis_url, story)


@pytest.mark.parametrize(
    "session_id", ["x" * 100_000, "0" * 31, "0" * 33, "G" * 32, "Z\xfc", " ", "*", "0" * 31 + "\n"]
)
def test_an_id_that_is_none_of_ours_is_unknown(redis_url: str, session_id: str) -> None:
    async def story(made: list[Replica]) -> None:
        answer = await made[0].post(LISTING, {"Mcp-Session-Id": session_id})
        assert answer.status == 404

    play(redis_url, story)


def test_a_handshake_that_makes_no_sense_opens_no_session(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        answer = await made[0].post({**initialize(), "params": {"protocolVersion": 5}})
        assert "error" in answer.message()
        assert "mcp-session-id" not in answer.headers
        huge = await made[0].post(initialize(experimental={"x": {"y": "z" * 20_000}}))
        assert huge.status == 400
        assert "too large" in huge.json()["error"]["message"]
        refused = await made[0].post(initialize(), {"Accept": "text/html"})
        assert refused.status == 406
        assert keys_of(redis_url) == set()

    play(redis_url, story)


def test_a_session_whose_handshake_was_refused_is_gone(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object, **__: object) -> None:
        assert len(keys_of(redis_url)) == 2  # written before anything is served
        raise ZeroDivisionError

    monkeypatch.setattr("api.exchanges.serve_connection", crash)

    async def story(made: list[Replica]) -> None:
        assert (await made[0].post(initialize())).status == 500
        assert keys_of(redis_url) == set()

    play(redis_url, story)


def test_a_session_can_begin_its_handshake_anew(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened("2024-11-05")
        again = await there.post(initialize(HANDSHAKE, "renamed"), session)
        assert again.headers["mcp-session-id"] == session["Mcp-Session-Id"]
        called = await here.post(call("whoami"), session)
        assert text_in(called.message()) == f"alice renamed {HANDSHAKE}"

    play(redis_url, story)


def test_the_least_recently_used_of_too_many_sessions_makes_room(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_sessions, "MAX_PER_SUBJECT", 3)
    monkeypatch.setattr(mcp_sessions, "TOUCH_S", -1)  # every request counts as use

    async def story(made: list[Replica]) -> None:
        here, there = made
        kept, forgotten = await here.opened(), await here.opened()
        others = await here.opened(token=BOB)
        await here.opened()
        assert (await there.post(LISTING, kept)).status == 200
        await there.opened()

        assert (await here.post(LISTING, kept)).status == 200
        assert (await here.post(LISTING, forgotten)).status == 404
        assert (await here.post(LISTING, others, BOB)).status == 200

    play(redis_url, story)


def test_a_session_is_kept_for_eight_hours_after_its_last_use(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        key = f"gw:mcp:session:{session_key(session['Mcp-Session-Id'])}"
        with redis.Redis.from_url(redis_url) as client:
            assert 0 < client.ttl(key) <= mcp_sessions.IDLE_S == 8 * 3600
            client.expire(key, 3600)
            assert (await there.post(call("whoami"), session)).status == 200
            assert client.ttl(key) > 3600
            client.expireat(key, 1)
        for replica in made:
            assert (await replica.post(call("whoami"), session)).status == 404

    play(redis_url, story)


def test_an_ended_session_is_ended_everywhere(redis_url: str) -> None:
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        async with (
            here.under_way(call("slow"), session) as working,
            here.listening(session) as listening,
        ):
            await tools.began.wait()
            assert (await there.send("DELETE", session)).status == 200
            await working.end()
            await listening.end()
        await tools.cancelled.wait()
        assert (await here.post(LISTING, session)).status == 404
        assert not {key for key in keys_of(redis_url) if "session:" in key or "stream:" in key}

    play(redis_url, story, tools)


def test_an_answer_reaches_the_replica_that_asked(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened(elicitation={"url": {}})
        async with here.under_way(call("ask"), session) as asking:
            question = await asking.message()
            assert question["method"] == "elicitation/create"
            answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}
            assert (await there.post(answer, session)).status == 202
            assert text_in(await asking.message()) == "accept"

    play(redis_url, story)


def test_a_clients_progress_with_a_question_reaches_the_replica_that_asked(redis_url: str) -> None:
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        async with here.under_way(call("ask"), session) as asking:
            question = await asking.message()
            token = question["params"]["_meta"]["progressToken"]
            said = {"progressToken": token, "progress": 1, "message": "the page is open"}
            notice = {"jsonrpc": "2.0", "method": "notifications/progress", "params": said}
            assert (await there.post(notice, session)).status == 202
            with anyio.fail_after(10):
                await tools.heard.wait()
            assert tools.reported == [(1, None, "the page is open")]
            answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}
            await there.post(answer, session)
            assert text_in(await asking.message()) == "accept"

    play(redis_url, story, tools)


def test_an_answer_of_another_session_reaches_nobody(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session, other = await here.opened(), await here.opened(token=BOB)
        async with here.under_way(call("ask"), session) as asking:
            question = await asking.message()
            false = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}}
            true = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
            assert (await there.post(false, other, BOB)).status == 202
            assert (await there.post(true, session)).status == 202
            assert text_in(await asking.message()) == "decline"

    play(redis_url, story)


def test_questions_to_clients_do_not_share_their_ids(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        async with (
            here.under_way(call("ask", 2), session) as one,
            there.under_way(call("ask", 3), session) as other,
        ):
            first, second = await one.message(), await other.message()
            assert first["id"] != second["id"]
            assert 0 < first["id"] < 2**53
            for question, action in ((second, "decline"), (first, "accept")):
                answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": action}}
                await here.post(answer, session)
            assert text_in(await one.message()) == "accept"
            assert text_in(await other.message()) == "decline"

    play(redis_url, story)


def test_a_cancellation_reaches_the_replica_that_works(redis_url: str) -> None:
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        cancel = {"requestId": 7, "reason": "changed my mind"}
        notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel}
        async with here.under_way(call("slow", 7), session) as working:
            assert (await working.message())["method"] == "notifications/progress"
            assert (await there.post(notice, session)).status == 202
            assert (await working.message())["error"]["code"] == -32800
        await tools.cancelled.wait()
        assert tools.finished == []

    play(redis_url, story, tools)


def test_a_client_that_leaves_cancels_nothing_and_hears_the_rest_elsewhere(
    redis_url: str,
) -> None:
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        async with here.under_way(call("slow"), session) as working:
            primed = await working.event()
            assert primed["id"]
            await tools.began.wait()
        assert not tools.cancelled.is_set()
        last = {"Last-Event-ID": primed["id"]}
        stolen = await there.send("GET", session, BOB, **last)
        assert stolen.status == 404
        async with there.listening(session, **last) as resumed:
            assert (await resumed.message())["method"] == "notifications/progress"
            tools.go.set()
            assert text_in(await resumed.message()) == "slow is done"
            await resumed.end()
        assert tools.finished == ["slow"]

    play(redis_url, story, tools)


def test_an_answer_that_was_given_meanwhile_is_heard_on_return(redis_url: str) -> None:
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        tools.go.set()
        async with here.under_way(call("slow"), session) as asked:
            primed = await asked.event()
            await asked.end()
        async with there.listening(session, **{"Last-Event-ID": primed["id"]}) as resumed:
            assert (await resumed.message())["method"] == "notifications/progress"
            assert text_in(await resumed.message()) == "slow is done"
            await resumed.end()

    play(redis_url, story, tools)


def test_an_answer_that_comes_at_once_is_one_body_and_leaves_nothing(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        session = await made[0].opened()
        before = keys_of(redis_url)
        answer = await made[1].post(call("whoami"), session)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["mcp-session-id"] == session["Mcp-Session-Id"]
        assert text_in(answer.json()) == f"alice tests {HANDSHAKE}"
        assert keys_of(redis_url) == before

    play(redis_url, story)


@pytest.mark.parametrize(("version", "is_primed"), [("2025-06-18", False), (HANDSHAKE, True)])
def test_an_answer_that_takes_long_opens_a_stream_that_its_client_can_come_back_to(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, version: str, is_primed: bool
) -> None:
    monkeypatch.setattr("api.answering.LONG_S", 0)
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        session = await made[0].opened(version)
        async with made[0].under_way(call("silent"), session) as working:
            assert working.headers["content-type"].startswith("text/event-stream")
            tools.go.set()
            if is_primed:
                assert (await working.event())["data"] == ""
            answer = await working.event()
            assert text_in(json.loads(answer["data"])) == "silent is done"
        stream, _ = answer["id"].split(".")
        async with made[1].listening(session, **{"Last-Event-ID": f"{stream}.0-0"}) as resumed:
            assert text_in(await resumed.message()) == "silent is done"

    play(redis_url, story, tools)


@pytest.mark.parametrize("event", ["nonsense", "a.b", "x.99999999999999999999-0", "é.1-1", "."])
def test_an_event_id_that_is_none_of_ours_is_refused(redis_url: str, event: str) -> None:
    async def story(made: list[Replica]) -> None:
        session = await made[0].opened()
        answer = await made[0].send("GET", session, **{"Last-Event-ID": event})
        assert answer.status == 400

    play(redis_url, story)


def test_nobody_waits_long_for_a_request_that_nobody_works_on(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.event_streams.PATIENCE_S", 0)

    async def story(made: list[Replica]) -> None:
        session = await made[0].opened()
        async with made[0].listening(session, **{"Last-Event-ID": "abc.1-1"}) as resumed:
            await resumed.end()

    play(redis_url, story)


def test_what_happens_in_a_session_is_heard_wherever_its_client_listens(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        async with here.listening(session) as listening:
            primed = await listening.event()
            assert (await there.send("GET", session)).status == 409
            await there.post(call("announce"), session)
            told = await listening.event()
            assert json.loads(told["data"])["method"] == "notifications/resources/updated"
        await here.post(call("announce"), session)
        for last, expected in ((told, 1), (primed, 2)):
            async with there.listening(session, **{"Last-Event-ID": last["id"]}) as resumed:
                heard = [await resumed.message() for _ in range(expected)]
                assert {each["params"]["uri"] for each in heard} == {"plan://1"}

    play(redis_url, story)


def test_whoever_comes_back_takes_the_stream_from_the_connection_that_broke(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.event_streams.LOOK_S", 0.1)

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        async with here.listening(session) as broken:
            primed = await broken.event()
            async with there.listening(session, **{"Last-Event-ID": primed["id"]}) as resumed:
                await broken.end()
                await there.post(call("announce"), session)
                assert (await resumed.message())["method"] == "notifications/resources/updated"

    play(redis_url, story)


def test_no_more_than_so_many_requests_of_a_subject_go_on_without_their_clients(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sessions.MAX_LEFT", 1)
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        session = await made[0].opened()
        async with made[0].under_way(call("slow", 2), session):
            await tools.began.wait()
        async with made[0].under_way(call("slow", 3), session) as second:
            assert (await second.message())["method"] == "notifications/progress"
        await tools.cancelled.wait()
        tools.go.set()

    play(redis_url, story, tools)
    assert tools.finished == ["slow"]


def test_a_hundred_idle_streams_are_held_and_leave_nothing(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        async with AsyncExitStack() as stack:
            session = await made[0].opened()
            for number in range(100):
                replica = made[number % 2]
                session = await replica.opened()
                listening = await stack.enter_async_context(replica.listening(session))
                assert listening.status == 200
            assert (await made[0].post(LISTING, session)).status == 200

    play(redis_url, story)


def test_replicas_hear_each_other_again_after_redis_was_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(free_port(), tmp_path, aof=True)
    server.start()

    def said() -> list[str]:
        return [record.msg for record in caplog.records if record.msg.startswith("channel.")]

    async def until_heard() -> None:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            with anyio.fail_after(10):
                while (await client.pubsub_numsub("gw:mcp:wire"))[0][1] < 2:  # noqa: ASYNC110
                    await anyio.sleep(0.05)

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        await until_heard()
        server.stop()
        with anyio.fail_after(10):
            while len(said()) < 2:  # noqa: ASYNC110 - a log tells nobody
                await anyio.sleep(0.05)
        server.start()
        await until_heard()
        async with here.under_way(call("ask"), session) as asking:
            question = await asking.message()
            answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}
            assert (await there.post(answer, session)).status == 202
            assert text_in(await asking.message()) == "accept"

    try:
        play(server.url, story, timeout_s=1)
    finally:
        server.stop()
    assert sorted(said()) == ["channel.deaf"] * 2 + ["channel.hearing"] * 2


def test_a_replica_that_stops_answers_what_it_works_on_and_another_one_tells(
    redis_url: str,
) -> None:
    tools = Tools()

    async def main() -> None:
        async with replicas(redis_url, count=1) as (later,):
            async with replicas(redis_url, tools, count=1) as (stopping,):
                session = await stopping.opened()
                async with stopping.under_way(call("slow"), session) as working:
                    primed = await working.event()
                    await tools.began.wait()
                asyncio.get_running_loop().call_later(0.2, tools.go.set)
            assert tools.finished == ["slow"]
            async with later.listening(session, **{"Last-Event-ID": primed["id"]}) as resumed:
                assert (await resumed.message())["method"] == "notifications/progress"
                assert text_in(await resumed.message()) == "slow is done"

    anyio.run(main)


def test_a_replica_that_stops_does_not_wait_for_ever(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sessions.DRAIN_S", 0.1)
    tools = Tools()

    async def main() -> None:
        async with replicas(redis_url, tools, count=1) as (stopping,):
            session = await stopping.opened()
            async with stopping.under_way(call("slow"), session):
                await tools.began.wait()
        assert tools.cancelled.is_set()

    anyio.run(main)


def test_nonsense_on_the_wire_harms_nobody(redis_url: str) -> None:
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        session = await made[0].opened()
        async with made[0].under_way(call("slow"), session) as working:
            await tools.began.wait()
            key = session_key(session["Mcp-Session-Id"])
            async with redis.asyncio.Redis.from_url(redis_url) as client:
                for told in (b"", b"{}", b"\xff", b'{"session": 5}'):
                    await client.publish("gw:mcp:wire", told)
                for body in ("", "{}", "[", '{"jsonrpc": "2.0", "id": 1}'):
                    await tell(client, Told(session=key, kind="said", body=body))
            tools.go.set()
            message = await working.message()
            while "result" not in message:
                message = await working.message()
            assert text_in(message) == "slow is done"
        assert (await made[0].post(LISTING, session)).status == 200

    play(redis_url, story, tools)


@pytest.mark.promise("sessions-fail-closed")
def test_without_redis_sessions_wait_and_come_back_while_the_newest_revision_works(
    tmp_path: Path,
) -> None:
    server = RedisServer(free_port(), tmp_path, aof=True)
    server.start()

    async def story(made: list[Replica]) -> None:
        here, there = made
        session = await here.opened()
        server.stop()
        for message in (LISTING, initialize(), call("whoami")):
            answer = await there.post(message, session)
            assert answer.status == 503
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["code"] == "redis_unavailable"
        assert (await there.send("GET", session)).status == 503
        assert (await there.send("DELETE", session)).status == 503
        assert (await there.post(_modern("tools/list"), _headers("tools/list"))).status == 200
        server.start()
        assert (await there.post(LISTING, session)).status == 200
        assert (await there.post(LISTING, session, BOB)).status == 404
        await here.opened()

    try:
        play(server.url, story, timeout_s=1)
    finally:
        server.stop()


def test_a_call_under_way_is_answered_although_redis_went(tmp_path: Path) -> None:
    server = RedisServer(free_port(), tmp_path, aof=False)
    server.start()
    tools = Tools()

    async def story(made: list[Replica]) -> None:
        session = await made[0].opened()
        async with made[0].under_way(call("slow"), session) as working:
            await tools.began.wait()
            server.stop()
            tools.go.set()
            message = await working.message()
            while "result" not in message:
                message = await working.message()
            assert text_in(message) == "slow is done"

    try:
        play(server.url, story, tools, timeout_s=0.5)
    finally:
        server.stop()


def test_a_request_of_the_newest_revision_leaves_nothing_in_redis(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        answer = await made[0].post(_modern("tools/list"), _headers("tools/list"))
        assert answer.status == 200
        assert "mcp-session-id" not in answer.headers
        assert keys_of(redis_url) == set()

    play(redis_url, story)


def test_ten_thousand_idle_sessions_fit_into_twenty_megabytes(redis_url: str) -> None:
    async def story(made: list[Replica]) -> None:
        sessions = [await made[0].opened(token=ALICE) for _ in range(20)]
        assert len(sessions) == 20
        with redis.Redis.from_url(redis_url) as client:
            used = sum(client.memory_usage(key) or 0 for key in client.keys("gw:mcp:*"))
        assert used / 20 * 10_000 < 20 * 1024 * 1024

    play(redis_url, story)


def _modern(method: str) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {"jsonrpc": "2.0", "id": 2, "method": method, "params": {"_meta": meta}}


def _headers(method: str) -> dict[str, str]:
    return {**bearer(ALICE), "MCP-Protocol-Version": MODERN, "Mcp-Method": method}
