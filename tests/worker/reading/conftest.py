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
    return Cluster.connect(kubeconfig(tmp_path, server.url), name="canned", timeout_s=5)
