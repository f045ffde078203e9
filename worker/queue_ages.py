"""How long the oldest call waits in each of a worker's own queues, as a metric.

The worker tells it because it may take these calls anyway: nobody else needs to look into a queue.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.envelopes import Envelope, unpack
from shared.messages import Role
from shared.metrics import Remembered
from shared.stores.connection import Redis
from shared.stores.queues import oldest


class QueueAges(Collector):
    """Looks when somebody scrapes; `clock` gives epoch seconds, of which hosts may disagree."""

    def __init__(
        self, redis: Redis, queues: Mapping[str, Role], clock: Callable[[], float]
    ) -> None:
        self._redis = redis
        self._queues = queues
        self._clock = clock
        self._ages = Remembered(self._look)

    def describe(self) -> Iterator[Metric]:
        """Names what `collect` gives, without looking."""
        yield _family()

    def collect(self) -> Iterator[Metric]:
        """Gives the ages; nothing without Redis."""
        family = _family()
        for role, age_s in (self._ages() or {}).items():
            family.add_metric((role.value,), age_s)
        yield family

    def _look(self) -> dict[Role, float]:
        return {role: self._age_s(oldest(self._redis, name)) for name, role in self._queues.items()}

    def _age_s(self, message: bytes | None) -> float:
        envelope = unpack(message) if message is not None else None
        if not isinstance(envelope, Envelope):
            return 0.0
        return max(0.0, self._clock() - envelope.sent_at)


def _family() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "infragate_queue_oldest_call_seconds",
        "Age of the oldest call that waits in this worker's queue; 0 when none waits.",
        labels=("role",),
    )
