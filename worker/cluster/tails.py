"""The end of a stream within a byte limit. Knows bytes only, nothing of logs' contents."""

from typing import Final, Protocol

from worker.cluster.structs import LogTail

READ_LIMIT: Final = 16 * 1024 * 1024
"""The most that is read in search of the end: 500 lines of the longest (16 KiB) are 8 MB."""

_PIECE: Final = 64 * 1024


class Stream(Protocol):
    """What a response offers."""

    def read(self, amt: int) -> bytes:
        """At most `amt` bytes; none at the end."""
        ...


def tail_of(stream: Stream, limit: int) -> LogTail:
    """The last `limit` bytes, keeping never more than `limit` and one piece in memory.

    The server's own `limitBytes` is not used: it would cut the newest lines, not the oldest. A
    stream beyond 16 MiB is left there, so its `data` ends before the newest line.
    """
    kept, total = b"", 0
    while total < READ_LIMIT and (piece := stream.read(_PIECE)):
        total += len(piece)
        kept = (kept + piece)[-limit:]
    return LogTail(data=kept, cut=total > limit)
