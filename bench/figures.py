"""A figure: what we take, what the reference takes, what the budget allows, and whether it is met.

Pure. The reference was measured in the same run, in turns with ours: absolute values say what
machine it was, ratios hold on others too.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    """What is measured, in which unit it is kept."""

    SECONDS = "s"
    PER_SECOND = "/s"
    BYTES = "B"
    TIMES = "×"  # noqa: RUF001 - times
    COUNT = ""


class Better(StrEnum):
    """Which way is good."""

    LOWER = "≤"
    HIGHER = "≥"


class Judged(StrEnum):
    """What a budget speaks of."""

    OURS = "ours"
    RATIO = "ratio"


class Verdict(StrEnum):
    """What the table says of a figure; a figure without a budget is there to be seen."""

    MET = "met"
    NOT_MET = "not met"
    NO_BUDGET = ""


_MILLI: Final = 1_000
_MEGA: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A value in its base unit: seconds, bytes, calls per second."""

    value: float
    unit: Unit

    def __str__(self) -> str:
        """Returns it as a person reads it."""
        match self.unit:
            case Unit.SECONDS if self.value < 1:
                return f"{self.value * _MILLI:.2f} ms"
            case Unit.SECONDS:
                return f"{self.value:.1f} s"
            case Unit.BYTES:
                return f"{self.value / _MEGA:.1f} MB"
            case Unit.PER_SECOND:
                return f"{self.value:.0f}/s"
            case Unit.TIMES:
                return f"{self.value:.2f}{Unit.TIMES}"
            case Unit.COUNT:
                return f"{self.value:.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a figure may be. `beyond` is what would be better still; None where nothing is named."""

    limit: float
    of: Judged = Judged.RATIO
    better: Better = Better.LOWER
    beyond: float | None = None

    def allows(self, value: float) -> bool:
        """Says whether `value` is good enough."""
        return value <= self.limit if self.better is Better.LOWER else value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    group: str
    name: str
    ours: Measure
    reference: Measure | None = None
    budget: Budget | None = None
    note: str = ""
    """What the reference is, or under which conditions this was measured."""

    def __post_init__(self) -> None:
        """A budget for a ratio needs something to be a ratio to.

        Raises:
            ValueError: there is none.
        """
        if self.budget and self.budget.of is Judged.RATIO and self.ratio is None:
            raise ValueError(f"{self.name}: a budget for a ratio, and no reference")

    @property
    def ratio(self) -> float | None:
        """Ours over the reference's; None without a reference, or where that is nothing."""
        if self.reference is None or not self.reference.value:
            return None
        return self.ours.value / self.reference.value

    @property
    def judged(self) -> Measure | None:
        """What the budget is compared with."""
        if self.budget is None:
            return None
        if self.budget.of is Judged.OURS:
            return self.ours
        return None if self.ratio is None else Measure(value=self.ratio, unit=Unit.TIMES)

    @property
    def verdict(self) -> Verdict:
        """Whether the budget is met."""
        if self.budget is None or self.judged is None:
            return Verdict.NO_BUDGET
        return Verdict.MET if self.budget.allows(self.judged.value) else Verdict.NOT_MET


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Values for a plot: each line of `lines` is a row of points, by what it shows."""

    name: str
    x: str
    y: str
    lines: dict[str, tuple[tuple[float, float], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one group of figures found out."""

    figures: tuple[Figure, ...] = ()
    curves: tuple[Curve, ...] = ()
    not_run: tuple[str, ...] = ()
    """What could not be measured here, and why: one sentence each."""


def seconds(value: float) -> Measure:
    """Returns a time."""
    return Measure(value=value, unit=Unit.SECONDS)


def per_second(value: float) -> Measure:
    """Returns a rate."""
    return Measure(value=value, unit=Unit.PER_SECOND)


def size(value: float) -> Measure:
    """Returns a number of bytes."""
    return Measure(value=value, unit=Unit.BYTES)


def times(value: float) -> Measure:
    """Returns a plain ratio."""
    return Measure(value=value, unit=Unit.TIMES)


def count(value: float) -> Measure:
    """Returns a plain number."""
    return Measure(value=value, unit=Unit.COUNT)
