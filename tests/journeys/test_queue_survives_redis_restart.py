"""Redis goes away under load, again and again, with every thread busy: the worker comes back.

This is the fault that Celery's own consumer does not survive (it stays alive and takes nothing any
more), and the reason for `worker.delivery`.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.dispatch import Dispatch
from dev.redis_server import RedisServer, free_port
from shared.errors import Fault, RedisUnavailable, WorkerTimeout
from shared.messages import ApplyCall, ReadCall
from tests.journeys.queue_stage import WorkerProcess, dispatching, until, until_served

pytestmark = [pytest.mark.real_redis, pytest.mark.timeout(240)]

THREADS = 4
CLIENTS = 12
BUSY = ReadCall(tool="wait", arguments={"seconds": 1})


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own, since it is stopped."""
    with RedisServer(free_port(), tmp_path / "redis", aof=True) as server:
        yield server


@pytest.fixture
def worker(redis: RedisServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    process = WorkerProcess(redis.url, tmp_path, INFRA_GATE_WORKER_THREADS=str(THREADS))
    yield process
    process.kill()


class Load:
    """Clients that ask all the time, more of them than the worker has threads."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.outcomes: Counter[str] = Counter()
        self.answered = asyncio.Condition()
        self._dispatch = dispatch
        self._ended = False
        self._tasks = [asyncio.create_task(self._client(f"s{n}")) for n in range(CLIENTS)]

    async def _client(self, subject: str) -> None:
        while not self._ended:  # before Python 3.12 redis-py can lose a cancellation
            try:
                await self._dispatch.call("local", BUSY, timeout_s=4, subject=subject)
            except Fault as fault:
                self.outcomes[fault.code] += 1
                await asyncio.sleep(0.2)
                continue
            self.outcomes["answer"] += 1
            async with self.answered:
                self.answered.notify_all()

    async def more_answers(self, count: int) -> None:
        """Returns when the worker has answered that often again."""
        wanted = self.outcomes["answer"] + count
        async with asyncio.timeout(60), self.answered:
            await self.answered.wait_for(lambda: self.outcomes["answer"] >= wanted)

    async def end(self) -> None:
        self._ended = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def test_a_worker_with_every_thread_busy_takes_calls_again_after_each_of_five_restarts(
    redis: RedisServer, worker: WorkerProcess
) -> None:
    async def story() -> Counter[str]:
        async with dispatching(redis.url) as dispatch:
            await until_served(dispatch)
            load = Load(dispatch)
            for round_ in range(5):
                await load.more_answers(THREADS * 2)
                end = redis.stop if round_ % 2 else redis.kill
                await asyncio.to_thread(end)
                if round_ == 4:  # with every thread busy, a shorter outage may pass unseen
                    await worker.said("queue.lost")
                await asyncio.to_thread(redis.start)
            await load.more_answers(CLIENTS * 2)
            await load.end()
            return load.outcomes

    outcomes = asyncio.run(story())
    assert worker.process.poll() is None
    assert set(outcomes) <= {"answer", "redis_unavailable", "worker_timeout", "no_worker"}
    assert worker.stop() in {0, 1}
    lost, back = worker.events("queue.lost"), worker.events("queue.back")
    assert len(back) == len(lost) > 0


def test_after_the_last_restart_every_thread_is_in_use_again(
    redis: RedisServer, worker: WorkerProcess
) -> None:
    """A slot that leaked in an outage would leave too few for the calls that meet."""

    async def story() -> None:
        async with dispatching(redis.url) as dispatch:
            await until_served(dispatch)
            load = Load(dispatch)
            for _ in range(2):
                await load.more_answers(THREADS)
                await asyncio.to_thread(redis.kill)
                await asyncio.to_thread(redis.start)
            await load.more_answers(THREADS)
            await load.end()
            await until_served(dispatch)
            meet = ReadCall(tool="meet", arguments={})  # as many as there are threads, or for ever
            await asyncio.gather(
                *(
                    dispatch.call("local", meet, timeout_s=60, subject=str(n))
                    for n in range(THREADS)
                )
            )

    asyncio.run(story())
    worker.stop()


def test_an_idle_worker_takes_calls_again_and_announces_itself_again(
    redis: RedisServer, worker: WorkerProcess
) -> None:
    async def story() -> None:
        async with dispatching(redis.url) as dispatch:
            await until_served(dispatch)
            await asyncio.to_thread(redis.stop)
            (redis.log.parent / "appendonlydir").rename(redis.log.parent / "lost")
            await asyncio.to_thread(redis.start)  # empty, as after a failover to nothing
            async with dispatching(redis.url, "new") as another:  # knows no worker from before
                await until_served(another)
            await until_served(dispatch)
            call = ReadCall(tool="echo", arguments={})
            assert await dispatch.call("local", call, timeout_s=20, subject="s") == {"echo": {}}

    asyncio.run(story())
    assert worker.stop() == 0


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(tmp_path: Path) -> None:
    server = RedisServer(free_port(), tmp_path / "redis", aof=False)
    worker = WorkerProcess(server.url, tmp_path)

    async def story() -> None:
        await worker.said("queue.lost")
        await asyncio.to_thread(server.start)
        async with dispatching(server.url) as dispatch:
            await until_served(dispatch)
            call = ReadCall(tool="echo", arguments={})
            assert await dispatch.call("local", call, timeout_s=20, subject="s") == {"echo": {}}

    try:
        asyncio.run(story())
        assert worker.stop() == 0
    finally:
        worker.kill()
        server.stop()


def test_a_frozen_redis_fails_calls_while_it_is_frozen_and_the_worker_goes_on_afterwards(
    redis: RedisServer, worker: WorkerProcess
) -> None:
    async def story() -> None:
        async with dispatching(redis.url, timeout_s=1) as dispatch:
            await until_served(dispatch)
            assert redis.pid is not None
            os.kill(redis.pid, signal.SIGSTOP)
            with pytest.raises((RedisUnavailable, WorkerTimeout)):
                await dispatch.call("local", BUSY, timeout_s=5, subject="s")
            os.kill(redis.pid, signal.SIGCONT)
            async with asyncio.timeout(30):
                while True:
                    with contextlib.suppress(Fault):
                        call = ReadCall(tool="echo", arguments={})
                        await dispatch.call("local", call, timeout_s=10, subject="s")
                        return

    asyncio.run(story())
    assert worker.stop() == 0


def test_an_apply_that_was_lost_with_the_worker_runs_not_at_all_or_once(
    redis: RedisServer, worker: WorkerProcess, tmp_path: Path
) -> None:
    """A call is taken off its queue before it runs: kill -9 loses it, nothing repeats it."""

    async def story() -> None:
        async with dispatching(redis.url) as dispatch:
            await until_served(dispatch)
            calls = [
                asyncio.create_task(
                    dispatch.call("local", ApplyCall(plan_id=f"p{n}"), timeout_s=4, subject=str(n))
                )
                for n in range(5)
            ]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(worker.kill)
            second = WorkerProcess(redis.url, tmp_path)
            try:
                await asyncio.gather(*calls, return_exceptions=True)
                await until(dispatch, lambda workers: len(workers) >= 1)
                call = ReadCall(tool="echo", arguments={})
                await dispatch.call("local", call, timeout_s=30, subject="s")
            finally:
                second.kill()

    asyncio.run(story())
    applied = (tmp_path / "applied").read_text().split()
    assert len(applied) == len(set(applied))
