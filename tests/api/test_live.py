"""Streams of open pages: what they say, to whom, for how long, and how many there are."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import pytest
from starlette.types import Message, Scope

from api import live
from api.live import Heard
from shared.plans import State
from tests.api.stage import NOW, Browser, Stage, make_plan, staged

pytestmark = pytest.mark.anyio
INBOX = "/approvals/events"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Bell:
    """An ear that hears when a test rings; nothing is looked at before."""

    def __init__(self) -> None:
        self._rung = anyio.Event()
        self.plan_ids: list[Collection[str] | None] = []
        self._asked, self._patience = anyio.create_memory_object_stream[float](100)

    @contextmanager
    def hearing(self, plan_ids: Collection[str] | None) -> Iterator[Heard]:
        self.plan_ids.append(plan_ids)
        yield self

    async def wait(self, within_s: float) -> bool:
        self._asked.send_nowait(within_s)
        await self._rung.wait()
        self._rung = anyio.Event()
        return True

    def ring(self) -> None:
        self._rung.set()

    async def patience(self) -> float:
        """How long the next to wait will wait at most."""
        with anyio.fail_after(10):
            return await self._patience.receive()

    def close(self) -> None:
        self._asked.close()
        self._patience.close()


class Stream:
    """One open stream, read event by event."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._started, self._left = anyio.Event(), anyio.Event()
        self._chunks, self._pieces = anyio.create_memory_object_stream[bytes](100)

    async def stamp(self) -> str:
        """What the next event says; empty when there is none any more."""
        with anyio.fail_after(10):
            async for piece in self._pieces:
                text = piece.decode().strip()
                if text.startswith("data: "):
                    return text.removeprefix("data: ")
        return ""

    async def run(self, app: Any, scope: Scope) -> None:
        async def receive() -> Message:
            if not self._started.is_set():
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): v.decode() for name, v in message["headers"]}
                self._started.set()
            elif not self._left.is_set():
                await self._chunks.send(message.get("body", b""))

        async with self._chunks:
            await app(scope, receive, send)

    async def started(self) -> None:
        with anyio.fail_after(10):
            await self._started.wait()

    def leave(self) -> None:
        self._left.set()

    def forget(self) -> None:
        self._pieces.close()


@asynccontextmanager
async def streaming(stage: Stage, path: str = INBOX, **headers: str) -> AsyncIterator[Stream]:
    """A stream that has begun; after the block the browser has left."""
    stream = Stream()
    cookies = "; ".join(f"{one.name}={one.value}" for one in stage.browser.http.cookies.jar)
    sent = {"host": "127.0.0.1:3001", "cookie": cookies, **headers}
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 3001),
    }
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run, stage.app, scope)
        await stream.started()
        yield stream
        stream.leave()
    stream.forget()


@pytest.fixture
def bell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bell]:
    monkeypatch.setattr(live, "GAP_S", 0)
    bell = Bell()
    yield bell
    bell.close()


@pytest.fixture
def stage(bell: Bell) -> Iterator[Stage]:
    with staged(ear=bell) as stage:
        yield stage


def stamp_on(page: str) -> str:
    return page.split('data-stamp="')[1].split('"', maxsplit=1)[0]


async def test_a_stream_begins_with_the_stamp_that_is_on_the_page(stage: Stage) -> None:
    stage.sign_in()
    plan = stage.workers.add(make_plan())

    for page, events in (
        ("/approvals", INBOX),
        (f"/approvals/{plan.id}", f"/approvals/{plan.id}/events"),
    ):
        shown = stage.browser.get(page).text
        assert f'data-events="{events}"' in shown
        async with streaming(stage, events) as stream:
            assert (stream.status, await stream.stamp()) == (200, stamp_on(shown))


async def test_the_stamp_changes_with_what_would_be_shown_and_only_with_that(
    stage: Stage, bell: Bell
) -> None:
    stage.sign_in()
    plan = stage.workers.add(make_plan())

    async with streaming(stage) as inbox, streaming(stage, f"/approvals/{plan.id}/events") as one:
        before = (await inbox.stamp(), await one.stamp())
        bell.ring()
        assert (await inbox.stamp(), await one.stamp()) == before

        stage.workers.record(plan.id, State.DENIED)
        bell.ring()
        after = (await inbox.stamp(), await one.stamp())

    assert before[0] != after[0]
    assert before[1] != after[1]
    assert bell.plan_ids == [None, [plan.id]]


async def test_an_event_says_nothing_of_what_changed(stage: Stage, bell: Bell) -> None:
    stage.sign_in()
    async with streaming(stage) as stream:
        await stream.stamp()
        stage.workers.add(make_plan(summary="very secret"))
        bell.ring()

        assert len(await stream.stamp()) == 16


