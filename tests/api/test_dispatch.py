"""The gateway's side of the queue: who may ask, what comes back, and what if nothing does."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from subprocess import run
from typing import Any

import pytest
from pydantic import SecretStr

from api import dispatch, leaving
from api.admission import Admission
from api.dispatch import Dispatch
from api.worker_faults import WorkerFailed
from dev.redis_server import free_port
from shared.envelopes import Envelope, unpack
from shared.errors import (
    ClusterTimeout,
    NoWorker,
    QueueFull,
    RedisUnavailable,
    Refusal,
    ShareFull,
    WorkerTimeout,
)
from shared.messages import (
    Announcement,
    Answer,
    ApplyCall,
    Call,
    Failed,
    Progress,
    ReadCall,
    Refused,
    Role,
    reply_json,
)
from shared.stores.announcements import announced
from shared.stores.connection import AsyncRedis, connect_async

NOW = 1_800_000_000.0
CALL = ReadCall(tool="get_k8s_status", arguments={"namespace": "a"})


class Stage:
    """A dispatch on a real Redis, and the worker's end of its queues."""

    def __init__(self, redis: AsyncRedis, **limits: Any) -> None:
        self.redis = redis
        self.dispatch = Dispatch(redis, "me", clock=lambda: NOW, **limits)

    async def announce(
        self, worker: str, *namespaces: str, cluster: str = "local", roles: Any = tuple(Role)
    ) -> None:
        said = Announcement(
            worker=worker,
            version="0",
            cluster=cluster,
            cluster_id="uid",
            cluster_version="v1.36.0",
            simulated=False,
            namespaces=namespaces,
            roles=roles,
            started_at=1,
            seen_at=2,
        )
        await self.redis.set(f"wk:worker:{worker}", said.model_dump_json())
        await self.redis.sadd("wk:workers", worker)

    async def next_call(self, queue: str = "local.read") -> Envelope:
        taken = await self.redis.brpop([f"q:{queue}"], timeout=30)
        assert taken is not None
        assert isinstance(taken[1], bytes)
        envelope = unpack(taken[1])
        assert isinstance(envelope, Envelope)
        return envelope

    async def reply(self, *replies: Answer | Refused | Failed | Progress) -> None:
        await self.redis.rpush("r:me", *(reply_json(reply) for reply in replies))


def play(url: str, story: Callable[[Stage], Awaitable[None]], **limits: Any) -> None:
    """Runs `story` with a started dispatch."""

    async def main() -> None:
        redis = connect_async(SecretStr(url), timeout_s=2)
        stage = Stage(redis, **limits)
        await stage.dispatch.start()
        try:
            await story(stage)
        finally:
            await stage.dispatch.stop()
            await redis.aclose()

    asyncio.run(main())


def asked(stage: Stage, **options: Any) -> "asyncio.Task[Any]":
    """A call under way."""
    given: dict[str, Any] = {"timeout_s": 5, "subject": "s", **options}
    return asyncio.create_task(stage.dispatch.call("local", given.pop("call", CALL), **given))


pytestmark = pytest.mark.real_redis


