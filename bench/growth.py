"""Whether something grew while it should not have: pure arithmetic over samples of a soak.

The first third of a run is left out, since caches and pools fill up then. What the last third shows
is set against the middle one: medians, so that one odd sample decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.timing import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much the last third may be above the middle one: a ratio, and something beyond it.

    `spare` is what a steady process varies by; it has the unit of the samples.
    """

    ratio: float
    spare: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One thing that was sampled."""

    name: str
    samples: tuple[float, ...]
    bound: Bound
    unit: str = ""

    @property
    def middle(self) -> float:
        """Returns the median of the middle third."""
        return median(_third(self.samples, 1))

    @property
    def last(self) -> float:
        """Returns the median of the last third."""
        return median(_third(self.samples, 2))

    @property
    def grew(self) -> bool:
        """Says whether the last third is above what is allowed."""
        return self.last > self.middle * self.bound.ratio + self.bound.spare


def _third(samples: Sequence[float], number: int) -> Sequence[float]:
    """The thirds are counted from 0.

    Raises:
        ValueError: there are too few samples to have three.
    """
    size = len(samples) // 3
    if size == 0:
        raise ValueError("fewer than three samples show no trend")
    begins = len(samples) - (3 - number) * size
    return samples[begins : begins + size]
