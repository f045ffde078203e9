"""The audit log: one chained line for each event, on disk before what it announces happens.

Each line is JSON and holds the SHA-256 of the one before, so an edit or a gap shows. That the end
was cut off shows only against a signed anchor kept elsewhere: see `shared.audit_anchors`.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from shared import request_ids
from shared.digests import canonical
from shared.errors import AuditUnavailable
from shared.foreign_json import foreign_json
from shared.line_files import MAX_LINE, alone, append, end_of_last_line, last_line

FILE_NAME: Final = "audit.jsonl"
DOMAIN: Final = b"infragate/audit/v1\0"
NOTHING: Final = "0" * 64
"""What the first record names as the one before."""

MAX_TEXT: Final = 1024
"""Characters of one value; what is longer is cut, and says so."""

MAX_INTEGER: Final = 2**53 - 1
OURS: Final = frozenset({"seq", "time", "event", "prev", "hash"})

Value: TypeAlias = str | int | bool
Record: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last record: what a signed anchor commits to."""

    seq: int
    hash: str


BEGINNING: Final = Head(seq=0, hash=NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one line (counted from 1) of a log."""

    line: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line (counted from 1) of a log; `record` is None if it is none of ours."""

    number: int
    record: Record | None
    problems: tuple[Problem, ...]


class Watch(Protocol):
    """Stands beside a log, asked before each record and told after it; see `worker.anchoring`."""

    def admit(self) -> None:
        """Raises AuditUnavailable if nothing more may be recorded."""

    def recorded(self, head: Head) -> None:
        """Learns of the newest record; never raises."""


class AuditLog:
    """Appends to one file that all workers of a host share. Safe for threads and processes.

    `copies` is given each record that is on disk, and never raises.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float],
        watch: Watch | None = None,
        copies: Callable[[Record], None] | None = None,
    ) -> None:
        self._path = folder / FILE_NAME
        self._clock = clock
        self._watch = watch
        self._copies = copies
        self._thread_lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where the log lies."""
        return self._path

    def record(self, event: str, **fields: Value) -> Head:
        """Appends one event and returns when it is on disk.

        Values are facts, never payloads or tokens; a text of more than `MAX_TEXT` is cut. A record
        that comes of a request has its id as `request`.

        Raises:
            AuditUnavailable: it is not written, so what it announces must not happen.
            ValueError: a field has a name of ours, or a value of another type or size.
        """
        checked = {name: _checked(name, value) for name, value in fields.items()}
        if request := request_ids.current():
            checked["request"] = request
        if self._watch is not None:
            self._watch.admit()
        try:
            with self._thread_lock, alone(self._path) as descriptor:
                record = self._append(descriptor, event, checked)
        except OSError as error:
            raise AuditUnavailable(f"The audit log cannot be written ({error.strerror}).") from None
        head = head_of(record)
        if self._watch is not None:
            self._watch.recorded(head)
        if self._copies is not None:
            self._copies(record)
        return head

    def head(self) -> Head:
        """Returns the last record; seq 0 when there is none.

        Raises:
            AuditUnavailable: the log cannot be read.
        """
        try:
            with self._thread_lock, alone(self._path) as descriptor:
                return _head(descriptor, end_of_last_line(descriptor))
        except OSError as error:
            raise AuditUnavailable(f"The audit log cannot be read ({error.strerror}).") from None

    def _append(self, descriptor: int, event: str, fields: Record) -> Record:
        end = end_of_last_line(descriptor)
        torn = os.fstat(descriptor).st_size - end
        head = _head(descriptor, end)
        if torn:  # somebody died while writing: nobody was told that it was recorded
            os.ftruncate(descriptor, end)
            said, end = self._write(descriptor, end, head, "audit.torn_line", {"bytes": torn})
            head = head_of(said)
        return self._write(descriptor, end, head, event, fields)[0]

    def _write(
        self, descriptor: int, end: int, head: Head, event: str, fields: Record
    ) -> tuple[Record, int]:
        time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        record: Record = {
            "seq": head.seq + 1,
            "time": time,
            "event": event,
            **fields,
            "prev": head.hash,
        }
        record["hash"] = _hash(record)
        line = record_line(record)
        append(descriptor, line, end)
        return record, end + len(line)


def walk(path: Path) -> Iterator[Line]:
    """Yields every line of a log with what is wrong with it; reads as it goes.

    Raises:
        AuditUnavailable: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from follow(iter(lambda: file.readline(MAX_LINE), b""))
    except OSError as error:
        raise AuditUnavailable(f"The audit log cannot be read ({error.strerror}).") from None


def follow(lines: Iterable[bytes], after: Head = BEGINNING) -> Iterator[Line]:
    """Yields the lines of a log, or of a piece of one that follows the record `after`."""
    head = after
    for number, raw in enumerate(lines, start=1):
        record = read_record(raw)
        if record is None:
            text = "This is no whole record."
            yield Line(number=number, record=None, problems=(_problem(number, "unreadable", text),))
            continue
        yield Line(number=number, record=record, problems=_problems(head, number, record))
        head = head_of(record)


def verify(path: Path) -> tuple[Problem, ...]:
    """Returns what is wrong with a log: lines that were changed, added, removed or torn.

    Raises:
        AuditUnavailable: the file cannot be read.
    """
    return tuple(problem for line in walk(path) for problem in line.problems)


def head_of(record: Record) -> Head:
    """Returns what an anchor for this record commits to."""
    return Head(seq=int(record["seq"]), hash=str(record["hash"]))


def _problems(head: Head, number: int, record: Record) -> tuple[Problem, ...]:
    checks = [
        (record["seq"] == head.seq + 1, "gap", f"Record {head.seq + 1} is missing here."),
        (record["prev"] == head.hash, "chain", "It does not follow the record before it."),
        (record["hash"] == _hash(record), "changed", "Its hash is not that of its contents."),
    ]
    return tuple(_problem(number, code, text) for good, code, text in checks if not good)


def _problem(number: int, code: str, text: str) -> Problem:
    return Problem(line=number, code=code, message=text)


def _checked(name: str, value: object) -> Value:
    if name in OURS or not isinstance(value, str | int):
        raise ValueError(f"audit field {name!r} is not allowed")
    if isinstance(value, str):
        return _cut(value)
    if abs(value) > MAX_INTEGER:
        raise ValueError(f"audit field {name!r} is too large")
    return value


def _cut(text: str) -> str:
    encodable = text.encode("utf-8", "backslashreplace").decode()  # lone surrogates
    over = len(encodable) - MAX_TEXT
    return encodable if over <= 0 else f"{encodable[:MAX_TEXT]}…(+{over})"


def _hash(record: Record) -> str:
    body = {name: value for name, value in record.items() if name != "hash"}
    return hashlib.sha256(DOMAIN + canonical(body)).hexdigest()


def record_line(record: Record) -> bytes:
    """Returns a record's line; ASCII, so that no terminal is steered by what was recorded."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def read_record(line: bytes) -> Record | None:
    """Returns the record in a line, if the line is exactly what we would write for it."""
    try:
        record = foreign_json(line)
        return record if _is_record(record) and record_line(record) == line else None
    except ValueError:
        return None


def _is_record(record: object) -> bool:
    return (
        isinstance(record, dict)
        and record.keys() >= OURS
        and all(isinstance(value, str | int) for value in record.values())
        and type(record["seq"]) is int
        and isinstance(record["prev"], str)
        and isinstance(record["hash"], str)
        and all(abs(value) <= MAX_INTEGER for value in record.values() if isinstance(value, int))
    )


def _head(descriptor: int, end: int) -> Head:
    """The last whole record before `end`.

    Raises:
        AuditUnavailable: it is damaged; a chain must not silently start anew.
    """
    if end == 0:
        return BEGINNING
    record = read_record(last_line(descriptor, end))
    if record is None:
        raise AuditUnavailable(
            "The audit log's last record is damaged; keep the file, move it away."
        )
    return Head(seq=int(record["seq"]), hash=str(record["hash"]))
