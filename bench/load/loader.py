"""The parent's side of the load process: tells it what to do and waits for what came back."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.load.drives import Drive, Driven, Outcome, read_answer, told
from shared.errors import Fault


class LoadFailed(Fault):
    """Calls failed that should not have, or the load process ended; the text says how."""

    code = "load_failed"


@dataclass(frozen=True, slots=True)
class Loader:
    """A load process that runs."""

    process: "subprocess.Popen[str]"

    def together(self, *drives: Drive) -> list[Driven]:
        """Returns what came back from drives that ran at the same time.

        Raises:
            LoadFailed: the load process ended.
        """
        if self.process.stdin is None or self.process.stdout is None:
            raise LoadFailed("The load process has no standard streams.")
        self.process.stdin.write(told(drives) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise LoadFailed("The load process ended.")
        return read_answer(line)

    def drive(self, drive: Drive) -> Driven:
        """Returns what came back from a drive in which every call must be answered.

        Raises:
            LoadFailed: one was not.
        """
        (driven,) = self.together(drive)
        missing = driven.count(Outcome.FAILED) + driven.count(Outcome.REFUSED)
        if missing:
            why = driven.first_failure or "refused"
            answered = driven.count(Outcome.ANSWERED)
            raise LoadFailed(f"{missing} of {missing + answered} calls failed, the first: {why}")
        return driven


@contextmanager
def loader() -> Iterator[Loader]:
    """A load process, gone after the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Loader(process)
    finally:
        process.kill()
        process.communicate()
