"""Calls through a real Redis to real worker processes, hostile messages among them."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from celery import Celery

from api.dispatch import Dispatch
from api.worker_faults import WorkerFailed
from shared.audit import verify
from shared.envelopes import MAX_ENVELOPE_BYTES, Envelope, pack
from shared.errors import ClusterTimeout, NoWorker, Refusal
from shared.messages import TASK, ApplyCall, Progress, ReadCall
from tests.journeys.queue_stage import STOP_S, WorkerProcess, dispatching, until, until_served
from tests.journeys.queue_worker import CANARY

pytestmark = [pytest.mark.real_redis, pytest.mark.timeout(180)]


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[WorkerProcess]:
    process = WorkerProcess(redis_url, tmp_path)
    yield process
    process.kill()


def read(tool: str, **arguments: str | int) -> ReadCall:
    return ReadCall(tool=tool, arguments=dict(arguments))


async def ask(dispatch: Dispatch, call: ReadCall, timeout_s: float = 20) -> object:
    return await dispatch.call("local", call, timeout_s=timeout_s, subject="s")


def test_answers_refusals_faults_and_progress_come_back_and_nothing_is_in_the_log(
    redis_url: str, worker: WorkerProcess
) -> None:
    async def story() -> None:
        async with dispatching(redis_url) as dispatch:
            await until_served(dispatch)
            assert await ask(dispatch, read("echo", secret=CANARY)) == {"echo": {"secret": CANARY}}
            refusal = await ask(dispatch, read("refuse"))
            assert isinstance(refusal, Refusal)
            assert (refusal.code, refusal.details) == ("not_today", {"day": "1"})
            with pytest.raises(ClusterTimeout):
                await ask(dispatch, read("fault"))
            with pytest.raises(WorkerFailed, match="log has more"):
                await ask(dispatch, read("crash"))
            heard: list[str] = []

            async def hear(progress: Progress) -> None:
                heard.append(progress.message)

            applied = await dispatch.call(
                "local",
                ApplyCall(plan_id=CANARY),
                timeout_s=20,
                subject="s",
                on_progress=hear,
            )
            assert applied == {"applied": CANARY}
            assert heard == ["halfway", "done"]

    asyncio.run(story())
    assert worker.stop() == 0
    assert len(worker.events("call.done")) == 5
    assert len(worker.events("call.incident")) == 1
    assert CANARY not in worker.log_text()
    assert CANARY not in (worker.folder / "audit" / "audit.jsonl").read_text()
    assert verify(worker.folder / "audit" / "audit.jsonl") == ()


def celery_message(**options: object) -> bytes:
    """What Celery's own producer would push, with `options` of `as_task_v2`."""
    app = Celery(broker="memory://", set_as_current=False)
    made = app.amqp.as_task_v2(
        "id-1",
        str(options.pop("name", TASK)),
        args=(read("echo").model_dump(mode="json"),),
        reply_to="r:me",
        root_id="c" * 32,
        **{"expires": 60.0, **options},  # type: ignore[arg-type]  # each case sets its own
    )
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(made.body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {**made.headers, "sent_at": datetime.now(UTC).isoformat()},
            "properties": {
                **made.properties,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "local.read"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "t",
            },
        }
    ).encode()


APPLY_NEXT = {"task": TASK, "args": [{"verb": "apply", "plan_id": "p"}], "options": {}}

HOSTILE: dict[str, bytes] = {
    "pickle": celery_message().replace(b"application/json", b"application/x-python-serialize"),
    "yaml": celery_message().replace(b"application/json", b"application/x-yaml"),
    "chain": celery_message(chain=[APPLY_NEXT]),
    "callback": celery_message(callbacks=[APPLY_NEXT]),
    "errback": celery_message(errbacks=[APPLY_NEXT]),
    "chord": celery_message(chord=APPLY_NEXT),
    "group": celery_message(group_id="g"),
    "eta": celery_message(countdown=1),
    "retry": celery_message(retries=3),
    "stamps": celery_message(stamped_headers=["a"], a="b"),
    "shadow": celery_message(shadow="celery.backend_cleanup"),
    "another task": celery_message(name="celery.chord_unlock"),
    "no deadline": celery_message(expires=None),
    "expired": celery_message(expires=-1.0),
    "giant": b" " * (MAX_ENVELOPE_BYTES + 1),
    "giant body": celery_message().replace(b'"body": "', b'"body": "' + b"A" * MAX_ENVELOPE_BYTES),
    "bad base64": celery_message().replace(b'"body": "', b'"body": "%%%'),
    "no properties": json.dumps({"body": "", "headers": {}}).encode(),
    "not JSON": b"\x80\x04\x95",
    "a list": b"[]",
    "deep": b"[" * 200_000,
    "empty": b"",
}


