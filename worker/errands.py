"""The call that a thread works on: until when somebody waits for it, and whether they still do.

Reads and plans are not worth finishing for nobody: their next request to the cluster is not sent.
An apply has no such limits: what was begun is ended, whoever waits.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from shared.errors import CallerLeft, WorkerTimeout

USUAL_S: Final = 10.0
"""How long somebody waits where nobody has said it: an operator's command."""

LOOK_S: Final = 0.25
"""Between two looks whether somebody still waits; a call that is faster than this never looks."""


class Errand:
    """One call at work. Safe for all threads that ask the cluster for it at once."""

    def __init__(
        self,
        *,
        latest: float | None = None,
        must_end: bool = False,
        is_given_up: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Somebody waits until `latest` in the seconds of `clock`; None: nobody has said it.

        What `must_end` goes on all the same.
        """
        self._latest = latest
        self._must_end = must_end
        self._is_given_up = is_given_up
        self._clock = clock
        self._look_at = clock() + LOOK_S
        self._lock = threading.Lock()
        self._asking = 0
        self._since = 0.0
        self.asked_s = 0.0
        """For how long the cluster was being asked, by however many threads at once."""

    def seconds_left(self, longest: float) -> float:
        """Returns how long the next request to the cluster may take, at most `longest`.

        Raises:
            CallerLeft: nobody waits any more; looked up at most once in `LOOK_S`.
            WorkerTimeout: the time is up.
        """
        if self._must_end or self._latest is None:
            return longest
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self.require_wanted()
        if now >= self._latest:
            raise WorkerTimeout("The time for this call was up before all of it was done.")
        return min(longest, self._latest - now)

    def require_wanted(self) -> None:
        """Returns if somebody still waits.

        Raises:
            CallerLeft: nobody does.
        """
        if not self._must_end and self._is_given_up():
            raise CallerLeft("Whoever asked for this waits no more.")

    def patience_s(self) -> float:
        """Returns for how many seconds somebody still waits; below 0 nobody does any more."""
        return USUAL_S if self._latest is None else self._latest - self._clock()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Counts the time of a request to the cluster."""
        with self._lock:
            if not self._asking:
                self._since = self._clock()
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1
                if not self._asking:
                    self.asked_s += self._clock() - self._since


_current: ContextVar[Errand | None] = ContextVar("infragate_errand", default=None)


def current() -> Errand:
    """Returns what this thread works on; outside of a call something without limits."""
    return _current.get() or Errand()


@contextmanager
def on(errand: Errand) -> Iterator[None]:
    """While this lasts, `current` answers this errand."""
    token = _current.set(errand)
    try:
        yield
    finally:
        _current.reset(token)
