"""kill -9 of a real applier process at every numbered step of applying: never a second write."""

from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from shared import audit
from shared.plans import Operation, Plan
from tests.cluster.appliers import Applier, Requests, applier
from tests.cluster.conftest import NAMESPACE, ClusterWorld
from tests.cluster.kill_runner import POINTS

pytestmark = pytest.mark.cluster

ONE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-kill}
data: {count: "1"}
"""
TWO = ONE + "---" + ONE.replace("ig-kill", "ig-kill-too")

UNTOUCHED = ("1 ", "2 ", "3 ", "4 ", "5 ", "6 recorded", "6 before")
"""Points before the claim: the next call applies as if nothing had been."""

LOST = ("6 claimed", "7 ", "8 before")
"""Points after the claim and before the write: the plan failed, and nothing was written."""

SINGLE = [name for name in POINTS if name != "8 between two writes"]


@pytest.fixture
def world(here: ClusterWorld) -> Iterator[ClusterWorld]:
    if not here.kube.simulated:
        pytest.skip("the request log is the sandbox's; test_exactly_once runs on real clusters")
    for name in ("ig-kill", "ig-kill-too"):
        here.remove("ConfigMap", name)
    yield here
    for name in ("ig-kill", "ig-kill-too"):
        here.remove("ConfigMap", name)


@pytest.fixture
def requests(world: ClusterWorld) -> Iterator[Requests]:
    log = Requests(world.kube)
    yield log
    log.close()


@pytest.fixture
def doomed(world: ClusterWorld, redis_url: str, tmp_path: Path) -> Iterator[Applier]:
    with applier(world, redis_url, tmp_path) as process:
        yield process


def approved(world: ClusterWorld, manifest: str) -> Plan:
    plan = world.plan(Operation.APPLY, manifest=manifest)
    world.approve(plan)
    return plan


def die(doomed: Applier, world: ClusterWorld, plan: Plan, point: str) -> None:
    doomed.order(plan.id, world.world.clock(), point)
    assert doomed.answer() == SIGKILL


def settled(world: ClusterWorld, plan: Plan) -> object:
    """What the next worker says, right away or once a lost write can no longer land."""
    state = world.apply(plan)["state"]
    if state != "applying":
        return state
    world.world.clock.now += 600
    return world.apply(plan)["state"]


def expected_after(point: str) -> tuple[str, int]:
    return ("failed", 0) if point.startswith(LOST) else ("applied", 1)


@pytest.mark.promise("crash-at-every-step")
def test_a_kill_at_any_step_leaves_at_most_one_write_and_a_known_end(
    world: ClusterWorld, doomed: Applier, requests: Requests
) -> None:
    ends: dict[str, tuple[object, int]] = {}
    for point in SINGLE:
        plan = approved(world, ONE)
        requests.forget()
        die(doomed, world, plan, point)
        at_death = requests.writes().count("create")

        state = settled(world, plan)

        ends[point] = (state, requests.writes().count("create"))
        assert at_death == (0 if point.startswith((*UNTOUCHED, *LOST)) else 1), point
        assert world.apply(plan)["state"] == state, f"{point}: the end changed"
        assert (world.cluster.get("ConfigMap", NAMESPACE, "ig-kill") is None) == (
            state == "failed"
        ), point
        world.remove("ConfigMap", "ig-kill")

    assert ends == {point: expected_after(point) for point in SINGLE}
    assert audit.verify(world.world.context.audit.path) == ()


@pytest.mark.promise("unknown-is-said")
def test_a_kill_between_two_writes_is_an_outcome_that_a_person_must_look_at(
    world: ClusterWorld, doomed: Applier, requests: Requests
) -> None:
    plan = approved(world, TWO)
    requests.forget()
    die(doomed, world, plan, "8 between two writes")

    state = settled(world, plan)

    assert state == "outcome_unknown"
    assert requests.writes().count("create") == 1
    assert world.cluster.get("ConfigMap", NAMESPACE, "ig-kill-too") is None
