"""The real stack as processes, and a real MCP client on it: what a whole story needs.

`infragate up` itself starts Redis, the simulated cluster, the issuer, a worker and the gateway, on
free ports and with a state folder of its own; a signal ends them, as Ctrl-C would.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from dev.demo.agent import Agent, Told, connected
from dev.demo.person import Person, PlanPage
from dev.stack.places import REPOSITORY, Places, Record, read_record
from dev.stack.tokens import token

NAMESPACE = "mcp-nginx-demo"
START_S = 150
"""A machine that runs other tests too is slow to start six processes."""
STOP_S = 30
ROLLOUT_S = 20
"""How long an apply watches a rollout that will never come to an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStack:
    """A stack that is ready."""

    places: Places
    record: Record

    @property
    def mcp(self) -> str:
        return self.record.mcp

    @property
    def origin(self) -> str:
        return self.record.origin

    def token(self, subject: str = "dev-requester", scope: str = "mcp:tools") -> str:
        return token(self.places, subject, scope)

    @contextmanager
    def agent(self, subject: str = "dev-requester") -> Iterator["BlockingAgent"]:
        """The official client on a thread of its own, for tests that are not asynchronous."""
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(connected(self.mcp, self.token(subject))) as agent,
        ):
            yield BlockingAgent(agent=agent, portal=portal)

    def approve(self, url: str, subject: str = "dev-approver") -> PlanPage:
        """Approves on the real pages, request by request as a browser would."""
        with Person(subject, self.record.issuer) as person:
            return person.approve(person.open(url), namespace=NAMESPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingAgent:
    """An agent whose calls wait for their answers."""

    agent: Agent
    portal: BlockingPortal

    def call(self, tool: str, **arguments: Any) -> Told:
        return self.portal.call(lambda: self.agent.call(tool, **arguments))

    def asked(self, tool: str, **arguments: Any) -> Told:
        return self.portal.call(lambda: self.agent.asked(tool, **arguments))


@contextmanager
def running(state: Path, *options: str) -> Iterator[WholeStack]:
    """`infragate up` with this state folder, ready in the block and gone after it."""
    up = [sys.executable, "-m", "dev.cli", "up", "--sandbox", "--no-color"]
    ports = ["--port", "0", "--issuer-port", "0"]
    process = subprocess.Popen(
        [*up, *ports, "--state", str(state), *options],
        cwd=REPOSITORY,
        env=os.environ | {"INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS": str(ROLLOUT_S)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = _until_ready(process)
        places = Places(state=state.resolve())
        record = read_record(places)
        assert record is not None, said
        yield WholeStack(places=places, record=record)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=STOP_S)


def _until_ready(process: subprocess.Popen[str]) -> str:
    """What it said until it was ready; a stack that is late is ended, and what it said is shown."""
    late = threading.Timer(START_S, process.send_signal, [signal.SIGINT])
    late.start()
    said: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ready"):
                return "".join(said)
    finally:
        late.cancel()
    pytest.fail("infragate up did not become ready:\n" + "".join(said))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStack]:
    """A freshly seeded stack for the tests of one module."""
    with running(tmp_path_factory.mktemp("stack") / "state") as stack:
        yield stack
