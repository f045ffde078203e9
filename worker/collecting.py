"""Collecting old claims: the Leases of plans that ended long ago, in the background."""

import threading
from typing import Final

from shared.errors import Fault
from shared.logs import Log
from worker import claims
from worker.context import Context

EVERY_S: Final = 6 * 3600.0
"""A claim is kept for a day after its plan's expiry anyway; a few hours more cost nothing."""

FIRST_S: Final = 60.0
"""Not in the worker's first minute, when it has better things to do."""

_log = Log("worker")


class Collector:
    """Deletes claims that no receipt could use any more; only for appliers."""

    def __init__(
        self, context: Context, *, first_s: float = FIRST_S, every_s: float = EVERY_S
    ) -> None:
        self._context = context
        self._first_s = first_s
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def start(self) -> None:
        """Begins to collect from time to time."""
        self._thread.start()

    def stop(self) -> None:
        """Collects no more."""
        self._stopping.set()

    def _run(self) -> None:
        pause = self._first_s
        while not self._stopping.wait(pause):
            pause = self._every_s
            try:
                count = claims.collect(self._context.cluster, now=int(self._context.clock()))
            except Fault as fault:
                _log.warning("claims.not_collected", code=fault.code)
            else:
                _log.info("claims.collected", count=count)
