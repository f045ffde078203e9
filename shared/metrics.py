"""What every process tells operators about itself, and the listener of its own that serves it.

Each process has one registry: nothing here is global, so that tests can run many in one process.
Labels hold values of closed lists only: never a namespace, a plan's id, a person, or a code that
somebody else chose (`shared.codes`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from shared.errors import BadConfiguration, RedisUnavailable
from shared.release import VERSION

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each

LATENCY_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Bounds of histograms of calls: from one answer over loopback to the longest time limit."""

SHORT_S: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0),
)
"""The same where a millisecond is much: what the gateway itself adds, and waiting in a queue."""

DECISION_S: Final = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
"""The same for people: a plan lives for an hour."""


FRESH_S: Final = 5.0
"""Workers announce themselves as often."""

T = TypeVar("T")


def new_registry(process: str) -> CollectorRegistry:
    """Returns a registry with what every process has: memory, files, CPU, version."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    info = Gauge(
        "infragate_build_info",
        "Always 1: which part of InfraGate this process is, and its version.",
        ("process", "version"),
        registry=registry,
    )
    info.labels(process, VERSION).set(1)
    return registry


class Remembered(Generic[T]):
    """Something in Redis that is looked at when somebody scrapes, but once in `FRESH_S` at most.

    `look` is called by the listener's threads, by one at a time and by no call of an agent.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._looking = threading.Lock()
        self._seen: T | None = None
        self._seen_at = float("-inf")

    def __call__(self) -> T | None:
        """Returns what was seen lately; None when Redis does not answer."""
        with self._looking:
            if time.monotonic() - self._seen_at >= FRESH_S:
                try:
                    self._seen = self._look()
                except RedisUnavailable:
                    self._seen = None
                self._seen_at = time.monotonic()
            return self._seen


@contextmanager
def served(registry: CollectorRegistry, address: str, port: int | None) -> Iterator[None]:
    """Serves the registry to whoever connects there, while the block runs; for None to nobody.

    Plain HTTP without a login: the address is what keeps others away.

    Raises:
        BadConfiguration: nobody can listen there.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadConfiguration(
            f"Metrics cannot be served at INFRA_GATE_METRICS_ADDRESS and _PORT: {why}."
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
