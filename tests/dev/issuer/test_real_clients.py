"""Real agents log in: `codex mcp login` and `claude mcp login`, a terminal and a browser each.

Both are driven as a person would: the client prints the URL, the login driver opens it and signs
in, the client's own loopback callback receives the code. Skipped unless `codex` and `claude` are on
PATH or named by INFRAGATE_TEST_CODEX and INFRAGATE_TEST_CLAUDE; needs no account and no model.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from dev.login_driver import sign_in
from tests.dev.issuer.test_process import PATIENCE, await_answer, free_port, running

REPOSITORY = Path(__file__).parents[3]
AUTHORIZE = re.compile(r"http://127\.0\.0\.1:\d+/authorize\?[^\s\x07\x1b]+")


@pytest.fixture
def codex() -> str:
    return program("codex")


@pytest.fixture
def claude() -> str:
    return program("claude")


def program(name: str) -> str:
    path = os.environ.get(f"INFRAGATE_TEST_{name.upper()}") or shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} on this machine")
    return path


@dataclass(slots=True, kw_only=True)
class Laptop:
    """An empty home folder, and a protected resource to log in to."""

    home: Path
    resource: str

    def environment(self) -> dict[str, str]:
        """Nothing of the person who runs the tests; no browser, no updates, no telemetry."""
        return {
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home / ".codex"),
            "PATH": os.defpath + f":{Path(shutil.which('node') or '/').parent}",
            "TERM": "dumb",
            "BROWSER": "true",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout + done.stderr


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    """A home folder of its own, an issuer, and a resource that trusts it."""
    (tmp_path / "home/.codex").mkdir(parents=True)
    port, resource_port = free_port(), free_port()
    resource = f"http://127.0.0.1:{resource_port}/mcp"
    stub = [sys.executable, "-m", "tests.dev.issuer.stub_resource", "--port", str(resource_port)]
    with running(tmp_path / "state", port, "--resource", resource):
        process = subprocess.Popen([*stub, "--issuer", f"http://127.0.0.1:{port}"], cwd=REPOSITORY)
        try:
            await_answer(resource)
            yield Laptop(home=tmp_path / "home", resource=resource)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def log_in(laptop: Laptop, *command: str) -> str:
    """Runs a client's login in a terminal while a person uses the browser; answers what it said."""
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 2000, 0, 0))  # no wrapping
    process = subprocess.Popen(
        command,
        cwd=laptop.home,
        env=laptop.environment(),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    said, opened = "", False
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline and (more := read(terminal)) is not None:
            said += more
            link = AUTHORIZE.search(said)
            if link and not opened:
                opened = True
                callback = sign_in(link.group(), "dev-requester")
                assert httpx2.get(callback, follow_redirects=True).status_code == 200
    finally:
        os.close(terminal)
        leave(process)
    assert process.returncode == 0, said
    return said


def leave(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read(terminal: int) -> str | None:
    """What the terminal shows next; None when the program has closed it."""
    ready, _, _ = select.select([terminal], [], [], 0.5)
    if not ready:
        return ""
    try:
        return os.read(terminal, 65_536).decode(errors="replace") or None
    except OSError:
        return None


def test_codex_logs_in(codex: str, laptop: Laptop) -> None:
    config = laptop.home / ".codex/config.toml"
    config.write_text(
        'mcp_oauth_credentials_store = "file"\n\n'
        f'[mcp_servers.infragate]\nurl = "{laptop.resource}"\n'
    )

    said = log_in(laptop, codex, "mcp", "login", "infragate")

    assert "Successfully logged in" in said
    assert "OAuth" in laptop.run(codex, "mcp", "list")


def test_claude_code_logs_in_and_connects(claude: str, laptop: Laptop) -> None:
    laptop.run(claude, "mcp", "add", "--transport", "http", "infragate", laptop.resource)
    assert "Needs authentication" in laptop.run(claude, "mcp", "list")

    said = log_in(laptop, claude, "mcp", "login", "infragate")

    assert "Authenticated" in said
    assert "Connected" in laptop.run(claude, "mcp", "list")
