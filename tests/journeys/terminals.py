"""Somebody at a terminal of their own, who runs a command, reads, types, and signs in elsewhere."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2

from dev.login_driver import sign_in
from tests.journeys.stacks import REPOSITORY, environment

PATIENCE_S = 60.0
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/authorize\?\S+")


class Terminal:
    """A pseudo-terminal with one command in it. `said` is all that it showed."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self._process = process
        self._read = 0
        self.said = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Waits for words that were not read yet; reads up to them."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = re.compile(pattern).search(self.said, self._read)
            if found:
                self._read = found.end()
                return found
            assert time.monotonic() < deadline, f"no {pattern} in: {self.said[self._read :]}"
            assert self._more(), f"it ended without {pattern}: {self.said[self._read :]}"

    def type(self, text: str) -> None:
        os.write(self._descriptor, f"{text}\n".encode())

    def sign_in(self, subject: str = "dev-approver") -> None:
        """Opens the address that is shown in a browser of its own, and signs in there."""
        self.until(r"Open:\s")
        address = self.until(ADDRESS.pattern + r"\r?\n")[0].strip()
        with httpx2.Client(trust_env=False) as client:
            page = client.get(sign_in(address, subject))
        assert "this page can be closed" in page.text

    def end(self) -> int:
        """Reads to the end; returns the exit code."""
        while self._more():
            pass
        return self._process.wait(PATIENCE_S)

    def _more(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], PATIENCE_S)
        try:
            told = os.read(self._descriptor, 65_536) if ready else b""
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.said += told.decode(errors="replace")
        return bool(told)


@contextmanager
def terminal(
    command: Sequence[str], *, lines: int = 1000, columns: int = 400
) -> Iterator[Terminal]:
    """A terminal in which the command runs, until the block ends."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment(),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    try:
        yield Terminal(outer, process)
    finally:
        process.kill()
        process.wait()
        os.close(outer)
