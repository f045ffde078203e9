"""kill -9 of a worker or a gateway at work: nobody waits beyond the deadline, nothing is repeated.

What becomes of a write at every numbered step of applying is in tests/cluster/test_kill.py.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.kept import Kept, a_plan, manifest, until_decided
from tests.faults.measured import Ledger
from tests.faults.stage import GATEWAY, WORKER, Stage
from tests.faults.traffic import BROKEN, GOOD, PAUSE_S, SUBJECTS, Told, Traffic, asked, client

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

LISTS = {"verb": "list", "resource": "pods"}
CREATES = {"verb": "create", "resource": "configmaps"}
CALLS = 100
AT_WORK = 16
"""Calls that a worker has taken from its queue; some may have just been answered."""
SETTLED_S = 180
"""Until nobody can still write what a dead worker began; then its plan is settled."""


def one(stage: Stage, tool: str, **arguments: object) -> Told:
    with client(stage.live) as http:
        return asked(http, tool, **arguments)


def killed_in(stage: Stage, fault: dict[str, Any], tool: str, **arguments: object) -> list[Told]:
    """What one caller heard whose worker was killed when it met the fault, and was restarted."""
    stage.script(fault)
    with ThreadPoolExecutor(1) as thread:
        caller: Future[Told] = thread.submit(one, stage, tool, **arguments)
        stage.until_hit()
        stage.kill(WORKER)
        stage.start(WORKER)
        return [caller.result()]


def test_a_worker_is_killed_in_a_read_in_a_plan_and_in_an_apply(
    stage: Stage, ledger: Ledger
) -> None:
    slow = {"fault": "latency", "ms": 1000}
    kept = Kept.made(stage)
    with Traffic(stage.live, tool="get_k8s_events") as others:
        others.until_good()
        # The first create is a dry-run; the second is held up, and lands when the worker is dead.
        told = killed_in(
            stage,
            {"match": CREATES, "skip": 1, **slow},
            "apply_approved_plan",
            planId=kept.approved,
        )
        normal_s = others.normal_after(time.monotonic())
        told += [one(stage, "apply_approved_plan", planId=kept.approved)]
        killed_at = time.monotonic()

        read = killed_in(
            stage, {"match": LISTS, **slow}, "get_k8s_status", namespace=stage.live.namespace
        )
        ledger.add("worker-kill-read", read, normal_s=others.normal_after(time.monotonic()))
        made = killed_in(
            stage,
            {"match": CREATES, **slow},
            "request_apply_manifest",
            namespace=stage.live.namespace,
            manifest=manifest("killed"),
        )
        lost = "the plan that was not made yet; asked for again, it is made"
        plan_s = others.normal_after(time.monotonic())
        with client(stage.live) as http:
            a_plan(stage, http, "killed")
        ledger.add("worker-kill-plan", made, lost=lost, normal_s=plan_s)

    assert until_decided(stage, kept.approved, SETTLED_S) == "applied"
    assert len(stage.writes("configmaps")) == kept.writes + 1
    settled = f"nothing: written once; `applying` for {time.monotonic() - killed_at:.0f} s at most"
    ledger.add("worker-kill-apply", told, lost=f"{settled}, then `applied`", normal_s=normal_s)
    assert {each.code for each in (*read, *made)} == {"worker_timeout"}
    assert {each.code for each in told} <= {"worker_timeout", GOOD}
    assert set(others.codes()) <= {GOOD, "worker_timeout", "no_worker"}, others.codes()


def test_a_gateway_is_killed_with_a_hundred_calls_in_flight(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    stage.kill(GATEWAY)
    stage.start(GATEWAY, INFRA_GATE_MAX_IN_FLIGHT=str(4 * CALLS))
    stage.until_ready(GATEWAY)
    # Longer than a worker waits: until the script ends, no call comes to a good end.
    stage.script({"match": LISTS, "fault": "latency", "ms": 10_000, "times": 100_000})
    told: list[Told] = []
    at_once = threading.Barrier(CALLS)
    clients = [
        threading.Thread(target=_persistent, args=(stage, n, at_once, told)) for n in range(CALLS)
    ]
    for each in clients:
        each.start()
    with stage.live.redis() as redis:
        deadline = time.monotonic() + 60
        while (waiting := redis.llen("q:sandbox.read")) < CALLS - AT_WORK:
            assert time.monotonic() < deadline, f"{waiting} calls wait, and the rest is at work"
            time.sleep(0.02)
    stage.kill(GATEWAY)
    stage.unscript()
    stage.start(GATEWAY)
    stage.until_ready(GATEWAY)
    ended = time.monotonic()
    for each in clients:
        each.join()

    codes = [one.code for one in told]
    assert codes.count(BROKEN) >= CALLS - AT_WORK
    assert codes.count(GOOD) == CALLS
    assert set(codes) <= {BROKEN, GOOD, "worker_timeout", "cluster_timeout", "queue_full"}, codes
    normal_s = max((one.at for one in told if one.code != GOOD), default=ended) - ended
    lost = f"{kept.require_all()}; each caller asked again and was answered"
    ledger.add("gateway-kill", told, lost=lost, normal_s=max(0.0, normal_s))


def _persistent(stage: Stage, number: int, at_once: threading.Barrier, told: list[Told]) -> None:
    """A client that asks again when the connection breaks, until it is answered."""
    with client(stage.live, SUBJECTS[number % len(SUBJECTS)]) as http:
        at_once.wait()  # it takes a while to make so many clients
        for _ in range(1000):
            said = asked(http, "get_k8s_status", namespace=stage.live.namespace)
            told.append(said)
            if said.code == GOOD:
                return
            time.sleep(PAUSE_S)
