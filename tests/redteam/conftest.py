"""One system of real processes for all attacks."""

import time
from collections.abc import Iterator

import pytest

from dev.login_driver import browser
from tests.redteam.provider import PagesOwner, Visit
from tests.redteam.stage import Stage, started


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with started(tmp_path_factory.mktemp("redteam")) as it:
        yield it


@pytest.fixture(scope="session")
def visit(stage: Stage) -> Iterator[Visit]:
    with browser() as it:
        PagesOwner(stage=stage).login("for looking", it, "dev-approver")
        yield Visit(browser=it, at=time.time())
