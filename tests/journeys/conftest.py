"""One stack of real processes for all journeys; afterwards no secret may lie anywhere."""

from collections.abc import Iterator

import pytest

from tests.journeys import canaries
from tests.journeys.live import Live, started


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The stack, with canaries planted; they are searched for when everything has run."""
    with started(tmp_path_factory.mktemp("stack")) as it:
        canaries.plant(it)
        yield it
        leaked = canaries.found_in(it)
    assert not leaked, f"secrets lie where they must not: {leaked}"
