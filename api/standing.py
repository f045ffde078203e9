"""What lies in Redis for all processes together, as metrics: read when somebody scrapes.

Gateways tell it, so that a figure comes from one kind of process.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.messages import Announcement
from shared.metrics import Remembered
from shared.plans import State
from shared.stores.overview import Overview


class Standing(Collector):
    """Tells of workers, queues and plans by what `look` finds; `clock` gives epoch seconds."""

    def __init__(self, look: Callable[[], Overview], clock: Callable[[], float]) -> None:
        self._look = Remembered(look)
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        """Names what `collect` gives, without looking."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        """Gives the figures; without Redis only that it is away."""
        up, workers, last_seen, queued, plans, waits = _families()
        seen = self._look()
        up.add_metric((), 0.0 if seen is None else 1.0)
        yield up
        if seen is None:
            return
        now = self._clock()
        for (cluster, role), found in sorted(_by_role(seen.workers).items()):
            workers.add_metric((cluster, role), len(found))
            age = now - max(worker.seen_at for worker in found)
            last_seen.add_metric((cluster, role), max(0.0, age))
        for name, length in seen.queues.items():
            cluster, _, role = name.rpartition(".")
            queued.add_metric((cluster, role), length)
        states = Counter(plan.at(now) for plan in seen.plans)
        for state in State:
            plans.add_metric((state.value,), states[state])
        waiting = [plan.created_at for plan in seen.plans if plan.at(now) is State.PENDING]
        waits.add_metric((), max(0.0, now - min(waiting, default=now)))
        yield from (workers, last_seen, queued, plans, waits)


def _by_role(workers: tuple[Announcement, ...]) -> dict[tuple[str, str], list[Announcement]]:
    found: dict[tuple[str, str], list[Announcement]] = {}
    for worker in workers:
        for role in worker.roles:
            found.setdefault((worker.cluster, role.value), []).append(worker)
    return found


def _families() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily(
            "infragate_redis_up", "1 when Redis answered this process' last look, 0 when not."
        ),
        GaugeMetricFamily(
            "infragate_workers",
            "Live workers: those that announced themselves in the last 16 seconds.",
            labels=("cluster", "role"),
        ),
        GaugeMetricFamily(
            "infragate_worker_last_seen_seconds",
            "Age of the newest announcement; workers announce themselves every second.",
            labels=("cluster", "role"),
        ),
        GaugeMetricFamily(
            "infragate_queue_calls",
            "Calls that wait in a queue, taken by no worker yet.",
            labels=("cluster", "role"),
        ),
        GaugeMetricFamily(
            "infragate_plans",
            "Plans by state, of the newest 500 of the last 25 hours.",
            labels=("state",),
        ),
        GaugeMetricFamily(
            "infragate_plan_oldest_pending_seconds",
            "Age of the plan that has waited longest for a person's decision; 0 when none waits.",
        ),
    )
