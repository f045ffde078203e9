"""Times as people read them: how far away, and exactly, in UTC. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time for people: how far away, and exactly."""

    iso: str
    absolute: str
    relative: str


def moment(at: int, *, now: int) -> Moment:
    """Returns epoch seconds `at` as people read it; always UTC, and it says so."""
    try:
        exact = datetime.fromtimestamp(at, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return Moment(iso="", absolute=f"{at} s", relative="at an impossible time")
    return Moment(
        iso=exact.strftime("%Y-%m-%dT%H:%M:%SZ"),
        absolute=exact.strftime("%d %b %Y, %H:%M:%S UTC").lstrip("0"),
        relative=_relative(at - now),
    )


def _relative(seconds: int) -> str:
    size = abs(seconds)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if size >= 2 * length or (unit == "second" and size > 0):
            count = size // length
            amount = f"{count} {unit}{'s' if count != 1 else ''}"
            return f"in {amount}" if seconds > 0 else f"{amount} ago"
    return "now"
