"""Carries calls to the workers and their answers back; knows nothing of what is asked.

The gateway's only way to a cluster. One reader per replica takes answers off the replica's list and
gives them to whoever waits. What could not be answered in time is refused before it is queued.
Celery is not imported here: `shared.envelopes` writes its messages.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from api.admission import Admission
from api.leaving import Leaving
from api.metrics import Metrics
from api.verdicts import OnProgress, Reply, verdict
from shared import request_ids
from shared.envelopes import Envelope, pack
from shared.errors import NoWorker, RedisUnavailable, Refusal, WorkerTimeout
from shared.logs import Log
from shared.manifests import JSON
from shared.messages import (
    ROLE_OF,
    Announcement,
    Call,
    Role,
    queue,
)
from shared.questions import namespace_refusal
from shared.stores.announcements import announced
from shared.stores.connection import AsyncRedis
from shared.stores.queues import Parcel, QueueMouth
from shared.stores.replies import next_replies, reply_key
from shared.tracing import Kind, current, within

FRESH_S: Final = 1.0
"""How old the list of workers may be: they announce themselves every second."""

READ_S: Final = 1.0
PAUSE_S: Final = 0.5

Clock: TypeAlias = Callable[[], float]

_log = Log("api.dispatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The live workers, as of `at`."""

    workers: tuple[Announcement, ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unknown:
    """Why nobody knew the live workers `at` that time."""

    fault: str
    at: float


class Dispatch:
    """One replica's way to the workers. Used on one event loop, between `start` and `stop`."""

    def __init__(
        self,
        redis: AsyncRedis,
        replica_id: str,
        *,
        clock: Clock,
        max_in_flight: int = 32,
        metrics: Metrics | None = None,
    ) -> None:
        """Connects nothing yet.

        `clock` gives epoch seconds, for deadlines that workers read. At most `max_in_flight` calls
        of this replica wait for one queue, and no more wait in the queue itself.
        """
        self._redis = redis
        self._replies = reply_key(replica_id)
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._longest = max_in_flight
        self.admission = Admission(max_in_flight)
        self._mouth = QueueMouth(redis)
        self._leaving = Leaving(redis, self._mouth)
        self._waiting: dict[str, asyncio.Queue[Reply]] = {}
        self._known: _Known | None = None
        self._unknown: _Unknown | None = None
        self._asking = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Starts reading answers."""
        self._reader = asyncio.create_task(self._read(), name="replies")

    async def stop(self) -> None:
        """Stops reading; calls that still wait run into their deadlines."""
        await self._leaving.settle()
        self._stopped.set()  # the cancellation can get lost, see `_asked`
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
            self._reader = None

    async def call(
        self,
        cluster: str,
        call: Call,
        *,
        timeout_s: float,
        subject: str,
        on_progress: OnProgress | None = None,
    ) -> JSON | Refusal:
        """Has a worker do `call` and returns the body of its answer, or its refusal.

        `subject` is who asks, for fairness only. After `timeout_s`, or when this is cancelled,
        nobody starts on it any more, and a worker that had started on a read or a plan stops.

        Raises:
            NoWorker: no live worker serves this cluster in this role; within a second.
            QueueFull: it could not be answered in time.
            WorkerTimeout: no answer came before the deadline.
            RedisUnavailable: it was not queued, or nobody knows.
            Fault: what the worker said that went wrong there.
        """
        role = ROLE_OF[call.verb]
        await self._require_worker(cluster, role)
        name = queue(cluster, role)
        async with self.admission.place(name, subject):
            with self._metrics.with_workers(role):
                return await self._asked(name, call, timeout_s, on_progress, subject=subject)

    async def send(self, cluster: str, call: Call, *, timeout_s: float) -> None:
        """Has a worker do `call`; what becomes of it is to be seen elsewhere.

        After `timeout_s` nobody starts on it any more.

        Raises:
            NoWorker: as `call`.
            QueueFull: it could not be started in time.
            RedisUnavailable: it was not queued, or nobody knows.
        """
        role = ROLE_OF[call.verb]
        await self._require_worker(cluster, role)
        name = queue(cluster, role)
        envelope = self._envelope(secrets.token_urlsafe(16), call, timeout_s)
        await self._mouth.put(_parcel(name, envelope, envelope.id), longest=self._longest)

    async def workers(self) -> tuple[Announcement, ...]:
        """Returns the live workers, as of at most `FRESH_S` ago.

        Raises:
            RedisUnavailable: nobody knows.
        """
        if (fresh := self._fresh()) is not None:  # nearly always, and without a lock
            return fresh
        async with self._asking:  # one question for all who ask at once
            if (fresh := self._fresh()) is not None:
                return fresh
            now = asyncio.get_running_loop().time()
            if self._unknown is not None and now - self._unknown.at < FRESH_S:
                raise RedisUnavailable(self._unknown.fault)
            try:
                self._known = _Known(workers=await announced(self._redis), at=now)
            except RedisUnavailable as fault:  # and one time-out, not one for each
                failed_at = asyncio.get_running_loop().time()
                self._unknown = _Unknown(fault=str(fault), at=failed_at)
                raise
            return self._known.workers

    async def allowed_namespaces(self) -> tuple[str, ...]:
        """Returns the namespaces that some live worker serves, sorted.

        Raises:
            NoWorker: no worker lives, so nobody knows.
            RedisUnavailable: nobody knows.
        """
        workers = await self.workers()
        if not workers:
            raise NoWorker("No worker is running; the operator must start one.")
        return tuple(sorted({name for worker in workers for name in worker.namespaces}))

    async def cluster_for(self, namespace: str, role: Role) -> str | Refusal:
        """Returns the cluster whose workers serve `namespace`, or why there is none.

        Raises:
            NoWorker: workers serve the namespace, but none in this role.
            RedisUnavailable: nobody knows.
        """
        allowed = await self.allowed_namespaces()
        if (refusal := namespace_refusal(namespace, allowed)) is not None:
            return refusal
        serving = [worker for worker in await self.workers() if namespace in worker.namespaces]
        clusters = {worker.cluster for worker in serving if role in worker.roles}
        if not clusters:
            raise NoWorker(f"No worker with role '{role.value}' serves namespace '{namespace}'.")
        if len(clusters) > 1:
            return Refusal(
                code="namespace_ambiguous",
                message=f"Namespace '{namespace}' is served in several clusters: "
                f"{', '.join(sorted(clusters))}. The operator must allow it in one.",
            )
        current().note(namespace=namespace)  # one of ours
        return clusters.pop()

    async def _require_worker(self, cluster: str, role: Role) -> None:
        for worker in await self.workers():
            if worker.cluster == cluster and role in worker.roles:
                return
        raise NoWorker(f"No worker with role '{role.value}' serves cluster '{cluster}'.")

    def _fresh(self) -> tuple[Announcement, ...] | None:
        now = asyncio.get_running_loop().time()
        known = self._known
        return known.workers if known is not None and now - known.at < FRESH_S else None

    async def _asked(
        self,
        name: str,
        call: Call,
        timeout_s: float,
        on_progress: OnProgress | None,
        *,
        subject: str,
    ) -> JSON | Refusal:
        call_id = secrets.token_urlsafe(16)
        putting = current().child("queue put", Kind.PRODUCER, queue=name, call=call_id)
        envelope = self._envelope(call_id, call, timeout_s, putting.traceparent)
        parcel = _parcel(name, envelope, subject)
        replies = self._waiting[call_id] = asyncio.Queue()
        latest = asyncio.get_running_loop().time() + timeout_s
        try:
            # Bounded by the client's own time-outs. Ours must not be around it: before Python 3.12
            # `asyncio.wait_for`, which redis-py sends with, can lose the cancellation.
            with within(putting):
                await self._mouth.put(parcel, longest=self._longest)
            async with asyncio.timeout_at(latest):
                return await verdict(replies, on_progress)
        except TimeoutError:
            raise WorkerTimeout(
                f"The worker did not answer within {timeout_s:g} seconds."
            ) from None
        except asyncio.CancelledError:
            self._leaving.left(parcel, ROLE_OF[call.verb])
            raise
        finally:
            del self._waiting[call_id]

    def _envelope(
        self, call_id: str, call: Call, timeout_s: float, traceparent: str = ""
    ) -> Envelope:
        now = self._clock()
        return Envelope(
            id=call_id,
            request=request_ids.current() or secrets.token_hex(16),
            reply_to=self._replies,
            sent_at=now,
            deadline=now + timeout_s,
            call=call.model_dump(mode="json"),
            traceparent=traceparent or None,
        )

    async def _read(self) -> None:
        """Takes answers until it is cancelled; an answer that nobody waits for is dropped."""
        lost = False
        while not self._stopped.is_set():
            try:
                replies = await next_replies(self._redis, self._replies, wait_s=READ_S)
                if lost:
                    lost = False
                    _log.warning("replies.back")
                self._hand_over(replies)
            except RedisUnavailable as fault:
                if not lost:
                    lost = True
                    _log.error("replies.lost", cause=str(fault))
                await asyncio.sleep(PAUSE_S)

    def _hand_over(self, replies: list[Reply]) -> None:
        for reply in replies:
            if waiter := self._waiting.get(reply.id):
                waiter.put_nowait(reply)


def _parcel(name: str, envelope: Envelope, subject: str) -> Parcel:
    message = pack(envelope, queue=name)
    return Parcel(queue=name, message=message, call_id=envelope.id, subject=subject)
