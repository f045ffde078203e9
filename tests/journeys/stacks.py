"""Real stacks as processes on free ports, driven as a person at a terminal would drive them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # has no types
import pytest

from dev.stack.places import Places, Record, read_record

REPOSITORY = Path(__file__).parents[2]
START_S = 150.0


def infragate(*arguments: str, timeout: float = START_S) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "dev.cli", *arguments],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def environment() -> dict[str, str]:
    """That of the tests, without a cluster of the person who runs them."""
    return {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}


@dataclass(slots=True, kw_only=True)
class Up:
    """A stack that is ready. `told` is what it printed."""

    process: subprocess.Popen[str]
    places: Places
    record: Record
    told: str

    @property
    def state(self) -> str:
        """Returns the folder, as an argument."""
        return str(self.places.state)

    def family(self) -> list[psutil.Process]:
        """Returns the process and all that it started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def interrupt(self) -> None:
        """Presses Ctrl-C and waits until it is gone."""
        self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=60)
        self.told += rest


@contextmanager
def running(state: Path, *arguments: str) -> Iterator[Up]:
    """A stack that is ready in the block, and stopped after it if it still runs."""
    ports = ("--port", "0", "--issuer-port", "0", "--approvals-port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "dev.cli", "up", *ports, "--state", str(state), *arguments],
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told = _until_told(process)
        places = Places(state=state.resolve())
        record = read_record(places)
        assert record is not None
        yield Up(process=process, places=places, record=record, told=told)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def gone(family: list[psutil.Process], within_s: float = 10.0) -> bool:
    """Says whether none of the processes lives, at the latest after a while."""
    _, alive = psutil.wait_procs(family, timeout=within_s)
    return not alive


def _until_told(process: subprocess.Popen[str]) -> str:
    """Reads up to the last line of the banner; the test's own timeout bounds the wait."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(r"/logs/\*\.log$", line.rstrip()):
            return "".join(lines)
    pytest.fail("the stack did not become ready:\n" + "".join(lines))