def test_every_hostile_message_is_dropped_and_the_next_good_call_is_answered(
    redis_url: str, worker: WorkerProcess
) -> None:
    async def story() -> None:
        async with dispatching(redis_url) as dispatch:
            await until_served(dispatch)
            with redis.Redis.from_url(redis_url) as client:
                for raw in HOSTILE.values():
                    client.lpush("q:local.read", raw)
            assert await ask(dispatch, read("echo", still="here")) == {"echo": {"still": "here"}}

    asyncio.run(story())
    assert worker.stop() == 0
    refused, expired = worker.events("queue.refused"), worker.events("queue.expired")
    assert (len(refused), len(expired)) == (len(HOSTILE) - 1, 1)
    assert len(worker.events("call.done")) == 1
    assert not (worker.folder / "applied").exists()


def test_an_apply_pushed_to_the_read_queue_is_not_applied_even_with_all_roles_in_one_process(
    redis_url: str, worker: WorkerProcess
) -> None:
    apply = Envelope(
        id="evil",
        request="e" * 32,
        reply_to="r:me",
        sent_at=time.time(),
        deadline=time.time() + 60,
        call={"verb": "apply", "plan_id": "p"},
    )

    async def story() -> None:
        async with dispatching(redis_url) as dispatch:
            await until_served(dispatch)
            with redis.Redis.from_url(redis_url) as client:
                client.lpush("q:local.read", pack(apply, queue="local.apply"))
            await ask(dispatch, read("echo"))

    asyncio.run(story())
    worker.stop()
    assert "verb_of_another_role" in [line["outcome"] for line in worker.events("call.done")]
    assert not (worker.folder / "applied").exists()


@pytest.mark.usefixtures("worker")
def test_celerys_own_producer_reaches_the_worker(redis_url: str) -> None:
    """The queue is Celery's: `send_task` over kombu's Redis transport is understood."""

    async def story() -> None:
        async with dispatching(redis_url) as dispatch:
            await until_served(dispatch)

    asyncio.run(story())
    app = Celery(broker=redis_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "q:"}
    app.send_task(
        TASK,
        args=(read("echo", by="celery").model_dump(mode="json"),),
        queue="local.read",
        expires=60,
        ignore_result=True,
        reply_to="r:them",
        root_id="c" * 32,
        headers={"sent_at": datetime.now(UTC).isoformat()},
        argsrepr="…",
        kwargsrepr="…",
    )
    with redis.Redis.from_url(redis_url) as client:
        popped = client.blpop(["r:them"], timeout=20)
    app.close()
    assert isinstance(popped, list | tuple)
    assert json.loads(popped[1])["body"] == {"echo": {"by": "celery"}}


def test_roles_in_two_processes_serve_their_own_queues(redis_url: str, tmp_path: Path) -> None:
    reader = WorkerProcess(redis_url, tmp_path / "reader", INFRA_GATE_WORKER_ROLES="read")
    applier = WorkerProcess(redis_url, tmp_path / "applier", INFRA_GATE_WORKER_ROLES="apply")

    async def story() -> None:
        async with dispatching(redis_url) as dispatch:
            await until(dispatch, lambda workers: len(workers) == 2)
            await ask(dispatch, read("echo"))
            call = ApplyCall(plan_id="p")
            assert await dispatch.call("local", call, timeout_s=20, subject="s")
            assert applier.stop() == 0
            await until(dispatch, lambda workers: len(workers) == 1)
            with pytest.raises(NoWorker):
                await dispatch.call("local", call, timeout_s=20, subject="s")

    try:
        asyncio.run(story())
    finally:
        reader.kill()
        applier.kill()
    assert len(reader.events("call.done")) == 1
    assert len(applier.events("call.done")) == 1


def test_a_stop_lets_running_calls_end_and_cuts_off_what_takes_too_long(
    redis_url: str, worker: WorkerProcess
) -> None:
    async def running(dispatch: Dispatch, file: str) -> "asyncio.Task[object]":
        """A call that has said that it runs, and runs until there is that file."""
        begun = asyncio.Event()

        async def hear(_: Progress) -> None:
            begun.set()

        call = dispatch.call(
            "local", read("stay", file=file), timeout_s=100, subject=file, on_progress=hear
        )
        task: asyncio.Task[object] = asyncio.create_task(call)
        await begun.wait()
        return task

    async def story() -> None:
        async with dispatching(redis_url) as dispatch:
            await until_served(dispatch)
            short = await running(dispatch, "short")
            endless = await running(dispatch, "never")
            worker.ask_to_stop()
            (worker.folder / "short").touch()
            assert await short == {"echo": {"file": "short"}}
            assert await asyncio.to_thread(worker.process.wait, STOP_S) == 1
            assert not endless.done()
            endless.cancel()
            assert await dispatch.workers() == ()

    asyncio.run(story())
    assert len(worker.events("worker.cut_off")) == 1
    assert len(worker.events("call.done")) == 1


def test_a_wrong_password_ends_the_worker_visibly(redis_url: str, tmp_path: Path) -> None:
    wrong = redis_url.replace("redis://", "redis://worker:wrong-secret@")
    worker = WorkerProcess(wrong, tmp_path)
    assert worker.process.wait(60) == 1
    assert len(worker.events("queue.forbidden")) == 1
    assert "wrong-secret" not in worker.log_text()