@pytest.fixture(autouse=True)
def time_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, too, everything is taken back before a dispatch stops."""
    monkeypatch.setattr(leaving, "SETTLE_S", 60.0)


def test_the_call_reaches_its_queue_with_deadline_and_reply_list(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        call = asked(stage)
        envelope = await stage.next_call()
        assert envelope.call == CALL.model_dump(mode="json")
        assert (envelope.deadline, envelope.reply_to) == (NOW + 5, "r:me")
        await stage.reply(Answer(id=envelope.id, body={"x": 1}))
        assert await call == {"x": 1}

    play(redis_url, story)


def test_a_call_is_sent_without_waiting_for_its_answer(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        call = ApplyCall(plan_id="p")
        await stage.dispatch.send("local", call, timeout_s=60)
        envelope = await stage.next_call("local.apply")
        assert (envelope.call, envelope.deadline) == (call.model_dump(mode="json"), NOW + 60)
        await stage.reply(Answer(id=envelope.id, body=None))
        with pytest.raises(NoWorker):
            await stage.dispatch.send("elsewhere", call, timeout_s=60)

    play(redis_url, story)


def test_answers_find_their_callers_whatever_their_order(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        calls = [asked(stage, subject=str(n)) for n in range(5)]
        envelopes = [await stage.next_call() for _ in calls]
        await stage.reply(*(Answer(id=e.id, body=e.id) for e in reversed(envelopes)))
        assert sorted(await asyncio.gather(*calls)) == sorted(e.id for e in envelopes)

    play(redis_url, story)


def test_a_refusal_of_the_worker_is_the_refusal(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        call = asked(stage)
        envelope = await stage.next_call()
        refused = Refused(id=envelope.id, code="no", message="Not so.", details={"a": "b"})
        await stage.reply(refused)
        assert await call == Refusal(code="no", message="Not so.", details={"a": "b"})

    play(redis_url, story)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("cluster_timeout", ClusterTimeout),
        ("redis_unavailable", RedisUnavailable),
        ("internal_fault", WorkerFailed),
        ("a_code_of_tomorrow", WorkerFailed),
    ],
)
def test_a_fault_of_the_worker_is_raised_as_what_it_was(
    redis_url: str, code: str, kind: type[Exception]
) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        call = asked(stage)
        envelope = await stage.next_call()
        await stage.reply(Failed(id=envelope.id, code=code, message="What happened."))
        with pytest.raises(kind, match=r"What happened\."):
            await call

    play(redis_url, story)


def test_progress_is_passed_on_in_order_before_the_answer(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        heard: list[int] = []

        async def hear(progress: Progress) -> None:
            heard.append(progress.done)

        await stage.announce("w", "a")
        call = asked(stage, call=ApplyCall(plan_id="p"), on_progress=hear)
        envelope = await stage.next_call("local.apply")
        steps = [Progress(id=envelope.id, done=n, total=3, message="") for n in (1, 2, 3)]
        await stage.reply(*steps, Answer(id=envelope.id, body="done"))
        assert await call == "done"
        assert heard == [1, 2, 3]

    play(redis_url, story)


def test_without_a_live_worker_for_the_role_nothing_is_queued(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a", roles=(Role.READ,))
        with pytest.raises(NoWorker, match="role 'apply' serves cluster 'local'"):
            await asked(stage, call=ApplyCall(plan_id="p"))
        assert await stage.redis.keys("q:*") == []

    play(redis_url, story)


def test_nobody_answering_is_a_timeout_and_frees_the_place(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        for _ in range(3):
            with pytest.raises(WorkerTimeout):
                await asked(stage, timeout_s=0.05)
            await stage.next_call()  # a worker came, too late

    play(redis_url, story, max_in_flight=2)


def test_a_late_answer_is_nobodys(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        with pytest.raises(WorkerTimeout):
            await asked(stage, timeout_s=0.05)
        late = await stage.next_call()
        call = asked(stage)
        envelope = await stage.next_call()
        await stage.reply(Answer(id=late.id, body="late"), Answer(id=envelope.id, body="mine"))
        assert await call == "mine"

    play(redis_url, story)


def test_a_cancelled_caller_frees_its_place(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        call = asked(stage)
        await stage.next_call()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        again = asked(stage)  # the share of one subject alone is one of two places
        envelope = await stage.next_call()
        await stage.reply(Answer(id=envelope.id, body=1))
        assert await again == 1

    play(redis_url, story, max_in_flight=2)


@pytest.mark.promise("leaving-stops-no-apply")
def test_a_call_whose_caller_leaves_is_taken_out_of_the_queue(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        stays, leaves = asked(stage), asked(stage, subject="another")
        while await stage.redis.llen("q:local.read") < 2:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.wait([leaves])
        await stage.dispatch._leaving.settle()
        envelope = await stage.next_call()
        assert await stage.redis.llen("q:local.read") == 0
        await stage.reply(Answer(id=envelope.id, body="mine"))
        assert await stays == "mine"
        assert await stage.redis.keys("gw:left:*") == []

    play(redis_url, story)


@pytest.mark.promise("leaving-stops-no-apply")
@pytest.mark.parametrize(
    ("call", "queue", "noted"),
    [(CALL, "local.read", True), (ApplyCall(plan_id="p"), "local.apply", False)],
    ids=["a read", "an apply"],
)
def test_a_worker_is_told_that_nobody_waits_for_its_read_but_never_of_an_apply(
    redis_url: str, call: Call, queue: str, noted: bool
) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        leaves = asked(stage, call=call)
        envelope = await stage.next_call(queue)
        leaves.cancel()
        await asyncio.wait([leaves])
        await stage.dispatch._leaving.settle()
        assert bool(await stage.redis.exists(f"gw:left:{envelope.id}")) is noted

    play(redis_url, story)


def test_a_queue_that_is_too_long_takes_no_more(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        await stage.redis.lpush("q:local.read", *(b"x" for _ in range(8)))
        with pytest.raises(QueueFull):
            await asked(stage)

    play(redis_url, story, max_in_flight=8)


def test_a_noisy_subject_is_refused_while_a_quiet_one_is_served(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        noisy = [asked(stage, subject="noisy") for _ in range(20)]
        done: set[asyncio.Future[object]] = set()
        while len(done) < 16:
            done, _ = await asyncio.wait(noisy, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)
        assert [type(call.exception()) for call in done] == [ShareFull] * 16
        while await stage.redis.llen("q:local.read") < 4:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0)
        quiet = asked(stage, subject="quiet")
        for _ in range(5):
            envelope = await stage.next_call()
            await stage.reply(Answer(id=envelope.id, body="served"))
        assert await quiet == "served"

    play(redis_url, story, max_in_flight=8)


def test_a_subject_that_is_noisy_at_many_replicas_leaves_room_in_the_queue(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")
        replicas = [
            Dispatch(stage.redis, f"r{number}", clock=lambda: NOW, max_in_flight=8)
            for number in range(5)
        ]
        noisy = [
            asyncio.ensure_future(each.call("local", CALL, timeout_s=30, subject="noisy"))
            for each in replicas
            for _ in range(8)
        ]
        queued = 0
        while queued + sum(call.done() for call in noisy) < len(noisy):
            queued = await stage.redis.llen("q:local.read")
        waiting = [call for call in noisy if not call.done()]
        assert all(isinstance(call.exception(), QueueFull) for call in noisy if call.done())
        assert len(waiting) == 4  # half of the eight that there are, in whatever order they came
        quiet = asyncio.ensure_future(
            replicas[0].call("local", CALL, timeout_s=0.2, subject="quiet")
        )
        with pytest.raises(WorkerTimeout):  # it was queued; nobody works here
            await quiet
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for each in replicas:
            await each.stop()
        assert await stage.redis.llen("q:local.read") == 1  # the quiet one's, for workers to drop

    play(redis_url, story)


def test_redis_gone_is_a_clear_fault() -> None:
    async def story(stage: Stage) -> None:
        with pytest.raises(RedisUnavailable):
            await asked(stage)

    play(f"redis://127.0.0.1:{free_port()}/0", story)


def test_the_namespaces_of_all_live_workers_are_allowed(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w1", "b", "a")
        await stage.announce("w2", "c", cluster="east")
        assert await stage.dispatch.allowed_namespaces() == ("a", "b", "c")

    play(redis_url, story)


def test_with_no_worker_nobody_knows_what_is_allowed(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        with pytest.raises(NoWorker, match="No worker is running"):
            await stage.dispatch.allowed_namespaces()

    play(redis_url, story)


def test_the_cluster_of_a_namespace_is_that_of_its_workers(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w1", "a", roles=(Role.READ,))
        await stage.announce("w2", "b", cluster="east")
        await stage.announce("w3", "both")
        await stage.announce("w4", "both", cluster="east")
        cluster_for = stage.dispatch.cluster_for
        assert await cluster_for("a", Role.READ) == "local"
        assert await cluster_for("b", Role.APPLY) == "east"
        with pytest.raises(NoWorker, match="role 'plan' serves namespace 'a'"):
            await cluster_for("a", Role.PLAN)
        unknown = await cluster_for("default", Role.READ)
        assert isinstance(unknown, Refusal)
        assert unknown.code == "namespace_not_allowed"
        twice = await cluster_for("both", Role.READ)
        assert isinstance(twice, Refusal)
        assert twice.code == "namespace_ambiguous"

    play(redis_url, story)


def test_the_list_of_workers_is_asked_for_once_a_second_at_most(redis_url: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.announce("w1", "a")
        await stage.dispatch.workers()
        before = (await stage.redis.info("stats"))["total_commands_processed"]
        await asyncio.gather(*(stage.dispatch.workers() for _ in range(50)))
        after = (await stage.redis.info("stats"))["total_commands_processed"]
        assert after - before < 10

    play(redis_url, story)


def test_who_asks_for_the_workers_while_redis_is_silent_shares_one_time_out() -> None:
    """Each waiting for its own, after the others, the last of 50 would hear nothing for minutes."""

    async def story(stage: Stage) -> None:
        tried = 0

        async def counted(redis: AsyncRedis) -> tuple[Announcement, ...]:
            nonlocal tried
            tried += 1
            return await announced(redis)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dispatch, "announced", counted)
            patch.setattr(dispatch, "FRESH_S", 3600.0)  # however slow this machine is
            ends = await asyncio.gather(
                *(stage.dispatch.workers() for _ in range(50)), return_exceptions=True
            )
        assert [type(end) for end in ends] == [RedisUnavailable] * 50
        assert tried == 1

    play(f"redis://127.0.0.1:{free_port()}/0", story)


def test_the_gateway_does_not_import_celery() -> None:
    code = "import sys, api.dispatch; sys.exit('celery' in sys.modules or 'kombu' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def admitted(places: int, subjects: str) -> list[str]:
    """Who of the subjects that ask in this order gets a place, when nobody leaves."""

    async def main() -> list[str]:
        admission, entered = Admission(places), []
        places_held = []
        for subject in subjects:
            place = admission.place("local.read", subject)
            try:
                await place.__aenter__()
            except QueueFull:
                continue
            entered.append(subject)
            places_held.append(place)
        for place in places_held:
            await place.__aexit__(None, None, None)
        return entered

    return asyncio.run(main())


def test_one_subject_alone_gets_half_of_the_places() -> None:
    assert admitted(8, "aaaaaaaa") == list("aaaa")


def test_each_further_subject_finds_room() -> None:
    entered = admitted(16, "a" * 16 + "b" * 16 + "c" * 16 + "d" * 16 + "ef")
    assert [entered.count(subject) for subject in "abcdef"] == [8, 4, 2, 1, 1, 0]


def test_no_more_than_all_places_are_given() -> None:
    assert len(admitted(4, "abcdefgh")) == 4
