"""The real stack as processes, and a real MCP client on it: what a whole story needs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from dev.demo.agent import Agent, Told, connected
from dev.stack.places import NAMESPACE as NAMESPACE  # noqa: PLC0414 - for the tests
from dev.stack.places import Places, Record
from dev.stack.tokens import token
from tests.journeys.stacks import Up, running

ROLLOUT_S = 20
"""How long an apply watches a rollout that will never come to an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStack:
    """A stack that is ready."""

    up: Up

    @property
    def approvals(self) -> str:
        return f"{self.up.record.approvals}/approvals"

    def agent(self, subject: str = "dev-requester") -> AbstractContextManager["BlockingAgent"]:
        return asking(self.up.record, self.up.places, subject)


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
def asking(record: Record, places: Places, subject: str) -> Iterator[BlockingAgent]:
    """The official client on a thread of its own, for tests that are not asynchronous."""
    client = connected(record.mcp, token(places, subject))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(client) as agent,
    ):
        yield BlockingAgent(agent=agent, portal=portal)


@pytest.fixture(scope="module", params=["usual", "strict"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WholeStack]:
    """What `infragate up` starts, freshly seeded, for the tests of one module; strict as well."""
    options = ["--strict"] if request.param == "strict" else []
    state: Path = tmp_path_factory.mktemp("stack") / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS", str(ROLLOUT_S))
        with running(state, "--sandbox", *options) as up:
            yield WholeStack(up=up)
