"""Processes of a stack: each in a group of its own, with its output in a log; none outlives us.

Linux alone can end children with their parent, so a guardian does it everywhere: a shell that
waits for the end of a pipe that we hold, and then ends the groups it was told of.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from dev.stack.places import REPOSITORY

MAX_LOG_BYTES: Final = 5_000_000
_POLL_S: Final = 0.02
_GUARDIAN: Final = """
while read -r group; do
  [ "$group" = done ] && exit 0
  groups="$groups $group"
done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
sleep 5
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""


class Guardian:
    """Ends the processes it was told of when this process dies, however it dies."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDIAN],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        """Adds a process group."""
        self._say(str(pid))

    def dismiss(self) -> None:
        """Everything has been stopped; nothing is left to guard."""
        self._say("done")
        if self._shell.stdin is not None:
            with suppress(BrokenPipeError):
                self._shell.stdin.close()
        self._shell.wait()

    def _say(self, word: str) -> None:
        if self._shell.stdin is not None:
            with suppress(BrokenPipeError):  # somebody killed it; we still stop our own
                self._shell.stdin.write(f"{word}\n".encode())
                self._shell.stdin.flush()


class Running:
    """A started process with its log."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        _rotate(log)
        self._begins = log.stat().st_size if log.exists() else 0
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as output:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Returns the process id, which is also that of its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        return self._process.poll()

    def said(self, lines: int) -> list[str]:
        """Returns the last lines of what it said since its start."""
        with self.log.open("rb") as file:
            file.seek(self._begins)
            text = file.read(MAX_LOG_BYTES).decode("utf-8", "replace")
        return text.splitlines()[-lines:]

    def ask_to_stop(self) -> None:
        """Sends SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it and all that it started, at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
            os.killpg(self._process.pid, number)


def stop_all(running: Sequence[Running], *, within_s: float) -> None:
    """Asks all of them to stop, and kills those that have not within the time."""
    for one in running:
        one.ask_to_stop()
    deadline = time.monotonic() + within_s
    while any(one.exit_code() is None for one in running) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    for one in running:
        one.kill()


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
