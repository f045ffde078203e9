"""Takes calls from the queues and hands them to Celery's pool; the only consumer there is.

It stands in for `celery.worker.consumer.Consumer` (Celery's setting `worker_consumer`), because
that one lets a message bring work to do later, again or afterwards, offers remote control, and can
stop consuming for good when Redis goes away under load (celery/kombu 5.7). Here: one blocking read
in a loop, never more calls than free threads, every message judged by `shared.envelopes`, the queue
known from the key that Redis answered with. Nothing in a message chooses task, queue or role.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.worker import state
from celery.worker.request import Request
from kombu.message import Message

from shared.envelopes import Envelope, unpack
from shared.errors import ClocksDiffer, RedisUnavailable, Refusal
from shared.logs import Log
from shared.messages import TASK, Failed, Role
from shared.stores.connection import Redis, is_hopeless
from shared.stores.queues import take
from shared.stores.replies import push
from worker.metrics import Metrics

if TYPE_CHECKING:
    from celery import Celery
    from celery.concurrency.base import BasePool

WAIT_S: Final = 1.0
"""How long one read waits; a stop is noticed this late at most."""

BUSY_WAIT_S: Final = 0.1
"""The same while some queue is left out because its share of threads is in use."""

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 1.0
REMIND_S: Final = 30.0

_log = Log("worker.delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Where calls come from: `queues` by name with their roles; `redis` is used by nobody else.

    A read may wait `WAIT_S` longer than that client's commands usually take.
    """

    redis: Redis
    queues: Mapping[str, Role]
    clock: Callable[[], float]
    metrics: Metrics


class Outage:
    """Redis is away: says so at once and again every `REMIND_S`, and waits before each new try."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self._since: float | None = None
        self._said = 0.0
        self._pause_s = FIRST_PAUSE_S

    def goes_on(self, fault: RedisUnavailable) -> None:
        """Waits a little, longer each time.

        Raises:
            WorkerShutdown: Redis is there and does not want us; a supervisor should show that.
        """
        now = time.monotonic()
        if is_hopeless(fault):
            _log.error("queue.forbidden", cause=str(fault))
            raise WorkerShutdown(EX_FAILURE)
        if self._since is None:
            self._since = now
        if now - self._said >= REMIND_S:
            self._said = now
            _log.error("queue.lost", cause=str(fault), seconds=round(now - self._since))
        self._pause(self._pause_s)
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    def over(self) -> None:
        """Redis answers."""
        if self._since is not None:
            _log.warning("queue.back", seconds=round(time.monotonic() - self._since))
            self._since, self._said, self._pause_s = None, 0.0, FIRST_PAUSE_S


class Slots:
    """Which queues may bring another call: free threads, and no queue may take them all.

    Plans and applies wait long (a rollout, many dry-runs); where they share a process, each role
    but reading gets at most a third of the threads. Safe for threads.
    """

    def __init__(self, queues: Mapping[str, Role], threads: int) -> None:
        shared = len(set(queues.values())) > 1
        third = max(1, threads // 3)
        self._free = threads
        self._shares = {
            queue: third if shared and role is not Role.READ else threads
            for queue, role in queues.items()
        }
        self._changed = threading.Condition()

    def open_queues(self, *, wait_s: float) -> tuple[list[str], int]:
        """Returns the queues that may bring calls now, and how many at once any of them may.

        Waits up to `wait_s` for the first to open; empty if none did.
        """
        with self._changed:
            self._changed.wait_for(self._open, timeout=wait_s)
            queues = self._open()
            return queues, min([self._free, *(self._shares[queue] for queue in queues)])

    def occupy(self, queue: str) -> None:
        """Takes a thread for a call from `queue`."""
        with self._changed:
            self._free -= 1
            self._shares[queue] -= 1

    def release(self, queue: str) -> None:
        """Gives the thread back."""
        with self._changed:
            self._free += 1
            self._shares[queue] += 1
            self._changed.notify()

    def _open(self) -> list[str]:
        return [queue for queue, share in self._shares.items() if share > 0 and self._free > 0]


class _Running(Protocol):
    """What Celery's pool of threads returns."""

    f: Future[None]


