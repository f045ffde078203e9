"""What is asked for is large. The last file of the suite: the Pods stay in its namespace."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.kube import Kube
from bench.namespaces import Admin, pod
from tests.faults.kept import facts_of
from tests.faults.measured import Ledger
from tests.faults.stage import Stage
from tests.faults.traffic import GOOD, Told, Traffic, asked, client

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PODS = 5000
CROWD = "app=crowd"
"""With a selector the API server does not say how many follow, so that all pages are fetched."""


def test_a_log_of_ten_megabytes_is_answered_with_its_end(stage: Stage, ledger: Ledger) -> None:
    pods = facts_of(stage, "get_k8s_status")["pods"]["items"]
    name = next(each["name"] for each in pods if each["name"].startswith("nginx-"))
    wish = {"pod": name, "container": "nginx", "lines": 1000, "length": 10_000}
    stage.write_log(namespace=stage.live.namespace, **wish)
    arguments = {"namespace": stage.live.namespace, "podName": name, "tailLines": 500}
    told: list[Told] = []
    with Traffic(stage.live) as traffic:
        with client(stage.live) as http:
            told += [asked(http, "get_pod_logs", **arguments) for _ in range(5)]
        normal_s = traffic.normal_after(time.monotonic())

    assert {one.code for one in told} == {GOOD}
    assert set(traffic.codes()) == {GOOD}
    lost = "older lines, which the answer says; other callers were answered"
    ledger.add("log-10mb", told, lost=lost, normal_s=normal_s)


def test_a_namespace_of_five_thousand_pods_is_answered(stage: Stage, ledger: Ledger) -> None:
    _crowd(stage)
    namespace = stage.live.namespace
    with client(stage.live) as http:
        whole = [asked(http, "get_k8s_status", namespace=namespace) for _ in range(3)]
        chosen = [
            asked(http, "get_k8s_status", namespace=namespace, labelSelector=CROWD)
            for _ in range(2)
        ]
        pages = {"verb": "list", "resource": "pods"}
        stage.script({"match": pages, "fault": "410", "skip": 3})
        again = asked(http, "get_k8s_status", namespace=namespace, labelSelector=CROWD)
    stage.until_hit()

    assert {one.code for one in (*whole, *chosen, again)} == {GOOD}
    assert {one.facts["pods"]["total"] for one in (*chosen, again)} == {PODS}
    assert all(one.facts["pods"]["total"] > PODS for one in whole)
    ledger.add("pods-5000", [*whole, *chosen], lost="nothing: counted whole, shown in part")
    ledger.add("api-410", [again], lost="nothing: the list is begun anew")


def _crowd(stage: Stage) -> None:
    """Pods for a scheduler that does not exist."""
    admin = Kube.of(stage.live.places.sandbox / "admin.kubeconfig")
    by = Admin(admin, admin.pool(8))
    path = f"/api/v1/namespaces/{stage.live.namespace}/pods"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: by.must("POST", path, pod(number)), range(PODS)))
