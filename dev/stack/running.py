"""A stack at work: starts its parts as soon as they can, watches them, stops them all.

One thread does everything, so a part that dies or a signal is seen at every step.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from dev.stack.parts import Part
from dev.stack.places import Places
from dev.stack.processes import Guardian, Running, stop_all
from shared.errors import Fault

START_S: Final = 120.0
WATCH_S: Final = 0.2
_POLL_S: Final = 0.1
_FIRST_S: Final = 3.4
_LAST_S: Final = 1.2
"""Together less than the five seconds within which Ctrl-C ends everything."""
_LOG_LINES: Final = 15

OnReady = Callable[[Part, float], None]


class PartFailed(Fault):
    """A part ended by itself or did not become ready; the text has the end of its log."""

    code = "part_failed"


class ToldToStop(Exception):  # noqa: N818 - nothing went wrong
    """A signal asked for the end."""


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP instead of being interrupted anywhere by them."""

    def __init__(self) -> None:
        self.arrived = False

    def require_none(self) -> None:
        """Returns if no signal arrived.

        Raises:
            ToldToStop: one did.
        """
        if self.arrived:
            raise ToldToStop

    def note(self, _: int, __: FrameType | None) -> None:
        """Handles a signal."""
        self.arrived = True


class Stack:
    """The processes of one stack, in the order of their start."""

    def __init__(self, places: Places, parts: Sequence[Part], signals: Signals) -> None:
        self._places = places
        self._parts = parts
        self._signals = signals
        self._running: dict[str, Running] = {}
        self._ready: dict[str, float] = {}
        self._guardian: Guardian | None = None

    def start(self, told: OnReady, forget: Callable[[], None]) -> None:
        """Returns when all parts are ready; `told` hears of each, with the seconds it took.

        `forget` is called once, when Redis is ready and before any other part uses it.

        Raises:
            PartFailed: one ended, or took longer than `START_S`.
            ToldToStop: a signal arrived.
        """
        self._guardian = Guardian()
        began = time.monotonic()
        waiting = list(self._parts)
        while waiting:
            self._start_what_can()
            for part in [one for one in waiting if self._is_ready(one)]:
                waiting.remove(part)
                self._ready[part.name] = time.monotonic() - began
                if part is self._parts[0]:
                    forget()
                told(part, self._ready[part.name])
            self.require_alive()
            if time.monotonic() - began > START_S and waiting:
                raise PartFailed(self._late(waiting[0]))
            time.sleep(_POLL_S)

    def watch(self) -> None:
        """Returns never.

        Raises:
            PartFailed: a part ended by itself.
            ToldToStop: a signal arrived.
        """
        while True:
            self.require_alive()
            time.sleep(WATCH_S)

    def stop(self) -> None:
        """Ends all parts: first those that others lean on least."""
        running = self._running
        last = [running[part.name] for part in self._parts if part.last and part.name in running]
        first = [one for one in running.values() if one not in last]
        stop_all(first, within_s=_FIRST_S)
        stop_all(last, within_s=_LAST_S)
        if self._guardian is not None:
            self._guardian.dismiss()

    def pid(self, part: str) -> int:
        """Returns the process id of a part that was started."""
        return self._running[part].pid

    def _start_what_can(self) -> None:
        for part in self._parts:
            if part.name not in self._running and set(part.needs) <= self._ready.keys():
                log = self._places.logs / f"{part.name}.log"
                running = Running(part.command, part.environment, log)
                self._running[part.name] = running
                if self._guardian is not None:
                    self._guardian.watch(running.pid)

    def _is_ready(self, part: Part) -> bool:
        return part.name in self._running and part.ready()

    def require_alive(self) -> None:
        """Returns if every started part runs and no signal arrived.

        Raises:
            PartFailed: a part ended by itself.
            ToldToStop: a signal arrived.
        """
        self._signals.require_none()
        for name, running in self._running.items():
            code = running.exit_code()
            if code is not None:
                raise PartFailed(_told(f"The {name} stopped by itself ({_ending(code)})", running))

    def _late(self, part: Part) -> str:
        what = f"The {part.name} is not ready after {START_S:.0f} s"
        running = self._running.get(part.name)
        return _told(what, running) if running else f"{what}: what it needs never became ready."


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _told(what: str, running: Running) -> str:
    lines = "\n".join(f"  | {line}" for line in running.said(_LOG_LINES)) or "  | (nothing)"
    return f"{what}. The end of {running.log}:\n{lines}"


@contextmanager
def noted_signals() -> Iterator[Signals]:
    """Notes signals in the block; what was done with them before is done again after it."""
    signals = Signals()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signals.note) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
