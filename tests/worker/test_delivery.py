"""The consumer: no more calls than threads, no role takes all, nothing wrong gets through."""

import json
import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis
from celery import Celery
from celery.concurrency.base import BasePool, apply_target
from celery.exceptions import WorkerShutdown
from celery.worker import state

from shared.envelopes import Envelope, pack
from shared.errors import RedisUnavailable
from shared.manifests import JSON
from shared.messages import ReadCall, Role
from tests.worker.context import context_for
from worker.app import make_app, make_intake
from worker.delivery import LONGEST_PAUSE_S, Outage, Slots, StrictConsumer

if TYPE_CHECKING:
    from worker.context import Context

QUEUES = {"c.apply": Role.APPLY, "c.plan": Role.PLAN, "c.read": Role.READ}


def occupy(slots: Slots, queue: str, times: int) -> None:
    for _ in range(times):
        slots.occupy(queue)


def test_with_free_threads_every_queue_is_open() -> None:
    queues, at_most = Slots(QUEUES, 12).open_queues(wait_s=0)
    assert queues == ["c.apply", "c.plan", "c.read"]
    assert at_most == 4


def test_applies_get_a_third_of_a_shared_process() -> None:
    slots = Slots(QUEUES, 12)
    occupy(slots, "c.apply", 4)
    assert slots.open_queues(wait_s=0)[0] == ["c.plan", "c.read"]
    slots.release("c.apply")
    assert slots.open_queues(wait_s=0)[0] == ["c.apply", "c.plan", "c.read"]


def test_reads_may_take_every_thread_and_then_all_queues_close() -> None:
    slots = Slots(QUEUES, 12)
    occupy(slots, "c.read", 12)
    assert slots.open_queues(wait_s=0) == ([], 0)


def test_a_process_of_one_role_uses_all_its_threads() -> None:
    slots = Slots({"c.apply": Role.APPLY}, 12)
    occupy(slots, "c.apply", 11)
    assert slots.open_queues(wait_s=0) == (["c.apply"], 1)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_even_few_threads_serve_every_role(threads: int) -> None:
    assert len(Slots(QUEUES, threads).open_queues(wait_s=0)[0]) == 3


def test_an_outage_is_said_at_once_not_at_every_try_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pauses: list[float] = []
    outage = Outage(pause=pauses.append)
    with caplog.at_level(logging.INFO):
        for _ in range(6):
            outage.goes_on(RedisUnavailable("Redis does not answer."))
        outage.over()
        outage.over()
    assert [record.msg for record in caplog.records] == ["queue.lost", "queue.back"]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S


def test_a_redis_that_refuses_our_password_ends_the_worker() -> None:
    fault = RedisUnavailable("Redis does not answer.")
    fault.__cause__ = redis.AuthenticationError("WRONGPASS")
    with pytest.raises(WorkerShutdown) as raised:
        Outage(pause=lambda _: None).goes_on(fault)
    assert raised.value.code == 1


class OnePool:
    """Runs each call at once, in the test's own thread, as Celery's pool of threads would."""

    limit = 3
    putlocks = False

    def apply_async(self, target: Callable[..., Any], args: Any = (), **options: Any) -> object:
        apply_target(target, args, {}, options["callback"], options["accept_callback"])
        done: Future[None] = Future()
        done.set_result(None)
        return type("Running", (), {"f": done})()


class Rig:
    """A consumer on a real Redis whose calls run at once and are noted."""

    def __init__(self, context: "Context") -> None:
        self.ran: list[str] = []
        self.context = context
        self.app: Celery = make_app(context, {"read": self._read})

    def _read(self, call: ReadCall, _: object, __: object) -> JSON:
        self.ran.append(call.tool)
        return None

    def push(self, raw: bytes, queue: str = "local.read") -> None:
        self.context.redis.lpush(f"q:{queue}", raw)

    def run(self) -> None:
        """Takes calls until the queues are empty, by asking to stop when they are."""
        consumer = StrictConsumer(
            lambda _: None,
            intake=make_intake(self.context),
            app=self.app,
            pool=cast("BasePool", OnePool()),
            hostname="test",
        )
        while self.context.redis.keys("q:*"):
            consumer._take_some()


@pytest.fixture
def rig(redis_url: str, tmp_path: Path) -> Rig:
    return Rig(context_for(redis_url, tmp_path))


def good(tool: str = "t", deadline: float = 2_000.0, verb: str = "read") -> bytes:
    call: dict[str, JSON] = {"verb": verb, "tool": tool, "arguments": {}}
    envelope = Envelope(
        id="c", request="c" * 32, reply_to="r:me", sent_at=990.0, deadline=deadline, call=call
    )
    return pack(envelope, queue="local.read")


@pytest.mark.real_redis
def test_calls_run_in_order_and_wrong_messages_between_them_are_dropped(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    for raw in (good("one"), b"\x80\x04pickle", good("two"), b"{}", good("three")):
        rig.push(raw)
    with caplog.at_level(logging.INFO):
        rig.run()
    assert rig.ran == ["one", "two", "three"]
    refused = [r.fields for r in caplog.records if r.msg == "queue.refused"]  # type: ignore[attr-defined]  # set by `Log`
    assert [fields["code"] for fields in refused] == [
        "message_unreadable",
        "message_unreadable",
    ]


@pytest.mark.real_redis
def test_a_call_is_not_done_from_its_deadline_on(rig: Rig) -> None:
    rig.push(good("late", deadline=1_000.0))  # the context's clock stands at 1,000
    rig.push(good("just in time", deadline=1_000.001))
    rig.run()
    assert rig.ran == ["just in time"]


@pytest.mark.real_redis
def test_whoever_still_waits_for_an_expired_call_hears_that_the_clocks_differ(rig: Rig) -> None:
    rig.push(good("late", deadline=700.0))
    rig.run()
    (raw,) = cast("list[bytes]", rig.context.redis.lrange("r:me", 0, -1))
    reply = json.loads(raw)
    assert (reply["id"], reply["code"]) == ("c", "clocks_differ")
    assert "300 s" in reply["message"]


@pytest.mark.real_redis
def test_the_queue_is_what_redis_says_and_not_what_the_message_claims(rig: Rig) -> None:
    rig.push(good("read").replace(b"local.read", b"local.apply"), queue="local.read")
    rig.push(good("apply"), queue="local.apply")
    rig.run()
    assert rig.ran == ["read"]


@pytest.mark.real_redis
def test_a_running_celery_worker_would_log_nothing_of_the_call(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.push(good("canary-0b1d"))
    with caplog.at_level(logging.INFO):
        logging.getLogger("celery").setLevel(logging.WARNING)  # as `make_worker` does
        rig.run()
    assert "canary-0b1d" not in "".join(str(vars(record)) for record in caplog.records)


@pytest.mark.real_redis
def test_the_consumer_stops_when_celerys_worker_is_told_to(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = StrictConsumer(
        lambda _: None,
        intake=make_intake(rig.context),
        app=rig.app,
        pool=cast("BasePool", OnePool()),
        hostname="test",
    )
    monkeypatch.setattr(state, "should_stop", 0)
    with pytest.raises(WorkerShutdown):
        consumer.start()
