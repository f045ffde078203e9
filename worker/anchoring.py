"""When the audit log is anchored, and when too little of it is for work to go on.

A thread makes an anchor every 100 records or 60 s, whichever comes first, at the start and at the
end. One that cannot be written stops nothing at once: a full or absent second disk must not take
the service down in the same second. After 200 records or 5 minutes without one, nothing more is
recorded, and what is not recorded does not happen, until an anchor is written again.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit import BEGINNING, AuditLog, Head
from shared.audit_anchors import (
    MAX_UNANCHORED,
    Anchor,
    Keys,
    keep_anchor,
    make_anchor,
    newest_anchor,
)
from shared.errors import AuditUnavailable
from shared.logs import Log

EVERY_RECORDS: Final = 100
EVERY_S: Final = 60.0
AGAIN_S: Final = 10.0
"""How soon after a failure the next attempt is made."""

MAX_UNANCHORED_S: Final = 300.0
WAIT_S: Final = 2.0
"""A disk that hangs must not hang a call, nor the end of the process."""

_log = Log("worker.anchoring")


class Anchoring:
    """Anchors one audit log; the log asks it before, and tells it after, each record.

    `records` is a view of the log for reading its head; `monotonic` gives seconds.
    """

    def __init__(
        self,
        records: AuditLog,
        folder: Path,
        key: Ed25519PrivateKey,
        *,
        worker: str,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records = records
        self._folder = folder
        self._key = key
        self._worker = worker
        self._clock = clock
        self._monotonic = monotonic
        self._writing = threading.Lock()
        self._state = threading.Lock()
        self._anchored = BEGINNING
        self._open: tuple[int, float] | None = None  # first record under no anchor, and when
        self._newest = 0
        self._trouble = ""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchoring", daemon=True)

    def start(self) -> None:
        """Starts anchoring, with what is there now."""
        self._thread.start()

    def stop(self) -> None:
        """Anchors the end, if that is done within seconds, and stops; never raises."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(WAIT_S)

    def admit(self) -> None:
        """Lets a record be made, unless too much has gone unanchored and still cannot be.

        Raises:
            AuditUnavailable: so it is.
        """
        if self._overdue() and not self.anchor():
            raise AuditUnavailable(
                "The audit log has gone without an anchor for too long; nothing is done until "
                "one can be written."
            )

    def recorded(self, head: Head) -> None:
        """Learns of the newest record."""
        with self._state:
            if self._open is None:
                self._open = (head.seq, self._monotonic())
            self._newest = max(self._newest, head.seq)
            due = self._newest - self._open[0] + 1 >= EVERY_RECORDS
        if due:
            self._wake.set()

    def behind(self) -> tuple[int, float]:
        """Returns how many records no anchor covers, and for how many seconds the oldest waits."""
        with self._state:
            if self._open is None:
                return 0, 0.0
            first, since = self._open
            return max(0, self._newest - first + 1), self._monotonic() - since

    def anchor(self) -> bool:
        """Anchors the log as it is now; says whether it is anchored. Never raises."""
        if not self._writing.acquire(timeout=WAIT_S):
            return False
        try:
            since = self._monotonic()
            head = self._records.head()
            if head not in (BEGINNING, self._anchored):
                self._keep(head)
            self._settle(head, since)
        except AuditUnavailable as fault:
            if not self._trouble:
                _log.error("audit.unanchored", cause=str(fault))
            self._trouble = str(fault)
            return False
        else:
            self._trouble = ""
            return True
        finally:
            self._writing.release()

    def lost(self, believed: Keys) -> Anchor | None:
        """Returns an anchor that reaches beyond the log's end: the end was cut off.

        Raises:
            AuditUnavailable: log or anchors cannot be read.
        """
        anchor = newest_anchor(self._folder, believed)
        return anchor if anchor and anchor.seq > self._records.head().seq else None

    def _keep(self, head: Head) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        keep_anchor(self._folder, make_anchor(self._key, head, time=now, worker=self._worker))
        self._anchored = head
        _log.info("audit.anchored", seq=head.seq, hash=head.hash)

    def _settle(self, head: Head, since: float) -> None:
        with self._state:
            if self._open is not None and head.seq >= self._open[0]:
                self._open = (head.seq + 1, since) if self._newest > head.seq else None

    def _overdue(self) -> bool:
        records, seconds = self.behind()
        return records >= MAX_UNANCHORED or seconds >= MAX_UNANCHORED_S

    def _run(self) -> None:
        while True:
            self._wake.clear()
            last = self._stopping.is_set()  # before: what comes while an anchor is made, waits
            self.anchor()
            if last:
                return
            if self._trouble:  # each record would wake us
                self._stopping.wait(AGAIN_S)
            else:
                self._wake.wait(EVERY_S)
