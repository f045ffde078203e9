"""The API server is away, silent, slow, busy or wrong."""

import time

import pytest

from tests.faults.kept import Kept, a_plan, until_decided
from tests.faults.measured import Ledger
from tests.faults.stage import SANDBOX, Stage
from tests.faults.traffic import GOOD, Traffic, asked, client

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

LISTS = {"verb": "list"}
CREATES = {"verb": "create", "resource": "configmaps"}
AWAY = {GOOD, "cluster_unreachable", "cluster_timeout", "worker_timeout", "queue_full", "no_worker"}


def test_the_api_server_is_stopped_for_twenty_seconds(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    with Traffic(stage.live) as traffic:
        traffic.until_good()
        stage.stop(SANDBOX)
        traffic.until_bad()
        traffic.wait(20)
        stage.start(SANDBOX)
        stage.until_ready(SANDBOX)
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= AWAY, traffic.codes()
    assert until_decided(stage, kept.approved) == "applied"
    assert len(stage.writes("configmaps")) == 1  # the log began anew
    lost = "nothing: the approved plan was written once"
    ledger.add("api-stopped", traffic.told, lost=lost, normal_s=normal_s)


def test_the_way_to_the_api_server_is_half_open(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    with Traffic(stage.live) as traffic:
        traffic.until_good()
        assert stage.legs["worker-cluster"].swallow() > 0
        traffic.wait(12)
        stage.mend()
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= AWAY, traffic.codes()
    lost = kept.require_all()
    ledger.add("half-open-worker-cluster", traffic.told, lost=lost, normal_s=normal_s)


def test_patience_is_granted_to_a_busy_api_server(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    busy = {"fault": "429", "seconds": 1}
    stage.script({"match": LISTS, **busy, "times": 6}, {"match": CREATES, **busy})
    with Traffic(stage.live) as traffic:
        with client(stage.live) as http:
            a_plan(stage, http, "throttled")
        stage.script({"match": CREATES, **busy, "skip": 1})
        lost = kept.require_all()
        stage.until_hit()
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) == {GOOD}
    ledger.add("api-429", traffic.told, lost=lost, normal_s=normal_s)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("api-500", {"fault": "500", "times": 60}), ("api-slow", {"fault": "latency", "ms": 2000})],
)
def test_the_api_server_fails_or_is_slow(
    name: str, fault: dict[str, object], stage: Stage, ledger: Ledger
) -> None:
    kept = Kept.made(stage)
    with Traffic(stage.live) as traffic:
        traffic.until_good()
        stage.script({"match": LISTS, "times": 20, **fault})
        stage.until_hit()
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= AWAY, traffic.codes()
    ledger.add(name, traffic.told, lost=kept.require_all(), normal_s=normal_s)


def test_a_write_that_was_committed_without_an_answer_is_found_out(
    stage: Stage, ledger: Ledger
) -> None:
    kept = Kept.made(stage)
    stage.script({"match": CREATES, "fault": "timeout_after_commit", "skip": 1, "seconds": 60})
    with client(stage.live) as http:
        told = asked(http, "apply_approved_plan", planId=kept.approved)
    began = time.monotonic()

    assert until_decided(stage, kept.approved) == "applied"
    normal_s = time.monotonic() - began
    ledger.add("api-commit", [told], lost=kept.require_all(), normal_s=normal_s)
