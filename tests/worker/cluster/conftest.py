from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.canned import CannedServer, canned_server, kubeconfig
from worker.cluster import Cluster


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with canned_server() as it:
        yield it


@pytest.fixture
def cluster(server: CannedServer, tmp_path: Path) -> Cluster:
    path = kubeconfig(tmp_path, server.url)
    return Cluster.connect(path, name="canned", role="tests", timeout_s=5)
