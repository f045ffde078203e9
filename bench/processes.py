"""References that are processes of their own: started, waited for, ended."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dev.stack.processes import Running, stop_all
from shared.errors import Fault

START_S: Final = 90.0
STOP_S: Final = 5.0
_POLL_S: Final = 0.05


class NotReady(Fault):
    """A process ended or did not become ready; the text has the end of its log."""

    code = "not_ready"


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Returns the command that runs a module with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


@contextmanager
def running(
    command: Sequence[str], ready: Callable[[], bool], environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A process that is ready in the block and gone after it.

    Raises:
        NotReady: it did not become so.
    """
    with tempfile.TemporaryDirectory(prefix="infragate-bench-") as folder:
        log = Path(folder) / "log"
        process = Running(command, {**os.environ, **(environment or {})}, log)
        try:
            wait_until(ready, process)
            yield process
        finally:
            stop_all([process], within_s=STOP_S)


def wait_until(ready: Callable[[], bool], process: Running) -> None:
    """Returns when `ready` says so.

    Raises:
        NotReady: the process ended, or took longer than `START_S`.
    """
    deadline = time.monotonic() + START_S
    while not ready():
        if process.exit_code() is not None or time.monotonic() > deadline:
            raise NotReady("\n".join(["It is not ready:", *process.said(15)]))
        time.sleep(_POLL_S)
