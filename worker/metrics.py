"""What a worker counts and times. Recorded where a call is taken, done and asked of Kubernetes.

Safe for threads. Labels hold what tables of constants know, nothing that came with a call.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from shared.codes import known
from shared.errors import ClusterFault
from shared.messages import ROLE_OF, Role
from shared.metrics import DECISION_S, LATENCY_S, SHORT_S, new_registry
from worker.notices import Event, Notice, Notices

_DECISIONS: Final = frozenset({Event.APPROVED, Event.DENIED})


class Metrics:
    """The figures of one worker process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.registry = registry = new_registry("worker")
        self._busy = 0
        self._busy_lock = threading.Lock()
        self._waited = Histogram(
            "infragate_queue_wait_seconds",
            "Time between a call's being sent and a worker's beginning with it, by the clocks of "
            "both hosts.",
            ("role",),
            buckets=SHORT_S,
            registry=registry,
        )
        self._dropped = Counter(
            "infragate_queue_dropped",
            "Messages that were taken and not done: expired (their caller had gone), or the code "
            "of what makes them no call of ours.",
            ("reason",),
            registry=registry,
        )
        self._calls = Counter(
            "infragate_worker_calls",
            "Calls that were done. The outcome is answer, or the code of the refusal or fault.",
            ("verb", "outcome"),
            registry=registry,
        )
        self._call_s = Histogram(
            "infragate_worker_call_seconds",
            "Time that a worker had a call, Kubernetes and the reply included.",
            ("verb",),
            buckets=LATENCY_S,
            registry=registry,
        )
        self._threads = Gauge(
            "infragate_worker_threads",
            "Calls that this process can do at a time.",
            registry=registry,
        )
        Gauge(
            "infragate_worker_busy_threads", "Calls that this process does now.", registry=registry
        ).set_function(lambda: self._busy)
        self._kubernetes = Histogram(
            "infragate_kubernetes_request_seconds",
            "Time of one request to the Kubernetes API, its body included. The outcome is ok, or "
            "the code of the fault.",
            ("verb", "outcome"),
            buckets=LATENCY_S,
            registry=registry,
        )
        self._hits = Counter(
            "infragate_guardrail_hits",
            "What the guardrails did: refused (a rule stopped a plan or a write), redacted (a "
            "secret was cut out of an answer), marked (text that reads like an instruction).",
            ("kind", "rule"),
            registry=registry,
        )
        self._told = Counter(
            "infragate_plan_events",
            "What became of plans, as told to people: waits, approved (each approval), denied, "
            "revoked, cancelled, applied, failed, stale, outcome_unknown.",
            ("event",),
            registry=registry,
        )
        self._decided = Histogram(
            "infragate_decision_seconds",
            "Time between a plan's being made and a person's decision.",
            ("decision",),
            buckets=DECISION_S,
            registry=registry,
        )
        self._bind()

    def _bind(self) -> None:
        """Looks up once what each call needs, and shows the series whose 0 says something."""
        self._waited_of = {role: self._waited.labels(role.value) for role in Role}
        self._call_s_of = {verb: self._call_s.labels(verb) for verb in ROLE_OF}
        for event in Event:
            self._told.labels(event.value)
        for decision in _DECISIONS:
            self._decided.labels(decision.value)

    @property
    def busy(self) -> int:
        """How many calls are done now."""
        return self._busy

    def can_do(self, threads: int) -> None:
        """Says how many calls can be done at a time."""
        self._threads.set(threads)

    def taken(self, role: Role, waited_s: float) -> None:
        """Counts a call with which a worker begins. Hosts' clocks differ: never below 0."""
        self._waited_of[role].observe(max(0.0, waited_s))

    def dropped(self, reason: str) -> None:
        """Counts a message that was taken and is no call, or no more."""
        self._dropped.labels(reason if reason == "expired" else known(reason)).inc()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Counts a call as being done while the block runs."""
        with self._busy_lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._busy_lock:
                self._busy -= 1

    def done(self, verb: str, outcome: str, seconds: float) -> None:
        """Counts a call that was done; both words may be anything."""
        if verb in ROLE_OF:
            self._call_s_of[verb].observe(seconds)
        outcome = outcome if outcome == "answer" else known(outcome)
        self._calls.labels(verb if verb in ROLE_OF else "unknown", outcome).inc()

    @contextmanager
    def asking(self, verb: str) -> Iterator[None]:
        """Times one request to Kubernetes. `verb` is a constant of `worker.cluster`."""
        began, outcome = self._monotonic(), "ok"
        try:
            yield
        except ClusterFault as fault:
            outcome = known(fault.code)
            raise
        finally:
            self._kubernetes.labels(verb, outcome).observe(self._monotonic() - began)

    def refused(self, rules: Mapping[str, int]) -> None:
        """Counts the guardrails that stopped something, by rule."""
        self._count("refused", rules)

    def redacted(self, rules: Mapping[str, int]) -> None:
        """Counts what was cut out of an answer, by rule."""
        self._count("redacted", rules)

    def marked(self, kinds: Mapping[str, int]) -> None:
        """Counts lines that read like instructions, by kind."""
        self._count("marked", kinds)

    def told(self, notice: Notice) -> None:
        """Counts what became of a plan, and how long a person took to decide."""
        self._told.labels(notice.event.value).inc()
        if notice.event in _DECISIONS and notice.plan is not None:
            took = max(0, notice.at - notice.plan.created_at)
            self._decided.labels(notice.event.value).observe(took)

    def watch_anchors(self, behind: Callable[[], tuple[int, float]]) -> None:
        """Shows how far the audit log is ahead of its anchors: `behind` gives records, seconds."""
        Gauge(
            "infragate_audit_unanchored_records",
            "Audit records that no anchor covers yet; at 200 nothing more is recorded or done.",
            registry=self.registry,
        ).set_function(lambda: behind()[0])
        Gauge(
            "infragate_audit_unanchored_seconds",
            "How long the oldest of them waits for an anchor; at 300 nothing more is done.",
            registry=self.registry,
        ).set_function(lambda: behind()[1])

    def _count(self, kind: str, rules: Mapping[str, int]) -> None:
        for rule, times in rules.items():
            self._hits.labels(kind, rule).inc(times)


class CountedNotices:
    """A `Notices` that counts what it passes on: every change of a plan's state is told here."""

    def __init__(self, notices: Notices, metrics: Metrics) -> None:
        self._notices = notices
        self._metrics = metrics

    def tell(self, notice: Notice) -> None:
        """Counts the notice and passes it on."""
        self._metrics.told(notice)
        self._notices.tell(notice)

    def stop(self) -> None:
        """Stops what sends them."""
        self._notices.stop()
