"""Files of lines that several processes of a host append to; knows nothing of what a line says.

A line counts once it is on disk. What a crash leaves behind the last line feed was told to nobody.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shared.errors import AuditUnavailable

MAX_LINE: Final = 64 * 1024
"""Bytes: how far back the last line is looked for."""


@contextmanager
def alone(path: Path) -> Iterator[int]:
    """Opens a file, made if missing, alone among the processes of this host until the block ends.

    Raises:
        OSError: it cannot be opened, made or locked, or is a symbolic link.
    """
    fresh = not path.exists()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if fresh:
            sync_folder(path.parent)
        yield descriptor
    finally:
        os.close(descriptor)


def end_of_last_line(descriptor: int) -> int:
    """Returns the offset behind the last whole line; 0 when there is none.

    Raises:
        AuditUnavailable: no line feed in the last `MAX_LINE` bytes: nobody of ours wrote that.
    """
    size = os.fstat(descriptor).st_size
    start = max(0, size - MAX_LINE)
    newline = os.pread(descriptor, size - start, start).rfind(b"\n")
    if newline < 0 and start > 0:
        raise AuditUnavailable("The audit log ends in no record; keep the file, move it away.")
    return start + newline + 1


def last_line(descriptor: int, end: int) -> bytes:
    """Returns the line that ends at `end`, with its line feed; empty at the start of the file."""
    start = max(0, end - MAX_LINE)
    tail = os.pread(descriptor, end - start, start)
    return tail[tail.rfind(b"\n", 0, -1) + 1 :]


def append(descriptor: int, line: bytes, end: int) -> None:
    """Writes a line at `end` and returns when it is on disk; else the file is as before.

    Raises:
        OSError: it is not on disk.
    """
    try:
        written = 0
        while written < len(line):
            written += os.pwrite(descriptor, line[written:], end + written)
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def sync_folder(folder: Path) -> None:
    """Returns when the names in a folder are on disk.

    Raises:
        OSError: they may not be.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
