"""What one check of `doctor` found, and how it is said: one line, with the mend. Checks nothing."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.display import visible

MAX_LENGTH: Final = 600
WIDTH: Final = 10

CLOCK_WARNING_S: Final = 5.0
"""An approver's login may be this much older than the challenge (`shared.approvals`)."""
CLOCK_FAILURE_S: Final = 30.0
"""Tokens are refused beyond this difference."""


class Mark(StrEnum):
    """How a check ended."""

    FINE = "✓"
    FAILED = "✗"
    WARNING = "!"
    NOT_CHECKED = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One line of the report. `mend` says what to do, in the imperative; never a secret."""

    mark: Mark
    about: str
    said: str
    mend: str = ""

    def __str__(self) -> str:
        """Returns the line; what came from elsewhere cannot make two of it."""
        mend = f" → {self.mend}" if self.mend else ""
        said = " ".join(visible(self.said).split())
        return f"{self.mark} {self.about:<{WIDTH}} {said[:MAX_LENGTH]}{mend}"


def fine(about: str, said: str) -> Diagnosis:
    """Returns that something is as it must be."""
    return Diagnosis(mark=Mark.FINE, about=about, said=said)


def failed(about: str, said: str, mend: str) -> Diagnosis:
    """Returns that something does not work."""
    return Diagnosis(mark=Mark.FAILED, about=about, said=said, mend=mend)


def warning(about: str, said: str, mend: str) -> Diagnosis:
    """Returns that something works but should not stay so."""
    return Diagnosis(mark=Mark.WARNING, about=about, said=said, mend=mend)


def not_checked(about: str, said: str, mend: str = "") -> Diagnosis:
    """Returns that something could not or need not be looked at."""
    return Diagnosis(mark=Mark.NOT_CHECKED, about=about, said=said, mend=mend)


def judged(condition: bool, about: str, said: str, wrong: str, mend: str) -> Diagnosis:
    """Returns `said` if the condition holds, else that it is `wrong`."""
    return fine(about, said) if condition else failed(about, wrong, mend)


def clocks(about: str, theirs: float | None, ours: float) -> Diagnosis:
    """Compares a server's clock with ours (epoch seconds; HTTP tells whole ones)."""
    if theirs is None:
        return not_checked(about, "tells no time, so clocks cannot be compared")
    # A date header is cut to the second: the truth lies within the second after it.
    ahead = theirs - ours
    apart = max(0.0, abs(ahead + 0.5) - 0.5)
    if apart <= CLOCK_WARNING_S:
        return fine(about, "its clock and this machine's agree")
    said = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    mend = "synchronize both with NTP (chronyc tracking, timedatectl)"
    return (failed if apart > CLOCK_FAILURE_S else warning)(about, said, mend)
