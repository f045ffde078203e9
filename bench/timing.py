"""Arithmetic over many durations. Pure; knows nothing of what took so long."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """The durations of many calls, and how long they took together; all in seconds."""

    each: tuple[float, ...]
    together: float

    @property
    def p50(self) -> float:
        """The median; 0 without calls."""
        return statistics.median(self.each) if self.each else 0.0

    @property
    def p99(self) -> float:
        """What one call in a hundred exceeds; 0 without calls."""
        match len(self.each):
            case 0:
                return 0.0
            case 1:
                return self.each[0]
            case _:
                return statistics.quantiles(self.each, n=100, method="inclusive")[98]

    @property
    def per_second(self) -> float:
        """Calls per second; 0 when no time has passed."""
        return len(self.each) / self.together if self.together else 0.0


def joined(rounds: Iterable[Timed]) -> Timed:
    """Returns several rounds as one."""
    taken = tuple(rounds)
    return Timed(
        each=tuple(duration for one in taken for duration in one.each),
        together=sum(one.together for one in taken),
    )


def median(values: Sequence[float]) -> float:
    """Returns the middle of several rounds, which one disturbed round does not move; 0 of none."""
    return statistics.median(values) if values else 0.0


def linearity(rates: Sequence[tuple[int, float]], *, until: float) -> float:
    """Returns how much of linear growth was reached: the worst of all steps, 1 is linear.

    `rates` are calls per second by number of processes, the first being the unit. Steps from where
    linear growth would exceed `until` on are left out: there something else is full. 1 when none
    is left.
    """
    first, unit = rates[0]
    steps = [
        rate / (unit * processes / first)
        for processes, rate in rates[1:]
        if unit * processes / first <= until
    ]
    return min(steps, default=1.0)
