"""Figures of scraped metrics: how many, how often, how long. Knows no network and no terminal.

A sample is a name with its labels; a scrape is the values of all samples of one or more processes,
added up where two processes have the same.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

Labels = frozenset[tuple[str, str]]
CALLS: Final = "infragate_tool_calls_total"
SECONDS: Final = "infragate_tool_call_seconds_bucket"
FINE: Final = frozenset({"ok", "person_asked"})


@dataclass(frozen=True, slots=True)
class Scrape:
    """What the processes said at `at`, in seconds of a clock that only goes forward."""

    at: float
    values: Mapping[tuple[str, Labels], float] = field(default_factory=dict)

    def of(self, name: str) -> dict[Labels, float]:
        """Returns the values of one metric."""
        return {labels: value for (each, labels), value in self.values.items() if each == name}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRow:
    """One tool: its calls since the processes began, how many a second now, how long they take.

    `per_s` is None while there is nothing to compare with; times are of the calls since the last
    look, or of all where there was none.
    """

    tool: str
    calls: int
    refused: int
    per_s: float | None
    p50_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """One code with which calls ended, and how many did."""

    code: str
    calls: int
    per_s: float | None


def added_up(at: float, samples: Iterable[tuple[str, Mapping[str, str], float]]) -> Scrape:
    """Returns the scrape of several processes; of ages the oldest counts, of the rest the sum."""
    values: dict[tuple[str, Labels], float] = defaultdict(float)
    for name, labels, value in samples:
        key = name, frozenset(labels.items())
        values[key] = max(values[key], value) if _is_age(name) else values[key] + value
    return Scrape(at, values)


def tools(now: Scrape, before: Scrape | None) -> tuple[ToolRow, ...]:
    """Returns the tools that were called, the busiest first."""
    rows = [_tool(name, now, before) for name in _words(now, "tool")]
    return tuple(sorted(rows, key=lambda row: (-(row.per_s or 0), -row.calls, row.tool)))


def refusals(now: Scrape, before: Scrape | None) -> tuple[RefusalRow, ...]:
    """Returns what calls were refused with, the most frequent first."""
    rows = [
        RefusalRow(code=code, calls=int(calls), per_s=_rate(calls, now, before, outcome=code))
        for code in _words(now, "outcome") - FINE
        if (calls := _total(now, outcome=code)) > 0
    ]
    return tuple(sorted(rows, key=lambda row: (-row.calls, row.code)))


def oldest_waits(now: Scrape) -> dict[str, float]:
    """Returns the age in seconds of the oldest waiting call by role, as workers tell it."""
    found = now.of("infragate_queue_oldest_call_seconds")
    return {dict(labels)["role"]: age for labels, age in found.items()}


def _tool(name: str, now: Scrape, before: Scrape | None) -> ToolRow:
    calls = _total(now, tool=name)
    fine = sum(_total(now, tool=name, outcome=outcome) for outcome in FINE)
    buckets, earlier = _buckets(now, name), _buckets(before, name) if before else {}
    lately = {bound: count - earlier.get(bound, 0.0) for bound, count in buckets.items()}
    told = lately if lately.get(math.inf, 0.0) > 0 else buckets
    return ToolRow(
        tool=name,
        calls=int(calls),
        refused=int(calls - fine),
        per_s=_rate(calls, now, before, tool=name),
        p50_s=quantile(told, 0.5),
        p99_s=quantile(told, 0.99),
    )


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Returns the time within which `share` of the calls were done, as Prometheus estimates it.

    `buckets` has by upper bound how many calls took at most that long. None: there were none.
    """
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    lower, below = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count >= share * total:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (share * total - below) / (count - below)
        lower, below = bound, count
    return lower


def _buckets(scrape: Scrape, tool: str) -> dict[float, float]:
    found = ((dict(labels), count) for labels, count in scrape.of(SECONDS).items())
    return {float(labels["le"]): count for labels, count in found if labels["tool"] == tool}


def _words(scrape: Scrape, label: str) -> set[str]:
    return {dict(labels)[label] for labels in scrape.of(CALLS)}


def _total(scrape: Scrape, **wanted: str) -> float:
    return sum(n for labels, n in scrape.of(CALLS).items() if wanted.items() <= set(labels))


def _rate(calls: float, now: Scrape, before: Scrape | None, **wanted: str) -> float | None:
    """Calls a second since the last look; a process that began anew counts from 0."""
    if before is None or now.at <= before.at:
        return None
    return max(0.0, calls - _total(before, **wanted)) / (now.at - before.at)


def _is_age(name: str) -> bool:
    return name == "infragate_queue_oldest_call_seconds"
