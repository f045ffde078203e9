"""Our sessions, edge and sealing under the official suite: two replicas, request by request."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev.redis_server import free_port
from tests.conformance.entrance import entrance
from tests.conformance.replica import TOKEN
from tests.conformance.suite import Suite, installed
from tests.journeys.round_robin import Proxy, until_it_answers


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return installed(tmp_path / "results")


@pytest.fixture
def two_replicas(redis_url: str) -> Iterator[tuple[str, Proxy]]:
    """The address of both, and who answered what."""
    front = free_port()
    with ExitStack() as stack:
        targets = []
        for _ in range(2):
            port = free_port()
            targets.append(f"http://127.0.0.1:{port}")
            names = (f"127.0.0.1:{front}", f"localhost:{front}", f"127.0.0.1:{port}")
            command = [sys.executable, "-W", "ignore", "-m", "tests.conformance.replica"]
            process = stack.enter_context(
                subprocess.Popen([*command, str(port), redis_url, *names])
            )
            stack.callback(process.terminate)
            until_it_answers(targets[-1], process)
        proxy = stack.enter_context(entrance(front, targets, TOKEN))
        yield f"http://127.0.0.1:{front}/mcp", proxy


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_every_scenario_that_a_revision_requires_passes_on_two_replicas(
    suite: Suite, two_replicas: tuple[str, Proxy], revision: str
) -> None:
    url, proxy = two_replicas

    verdict = suite.judge(url, "--requirements", revision)

    assert not verdict.scored_failures, suite.complaints()
    assert verdict.code == 0, verdict.said
    assert suite.required(revision) <= verdict.passed
    assert set(proxy.served) == set(proxy.targets)
