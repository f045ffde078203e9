"""An empty home folder in which real agents run, and a terminal in which they log in.

Nothing of the person who runs the tests is seen or changed, and nothing leaves this machine: every
proxy is a closed port, except for loopback addresses.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from dev.login_driver import sign_in

PATIENCE_S = 20
LOGIN_S = 90
AUTHORIZE = re.compile(r"http://127\.0\.0\.1:\d+/authorize\?[^\s\x07\x1b]+")
NOWHERE = "http://127.0.0.1:9"


def program(name: str, command: str = "") -> str:
    """The path of a client, from INFRAGATE_TEST_<NAME> or PATH; skips the test without one."""
    variable = f"INFRAGATE_TEST_{name.upper()}"
    path = os.environ.get(variable) or shutil.which(command or name)
    if path is None:
        pytest.skip(f"{name} is not run: it is neither on PATH nor named by {variable}")
    return path


def node() -> str | None:
    """The path of Node.js, from INFRAGATE_TEST_NODE or PATH."""
    return os.environ.get("INFRAGATE_TEST_NODE") or shutil.which("node")


@dataclass(slots=True, kw_only=True)
class Laptop:
    """A home folder of its own."""

    home: Path

    def environment(self) -> dict[str, str]:
        """No browser, no updates, no telemetry, no network."""
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), NOWHERE)
        return {
            **proxies,
            "NO_PROXY": "127.0.0.1,localhost",
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home / ".codex"),
            "PATH": f"{Path(node() or '/').parent}:{os.defpath}",
            "TERM": "dumb",
            "BROWSER": "true",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }

    def run(self, *command: str) -> str:
        """What a command says; it must succeed."""
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LOGIN_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def log_in(self, *command: str, subject: str = "dev-requester") -> str:
        """Runs a client's login while a person uses the browser; answers what it said.

        The client prints the address, the person opens it and signs in, and the client's own
        loopback callback receives the code.
        """
        terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 2000, 0, 0))  # no wrapping
        process = subprocess.Popen(
            command,
            cwd=self.home,
            env=self.environment(),
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)
        try:
            said = _with_a_browser(terminal, subject)
        finally:
            os.close(terminal)
            leave(process)
        assert process.returncode == 0, said
        return said


def leave(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Waits for a process; one that does not end is killed."""
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _with_a_browser(terminal: int, subject: str) -> str:
    said, opened = "", False
    deadline = time.monotonic() + LOGIN_S
    while time.monotonic() < deadline and (more := _read(terminal)) is not None:
        said += more
        link = AUTHORIZE.search(said)
        if link and not opened:
            opened = True
            callback = sign_in(link.group(), subject)
            assert httpx2.get(callback, follow_redirects=True).status_code == 200
    return said


def _read(terminal: int) -> str | None:
    """What the terminal shows next; None when the program has closed it."""
    ready, _, _ = select.select([terminal], [], [], 0.5)
    if not ready:
        return ""
    try:
        return os.read(terminal, 65_536).decode(errors="replace") or None
    except OSError:
        return None
