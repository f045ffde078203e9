"""A connection to the API server that is half-open, or trickles, costs one time-out and no more."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.errors import ClusterTimeout
from tests.faults.proxy import FaultProxy, Line
from tests.worker.canned import CannedServer, Reply, kubeconfig
from worker.cluster import Cluster

POD = "/api/v1/namespaces/shop/pods/web"
KEPT = 6


@pytest.fixture
def proxy(server: CannedServer) -> Iterator[FaultProxy]:
    port = urlsplit(server.url).port
    assert port is not None
    with FaultProxy(port) as it:
        yield it


@pytest.fixture
def impatient(proxy: FaultProxy, tmp_path: Path) -> Cluster:
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{proxy.port}")
    return Cluster.connect(path, name="canned", timeout_s=0.5)


def test_one_time_out_is_paid_for_all_the_connections_that_were_kept(
    server: CannedServer, proxy: FaultProxy, impatient: Cluster
) -> None:
    release = threading.Event()
    server.on("GET", POD, Reply(hold=release, body={"kind": "Pod"}))
    asking = [
        threading.Thread(target=impatient.get, args=("Pod", "shop", "web")) for _ in range(KEPT)
    ]
    for thread in asking:
        thread.start()
    while len(server.asked(POD)) < KEPT:
        threading.Event().wait(0.01)  # until all are asked side by side, each over its own
    release.set()
    for thread in asking:
        thread.join()
    assert proxy.swallow(new=False) == KEPT

    with pytest.raises(ClusterTimeout):
        impatient.get("Pod", "shop", "web")
    for _ in range(KEPT):
        assert impatient.get("Pod", "shop", "web") == {"kind": "Pod"}


def test_an_answer_that_trickles_is_given_up_like_none(
    server: CannedServer, proxy: FaultProxy, impatient: Cluster
) -> None:
    server.on("GET", POD, Reply(body={"kind": "Pod", "spec": "x" * 3000}))
    assert impatient.get("Pod", "shop", "web")
    proxy.behave(Line(bytes_per_s=1000))  # something comes ten times a second

    with pytest.raises(ClusterTimeout):
        impatient.get("Pod", "shop", "web")


def test_a_log_that_trickles_is_given_up_too(
    server: CannedServer, proxy: FaultProxy, impatient: Cluster
) -> None:
    server.on("GET", f"{POD}/log", Reply(body=b"x" * 3000))
    proxy.behave(Line(bytes_per_s=1000))

    with pytest.raises(ClusterTimeout):
        impatient.logs(
            "shop", "web", container="c", tail_lines=5, previous=False, limit_bytes=10_000
        )
