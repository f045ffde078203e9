"""Whether a waiting plan could still be applied, asked early: without a write or a move."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from shared.errors import Refusal
from shared.manifests import Object
from shared.messages import RecheckCall
from shared.plans import Operation, Plan, State
from tests.cluster.conftest import NAMESPACE, ClusterWorld
from worker.cluster import Cluster
from worker.rechecking import KEPT_S, recheck

pytestmark = pytest.mark.cluster

NAME = "ig-recheck"
MANIFEST = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {NAME}}}\ndata: {{mode: slow}}"


class Counting:
    """Reads of a cluster pass and are counted; nothing else can be asked of it."""

    def __init__(self, cluster: Cluster) -> None:
        self.identity = cluster.identity
        self._cluster = cluster
        self.reads = 0

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        self.reads += 1
        return self._cluster.get(kind, namespace, name)


@pytest.fixture
def waiting(here: ClusterWorld) -> Iterator[tuple[ClusterWorld, Plan]]:
    """A plan that changes a ConfigMap, not decided yet."""
    here.remove("ConfigMap", NAME)
    here.change(Operation.APPLY, manifest=MANIFEST)
    yield here, here.plan(Operation.APPLY, manifest=MANIFEST.replace("slow", "fast"))
    here.remove("ConfigMap", NAME)


def asked(here: ClusterWorld, plan: Plan) -> Any:
    return recheck(RecheckCall(plan_id=plan.id), here.world.context)


@pytest.mark.promise("drift-is-told")
def test_a_waiting_plan_whose_object_changed_says_so_and_nothing_is_written(
    waiting: tuple[ClusterWorld, Plan],
) -> None:
    here, plan = waiting
    counting = Counting(here.cluster)
    here.world.context = replace(here.world.context, cluster=cast("Cluster", counting))

    before = asked(here, plan)
    live = here.admin.get("ConfigMap", NAMESPACE, NAME)
    assert live is not None
    here.admin.patch(
        "ConfigMap",
        NAMESPACE,
        NAME,
        [{"op": "replace", "path": "/data/mode", "value": "other"}],
        dry_run=False,
    )
    here.world.clock.now += KEPT_S
    after = asked(here, plan)

    assert before["changed"] == []
    assert after["changed"] == [f"ConfigMap/{NAME}: changed since the plan was made"]
    assert here.world.load(plan.id).state is State.PENDING


@pytest.mark.promise("drift-is-told")
def test_however_many_ask_the_objects_are_read_once(waiting: tuple[ClusterWorld, Plan]) -> None:
    here, plan = waiting
    counting = Counting(here.cluster)
    here.world.context = replace(here.world.context, cluster=cast("Cluster", counting))

    answers = [asked(here, plan) for _ in range(5)]
    here.world.clock.now += KEPT_S - 1
    answers.append(asked(here, plan))

    assert all(answer == answers[0] for answer in answers)
    assert counting.reads == 1


def test_an_answer_that_nobody_can_read_or_from_the_future_does_not_count(
    waiting: tuple[ClusterWorld, Plan],
) -> None:
    here, plan = waiting
    for text in ("nonsense", '{"checked_at": 9999999999, "changed": ["a lie"]}'):
        here.world.context.plans.note(plan.id, {"check": text})

        assert asked(here, plan)["changed"] == []


def test_of_a_plan_that_ended_nothing_is_read(waiting: tuple[ClusterWorld, Plan]) -> None:
    here, plan = waiting
    here.world.clock.now = plan.expires_at

    answer = asked(here, plan)

    assert isinstance(answer, Refusal)
    assert answer.code == "already_decided"
