"""The real gateway under the official suite, as far as its scenarios want no tools of their own."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conformance.entrance import WithToken
from tests.conformance.suite import Suite, installed
from tests.journeys.live import started
from tests.journeys.round_robin import Fleet, fleet

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

HANDSHAKE = (
    "server-initialize",
    "server-session-lifecycle",
    "ping",
    "tools-list",
    "dns-rebinding-protection",
)
STATELESS = ("tools-list", "dns-rebinding-protection")


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return installed(tmp_path / "results")


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two replicas; every request comes with a token of the development issuer."""
    installed(Path())
    with (
        started(tmp_path_factory.mktemp("stack")) as live,
        fleet(
            live,
            tmp_path_factory.mktemp("replicas"),
            entrance=partial(WithToken, token=live.token()),
        ) as it,
    ):
        yield it


@pytest.mark.parametrize(
    ("revision", "scenario"),
    [
        *(("2025-11-25", scenario) for scenario in HANDSHAKE),
        *(("2026-07-28", scenario) for scenario in STATELESS),
    ],
)
def test_a_scenario_that_needs_no_tools_of_its_own_passes_on_two_replicas(
    suite: Suite, gateways: Fleet, revision: str, scenario: str
) -> None:
    verdict = suite.judge(gateways.mcp, "--spec-version", revision, "--scenario", scenario)

    assert verdict.code == 0, verdict.said
    assert not suite.complaints()
