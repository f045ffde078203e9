"""The audit log: one chained line for each event, on disk before what it announces happens.

Each line is JSON and holds the SHA-256 of the one before, so an edit or a gap shows. That the end
was cut off shows only against a signed anchor kept elsewhere (`AuditLog.head` is what is anchored).
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from shared.digests import canonical
from shared.errors import AuditUnavailable

FILE_NAME: Final = "audit.jsonl"
DOMAIN: Final = b"infragate/audit/v1\0"
NOTHING: Final = "0" * 64
"""What the first record names as the one before."""

MAX_TEXT: Final = 1024
"""Characters of one value; what is longer is cut, and says so."""

MAX_LINE: Final = 64 * 1024
MAX_INTEGER: Final = 2**53 - 1
OURS: Final = frozenset({"seq", "time", "event", "prev", "hash"})

Value: TypeAlias = str | int | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last record: what a signed anchor commits to."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one line (counted from 1) of a log."""

    line: int
    code: str
    message: str


class AuditLog:
    """Appends to one file that all workers of a host share. Safe for threads and processes."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._path = folder / FILE_NAME
        self._clock = clock
        self._thread_lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where the log lies."""
        return self._path

    def record(self, event: str, **fields: Value) -> Head:
        """Appends one event and returns when it is on disk.

        Values are facts, never payloads or tokens; a text of more than `MAX_TEXT` is cut.

        Raises:
            AuditUnavailable: it is not written, so what it announces must not happen.
            ValueError: a field has a name of ours, or a value of another type or size.
        """
        checked = {name: _checked(name, value) for name, value in fields.items()}
        try:
            with self._thread_lock, _locked(self._path) as descriptor:
                return self._append(descriptor, event, checked)
        except OSError as error:
            raise AuditUnavailable(f"The audit log cannot be written ({error.strerror}).") from None

    def head(self) -> Head:
        """Returns the last record; seq 0 when there is none.

        Raises:
            AuditUnavailable: the log cannot be read.
        """
        try:
            with self._thread_lock, _locked(self._path) as descriptor:
                return _head(descriptor, _end_of_last_line(descriptor))
        except OSError as error:
            raise AuditUnavailable(f"The audit log cannot be read ({error.strerror}).") from None

    def _append(self, descriptor: int, event: str, fields: dict[str, Value]) -> Head:
        end = _end_of_last_line(descriptor)
        torn = os.fstat(descriptor).st_size - end
        head = _head(descriptor, end)
        if torn:  # somebody died while writing: nobody was told that it was recorded
            os.ftruncate(descriptor, end)
            head, end = self._write(descriptor, end, head, "audit.torn_line", {"bytes": torn})
        return self._write(descriptor, end, head, event, fields)[0]

    def _write(
        self, descriptor: int, end: int, head: Head, event: str, fields: dict[str, Value]
    ) -> tuple[Head, int]:
        time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        record = {"seq": head.seq + 1, "time": time, "event": event, **fields, "prev": head.hash}
        record["hash"] = _hash(record)
        line = _line(record)
        try:
            _write_all(descriptor, line, end)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)
            raise
        return Head(seq=head.seq + 1, hash=str(record["hash"])), end + len(line)


def verify(path: Path) -> tuple[Problem, ...]:
    """Returns what is wrong with a log: lines that were changed, added, removed or torn.

    Raises:
        AuditUnavailable: the file cannot be read.
    """
    problems: list[Problem] = []
    head = Head(seq=0, hash=NOTHING)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
                head, found = _verified(head, number, line)
                problems.extend(found)
    except OSError as error:
        raise AuditUnavailable(f"The audit log cannot be read ({error.strerror}).") from None
    return tuple(problems)


def _verified(head: Head, number: int, line: bytes) -> tuple[Head, list[Problem]]:
    record = _read(line)
    if record is None:
        return head, [Problem(line=number, code="unreadable", message="This is no whole record.")]
    checks = [
        (record["seq"] == head.seq + 1, "gap", f"Record {head.seq + 1} is missing here."),
        (record["prev"] == head.hash, "chain", "It does not follow the record before it."),
        (record["hash"] == _hash(record), "changed", "Its hash is not that of its contents."),
    ]
    problems = [
        Problem(line=number, code=code, message=text) for good, code, text in checks if not good
    ]
    return Head(seq=int(record["seq"]), hash=str(record["hash"])), problems


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


def _hash(record: dict[str, Value]) -> str:
    body = {name: value for name, value in record.items() if name != "hash"}
    return hashlib.sha256(DOMAIN + canonical(body)).hexdigest()


def _line(record: dict[str, Value]) -> bytes:
    """One way to write a record; ASCII, so that no terminal is steered by what was recorded."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _read(line: bytes) -> dict[str, Value] | None:
    """The record in a line, if the line is exactly what we would write for it."""
    try:
        record = json.loads(line)
        return record if _is_record(record) and _line(record) == line else None
    except (ValueError, RecursionError):
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
        return Head(seq=0, hash=NOTHING)
    start = max(0, end - MAX_LINE)
    tail = os.pread(descriptor, end - start, start)
    record = _read(tail[tail.rfind(b"\n", 0, -1) + 1 :])
    if record is None:
        raise AuditUnavailable(
            "The audit log's last record is damaged; keep the file, move it away."
        )
    return Head(seq=int(record["seq"]), hash=str(record["hash"]))


def _end_of_last_line(descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    start = max(0, size - MAX_LINE)
    newline = os.pread(descriptor, size - start, start).rfind(b"\n")
    if newline < 0 and start > 0:
        raise AuditUnavailable("The audit log ends in no record; keep the file, move it away.")
    return start + newline + 1


def _write_all(descriptor: int, line: bytes, offset: int) -> None:
    written = 0
    while written < len(line):
        written += os.pwrite(descriptor, line[written:], offset + written)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Opens the log, alone among the processes of this host until the block ends."""
    fresh = not path.exists()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if fresh:
            _sync_folder(path.parent)
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