async def test_what_one_may_not_see_does_not_change_the_stamp(stage: Stage, bell: Bell) -> None:
    stage.sign_in("dev-outsider")
    async with streaming(stage) as stream:
        before = await stream.stamp()
        stage.workers.add(make_plan())
        bell.ring()

        assert await stream.stamp() == before


async def test_time_alone_changes_the_stamp_when_a_plan_expires(stage: Stage, bell: Bell) -> None:
    stage.sign_in()
    stage.workers.add(make_plan(expires_at=NOW + 60))
    async with streaming(stage) as stream:
        before = await stream.stamp()
        stage.clock.now += 61
        bell.ring()

        assert await stream.stamp() != before


@pytest.mark.parametrize("page", ["", "/Zk3vJ1c0Q0mYb8u2m5XyQA"])
async def test_a_stream_looks_again_just_when_a_plan_expires(
    stage: Stage, bell: Bell, page: str
) -> None:
    stage.sign_in()
    stage.workers.add(make_plan(expires_at=NOW + 4))
    stage.workers.add(make_plan(id="later"))
    async with streaming(stage, f"/approvals{page}/events") as stream:
        waits = []
        for passing in (1, 3, 0):
            await stream.stamp()
            waits.append(await bell.patience())
            stage.clock.now += passing
            bell.ring()

    assert waits == [4, 3, live.LOOK_S]


@pytest.mark.promise("streams-end-with-the-sign-in")
async def test_a_stream_ends_with_the_sign_in(stage: Stage, bell: Bell) -> None:
    stage.sign_in()
    stage.workers.add(make_plan())
    async with streaming(stage) as stream:
        assert await stream.stamp()
        stage.browser.press("/approvals", "/logout")
        bell.ring()

        assert await stream.stamp() == ""


@pytest.mark.promise("streams-end-with-the-sign-in")
async def test_nobody_who_is_not_signed_in_gets_a_stream(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())

    for path in (INBOX, f"/approvals/{plan.id}/events"):
        answer = stage.browser.get(path)
        assert (answer.status_code, plan.id in answer.text) == (401, False)


@pytest.mark.promise("open-pages-keep-nobody-signed-in")
async def test_an_open_page_keeps_nobody_signed_in(stage: Stage, bell: Bell) -> None:
    stage.sign_in()
    [key] = stage.workers.redis.keys("gw:login:*")
    stage.workers.redis.expire(key, 100)

    async with streaming(stage) as stream:
        await stream.stamp()
        bell.ring()
        await stream.stamp()
    stage.browser.get("/approvals", **{"x-live": "1"})
    assert stage.workers.redis.ttl(key) <= 100

    stage.browser.get("/approvals")
    assert stage.workers.redis.ttl(key) > 100


async def test_the_stream_of_a_plan_that_one_may_not_see_ends_at_once(stage: Stage) -> None:
    stage.sign_in("dev-outsider")
    plan = stage.workers.add(make_plan())

    async with streaming(stage, f"/approvals/{plan.id}/events") as stream:
        assert await stream.stamp() == ""


async def test_a_stream_ends_when_nobody_can_tell(stage: Stage, bell: Bell) -> None:
    stage.sign_in()
    async with streaming(stage) as stream:
        await stream.stamp()
        stage.server.connected = False
        bell.ring()

        assert await stream.stamp() == ""


async def test_one_person_has_so_many_streams_and_gets_places_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_OF_PERSON", 2)
    stage.sign_in()

    async with streaming(stage) as first, streaming(stage):
        async with streaming(stage) as third:
            assert (third.status, third.headers["retry-after"]) == (429, "30")
        other = Browser(stage.app)
        stage.sign_in("dev-outsider", other)
        stage_of_other = Stage(
            clock=stage.clock,
            provider=stage.provider,
            workers=stage.workers,
            server=stage.server,
            app=stage.app,
            browser=other,
        )
        async with streaming(stage_of_other) as theirs:
            assert theirs.status == 200
        assert first.status == 200

    async with streaming(stage) as again:
        assert again.status == 200


async def test_a_process_has_so_many_streams(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_STREAMS", 1)
    stage.sign_in()

    async with streaming(stage), streaming(stage) as second:
        assert second.status == 429


async def test_asking_for_the_headers_of_a_stream_opens_none(stage: Stage, bell: Bell) -> None:
    stage.sign_in()

    answer = stage.browser.http.head(INBOX)

    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert bell.plan_ids == []
