"""Looks at Redis and at the metrics of processes; what does not answer is told, not raised."""

import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from dev.top.figures import RefusalRow, Scrape, ToolRow, added_up, oldest_waits, refusals, tools
from shared.errors import RedisUnavailable
from shared.stores.overview import Overview

PATIENCE_S: Final = 1.0
WINDOW_S: Final = 10.0
"""Rates are of so long: a second alone jumps, and a minute hides what has just begun."""
MAX_BYTES: Final = 8 * 1024 * 1024
_DIRECT: Final = urllib.request.ProxyHandler({})
"""Metrics are inside; a proxy in the environment leads outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Everything that is shown at one moment; `at` is epoch seconds.

    `overview` is None where Redis was not asked or `redis_trouble` says why it did not answer.
    """

    at: float
    overview: Overview | None
    redis_trouble: str
    asked: int
    silent: tuple[str, ...]
    tools: tuple[ToolRow, ...]
    refusals: tuple[RefusalRow, ...]
    ages: Mapping[str, float]


class Lookout:
    """Looks again and again, and compares with the last time.

    `redis` looks into Redis, None leaves it alone; `urls` are where processes serve metrics.
    """

    def __init__(self, redis: Callable[[], Overview] | None, urls: Sequence[str]) -> None:
        self._redis = redis
        self._urls = tuple(urls)
        self._before: deque[Scrape] = deque()

    def look(self) -> Frame:
        """Returns what is to be seen now."""
        seen, trouble = self._overview()
        silent: list[str] = []
        now = added_up(time.monotonic(), self._samples(silent))
        before = self._compared(now, whole=not silent)
        return Frame(
            at=time.time(),
            overview=seen,
            redis_trouble=trouble,
            asked=len(self._urls),
            silent=tuple(silent),
            tools=tools(now, before),
            refusals=refusals(now, before),
            ages=oldest_waits(now),
        )

    def _compared(self, now: Scrape, *, whole: bool) -> Scrape | None:
        """The scrape of `WINDOW_S` ago, or the first since then; of all processes, or none."""
        if not whole:  # the sums would jump
            self._before.clear()
            return None
        while len(self._before) > 1 and self._before[1].at <= now.at - WINDOW_S:
            self._before.popleft()
        self._before.append(now)
        return self._before[0] if len(self._before) > 1 else None

    def _overview(self) -> tuple[Overview | None, str]:
        try:
            return (None if self._redis is None else self._redis()), ""
        except RedisUnavailable as fault:
            return None, str(fault)

    def _samples(self, silent: list[str]) -> Iterator[tuple[str, Mapping[str, str], float]]:
        for url in self._urls:
            try:
                text = _text_at(url)
                families = list(text_string_to_metric_families(text))
            except (OSError, ValueError):
                silent.append(url)
                continue
            for family in families:
                for sample in family.samples:
                    if sample.name.startswith("infragate_"):
                        yield sample.name, sample.labels, sample.value


def _text_at(url: str) -> str:
    request = urllib.request.Request(url, headers={"Accept": "text/plain"})  # noqa: S310 - checked
    with urllib.request.build_opener(_DIRECT).open(request, timeout=PATIENCE_S) as answer:
        return str(answer.read(MAX_BYTES), "utf-8", "replace")
