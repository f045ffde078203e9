"""One audit log with its anchors, read and checked; plans' records picked out of several."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shared.audit import FILE_NAME, Line, Problem, Record, walk
from shared.audit_anchors import MAX_UNANCHORED, Anchors, Comparison, read_anchors
from worker.ops.believing import Believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a log and its anchors lie; no anchors for the log of a reader, which has no key."""

    root: Path
    anchors: Path | None

    @property
    def log(self) -> Path:
        """Returns the log's file."""
        return self.root / FILE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLog:
    """What one log holds and what is wrong with it.

    `records` are those of plans, in order; `total` counts all, `uncovered` those after the last
    anchor.
    """

    place: Place
    records: tuple[Record, ...]
    anchors: Anchors
    problems: tuple[Problem, ...]
    total: int
    uncovered: int


def check_log(place: Place, believed: Believed) -> CheckedLog:
    """Reads a log and holds it against its anchors.

    Raises:
        AuditUnavailable: log or anchors cannot be read.
    """
    anchors = read_anchors(place.anchors, believed.anchors) if place.anchors else Anchors()
    comparison = Comparison(anchors.anchors)
    problems: list[Problem] = []
    records: list[Record] = []
    number = 0
    for line in walk(place.log):
        number = line.number
        problems += [*line.problems, *comparison.pass_line(line)]
        if line.record is not None and "plan" in line.record:
            records.append(line.record)
    problems += comparison.missing(number)
    if place.anchors is not None:
        problems += _too_little(comparison, number, anchors)
    return CheckedLog(
        place=place,
        records=tuple(records),
        anchors=anchors,
        problems=tuple(problems),
        total=number,
        uncovered=comparison.uncovered,
    )


def of_plans(logs: Iterable[CheckedLog]) -> dict[str, list[Record]]:
    """Returns the records of each plan in the order in which they happened.

    One log keeps its own order; those of several hosts are put in the order of their clocks.
    """
    logs = list(logs)
    merged = [record for log in logs for record in log.records]
    if len(logs) > 1:
        merged.sort(key=lambda record: str(record["time"]))
    plans: dict[str, list[Record]] = {}
    for record in merged:
        plans.setdefault(str(record["plan"]), []).append(record)
    return plans


def piece(place: Place, first: int, last: int) -> list[Line]:
    """Returns the lines of the records `first` to `last`.

    Raises:
        AuditUnavailable: the log cannot be read.
    """
    return [
        line for line in walk(place.log) if line.record and first <= int(line.record["seq"]) <= last
    ]


def _too_little(comparison: Comparison, number: int, anchors: Anchors) -> tuple[Problem, ...]:
    if not anchors.anchors and number:
        text = "There is no anchor that is believed for this log: its end may have been cut off."
    elif comparison.uncovered > MAX_UNANCHORED:
        text = f"The last {comparison.uncovered} records are under no anchor."
    else:
        return ()
    return (Problem(line=number, code="unanchored", message=text),)
