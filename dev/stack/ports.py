"""Which ports are free and, of those that are not, who holds them. Frees none."""

import contextlib
import errno
import shutil
import socket
import subprocess
from dataclasses import dataclass
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_LONGEST_COMMAND: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str

    def __str__(self) -> str:
        """Returns it as a person would look for it."""
        return f"process {self.pid} ({self.command})"


def is_free(port: int) -> bool:
    """Says whether nobody listens on `port` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def choose(preferred: int) -> int:
    """Returns `preferred` if it is free, else some free port."""
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def busy_message(port: int, what: str, option: str) -> str:
    """Returns what to tell a person whose `port` is taken: by whom, and what to do."""
    holder = holder_of(port)
    told = f"by {holder}" if holder else "by a process that only another user may see"
    remedy = f"Stop it (`kill {holder.pid}`)" if holder else "Stop it"
    return (
        f"Port {port}, which {what} needs, is taken {told}.\n"
        f"{remedy}, or choose another port with {option}."
    )


def holder_of(port: int) -> Holder | None:
    """Returns the process that listens on `port`, as far as this user may know."""
    try:
        import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - seldom needed, untyped
    except ImportError:
        return _by_lsof(port)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            listens = any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port
                for one in process.net_connections(kind="tcp")
            )
            if listens:
                return Holder(pid=process.pid, command=_short(" ".join(process.cmdline())))
    return None


def _by_lsof(port: int) -> Holder | None:
    if shutil.which("lsof") is None:
        return None
    command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    fields = {line[0]: line[1:] for line in reversed(told.splitlines()) if line}
    if not fields.get("p", "").isdigit():
        return None
    return Holder(pid=int(fields["p"]), command=_short(fields.get("c", "")))


def _short(command: str) -> str:
    command = command or "unknown command"
    return command if len(command) <= _LONGEST_COMMAND else f"{command[: _LONGEST_COMMAND - 1]}…"
