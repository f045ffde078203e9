"""Two applier processes go for the same plan at once, many times: one of them writes, once."""

import os
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.plans import Operation
from tests.cluster.appliers import Requests, applier
from tests.cluster.conftest import NAMESPACE, ClusterWorld

pytestmark = pytest.mark.cluster

RACES = int(os.environ.get("INFRAGATE_RACES", "200" if os.environ.get("CI") == "true" else "40"))

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME}
data: {count: "1"}
"""


@pytest.mark.promise("one-write-per-plan")
def test_of_two_processes_that_race_for_a_plan_one_writes(
    here: ClusterWorld, redis_url: str, tmp_path: Path
) -> None:
    if not here.kube.simulated:
        pytest.skip("the request log is the sandbox's; test_exactly_once runs on real clusters")
    requests = Requests(here.kube)
    answers: Counter[tuple[str, ...]] = Counter()
    here.world.clock.now -= RACES  # a second for each: never so late that a claim looks given up
    with ExitStack() as stack:
        racers = [stack.enter_context(applier(here, redis_url, tmp_path)) for _ in range(2)]
        for number in range(RACES):
            name = f"ig-race-{number}"
            plan = here.plan(Operation.APPLY, manifest=CONFIG.replace("NAME", name))
            here.approve(plan)
            requests.forget()

            for racer in racers:
                racer.order(plan.id, here.world.clock())
            said = tuple(sorted(str(racer.answer()) for racer in racers))

            assert requests.writes().count("create") == 1, f"race {number}: {said}"
            assert "applied" in said, f"race {number}: {said}"
            answers[said] += 1
            assert here.cluster.get("ConfigMap", NAMESPACE, name) is not None
            discard(here, name)
    requests.close()

    assert answers.total() == RACES
    assert {answer for pair in answers for answer in pair} <= {
        "applied",
        "applying",
        "already_decided",
    }


def discard(here: ClusterWorld, name: str) -> None:
    """Deletes a ConfigMap without waiting, as many have to go."""
    live = here.admin.get("ConfigMap", NAMESPACE, name)
    assert live is not None
    here.admin.delete(
        "ConfigMap",
        NAMESPACE,
        name,
        uid=live["metadata"]["uid"],
        resource_version=live["metadata"]["resourceVersion"],
        propagation="Background",
        dry_run=False,
    )