class StrictConsumer:
    """Celery's worker starts, stops and asks it as it would its own consumer."""

    def __init__(
        self,
        on_task_request: Callable[[Request], None],
        *,
        intake: Intake,
        app: "Celery",
        pool: "BasePool",
        hostname: str,
        init_callback: Callable[["StrictConsumer"], None] | None = None,
        **_: Any,
    ) -> None:
        self.app = app
        self.pool = pool
        self._on_task_request = on_task_request
        self._hostname = hostname
        self._ready = init_callback
        self._intake = intake
        self._slots = Slots(self._intake.queues, pool.limit)
        self._closing = False

    def start(self) -> None:
        """Takes calls until Celery's worker is told to stop (its `state`), whatever Redis does."""
        if self._ready is not None:
            self._ready(self)
        outage = Outage()
        while not self._closing:
            state.maybe_shutdown()
            try:
                self._take_some()
                outage.over()
            except RedisUnavailable as fault:
                outage.goes_on(fault)

    def close(self) -> None:
        """Takes no more."""
        self._closing = True

    stop = shutdown = terminate = close

    def _take_some(self) -> None:
        queues, at_most = self._slots.open_queues(wait_s=WAIT_S)
        if not queues:
            return
        all_open = len(queues) == len(self._intake.queues)
        wait_s = WAIT_S if all_open else BUSY_WAIT_S
        if taken := take(self._intake.redis, queues, at_most=at_most, wait_s=wait_s):
            queue, messages = taken
            for raw in messages:
                self._deliver(queue, raw)

    def _deliver(self, queue: str, raw: bytes) -> None:
        envelope = self._judged(queue, raw)
        if envelope is None:
            return
        request = self._request(queue, envelope)
        self._slots.occupy(queue)
        try:
            running = cast("_Running", request.execute_using_pool(self.pool))
            running.f.add_done_callback(lambda _: self._slots.release(queue))
        except BaseException:
            self._slots.release(queue)
            raise

    def _judged(self, queue: str, raw: bytes) -> Envelope | None:
        """The call, or None when the message is dropped: it is gone from the queue either way."""
        envelope = unpack(raw)
        if isinstance(envelope, Refusal):
            self._intake.metrics.dropped(envelope.code)
            _log.warning("queue.refused", queue=queue, code=envelope.code, bytes=len(raw))
            return None
        late_s = self._intake.clock() - envelope.deadline
        if late_s >= 0:
            self._intake.metrics.dropped("expired")
            _log.info("queue.expired", queue=queue, call=envelope.id, late_s=round(late_s, 3))
            self._say_late(envelope, late_s)
            return None
        return envelope

    def _say_late(self, envelope: Envelope, late_s: float) -> None:
        """Usually nobody waits any more. If somebody does, our clock is ahead of the gateway's."""
        late = Failed(
            id=envelope.id,
            code=ClocksDiffer.code,
            message=f"By the worker's clock the call ended {late_s:.0f} s before it arrived; the"
            " clocks of gateway and worker differ. Tell the operator.",
        )
        with suppress(RedisUnavailable):
            push(self._intake.redis, envelope.reply_to, late)

    def _request(self, queue: str, envelope: Envelope) -> Request:
        """A Celery request made of what we know; no header of the message is passed on."""
        role = self._intake.queues[queue]
        arguments = [envelope, role.value]
        headers = {"id": envelope.id, "task": TASK, "argsrepr": "…", "kwargsrepr": "…"}
        return Request(
            Message(delivery_info={"exchange": "", "routing_key": queue}),
            app=self.app,
            task=self.app.tasks[TASK],
            hostname=self._hostname,
            headers=headers,
            body=(arguments, {}, {}),
            decoded=True,
        )
