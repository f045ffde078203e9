"""Redis stops, forgets, or goes silent: callers are told, and what was accepted is there."""

import shutil
import time

import pytest

from tests.faults.kept import Kept, status, until_decided
from tests.faults.measured import Ledger
from tests.faults.stage import GATEWAY, REDIS, WORKER, Leg, Stage
from tests.faults.traffic import GOOD, SUBJECTS, Traffic

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

AWAY = {GOOD, "redis_unavailable", "worker_timeout", "no_worker", "queue_full"}
AWAY |= {"temporarily_unavailable"}
"""An answer, or a code that says that something is away for now."""


def test_redis_is_stopped_for_ten_seconds(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    pids = [stage.live.pid(part) for part in (GATEWAY, WORKER)]
    with Traffic(stage.live) as traffic:
        traffic.until_good()
        stage.stop(REDIS)
        traffic.until_bad()
        traffic.wait(10)
        stage.start(REDIS)
        stage.until_ready(REDIS)
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= AWAY, traffic.codes()
    assert pids == [stage.live.pid(part) for part in (GATEWAY, WORKER)]
    ledger.add("redis-stopped", traffic.told, lost=kept.require_all(), normal_s=normal_s)


def test_redis_is_killed_and_comes_back_from_its_file(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    with Traffic(stage.live) as traffic:
        traffic.until_good()
        stage.kill(REDIS)
        stage.start(REDIS)
        stage.until_ready(REDIS)
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= AWAY, traffic.codes()
    ledger.add("redis-aof", traffic.told, lost=kept.require_all(), normal_s=normal_s)


def test_redis_comes_back_empty_and_nothing_is_written_twice(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    assert until_decided(stage, kept.approved) == "applied"
    with Traffic(stage.live) as traffic:
        traffic.until_good()
        stage.kill(REDIS)
        shutil.rmtree(stage.live.places.redis / "appendonlydir")
        stage.start(REDIS)
        stage.until_ready(REDIS)
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= AWAY, traffic.codes()
    assert status(stage, kept.waiting) == status(stage, kept.approved) == "no_such_plan"
    assert not kept.has_session()
    assert len(stage.writes("configmaps")) == kept.writes + 1
    lost = (
        "plans and sessions (asked for anew); what was written stays written, once, with evidence"
    )
    ledger.add("redis-empty", traffic.told, lost=lost, normal_s=normal_s)


@pytest.mark.parametrize("leg", ["gateway-redis", "worker-redis"])
def test_the_way_to_redis_is_half_open(leg: Leg, stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    with Traffic(stage.live, callers=20, subjects=SUBJECTS) as traffic:
        traffic.until_good()
        assert stage.legs[leg].swallow() > 0
        traffic.wait(10)
        stage.mend()
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= AWAY, traffic.codes()
    ledger.add(f"half-open-{leg}", traffic.told, lost=kept.require_all(), normal_s=normal_s)
