"""One stack of real processes for most faults; each test leaves it well."""

from collections.abc import Iterator

import pytest

from tests.faults.measured import Ledger
from tests.faults.stage import Stage, staged

SETTINGS = {
    "INFRA_GATE_PLAN_TIMEOUT_SECONDS": "20",  # 40 usually: the suite waits for it to pass
    "INFRA_GATE_APPLY_TIMEOUT_SECONDS": "20",  # 55
    "INFRA_GATE_KUBERNETES_TIMEOUT_SECONDS": "5",  # 10; what settles a lost write waits for it
    "INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS": "5",
    "INFRA_GATE_WORKER_THREADS": "16",  # tests count on how many calls are at work
    "INFRA_GATE_REQUESTS_PER_SECOND": "10000",  # few people make all the calls here
    "INFRA_GATE_REQUESTS_BURST": "10000",
    "INFRA_GATE_REQUESTS_AT_A_TIME": "1000",
}


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stack"), **SETTINGS) as it:
        yield it
        it.live.stack.require_alive()


@pytest.fixture
def stage(whole: Stage) -> Iterator[Stage]:
    """The stack; afterwards every line is well and no fault is scripted."""
    yield whole
    whole.mend()
    whole.unscript()
