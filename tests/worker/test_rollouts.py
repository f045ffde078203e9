"""Watching rollouts: all at once, each to its own end, and every look told."""

from typing import Any, cast

from shared.errors import ClusterFault, ClusterUnreachable
from shared.manifests import Object
from shared.outcomes import Rollout, Verdict
from worker.cluster import Cluster
from worker.rollouts import watch


class Rolling:
    """A cluster in which Deployments get one more ready Pod with each look."""

    def __init__(self, **wanted: int) -> None:
        self.wanted = wanted
        self.looks: dict[str, int] = dict.fromkeys(wanted, 0)
        self.away: set[int] = set()

    def get(self, _kind: str, _namespace: str, name: str) -> Object:
        self.looks[name] += 1
        if self.looks[name] in self.away:
            raise ClusterUnreachable("The API server does not answer.")
        desired, ready = self.wanted[name], min(self.looks[name] - 1, self.wanted[name])
        return {
            "spec": {"replicas": desired},
            "status": {
                "replicas": desired,
                "updatedReplicas": desired,
                "readyReplicas": ready,
                "availableReplicas": ready,
            },
        }


def watched(cluster: Rolling, timeout_s: float = 60) -> list[tuple[Rollout, ...]]:
    """What was told of every look; the last is what was answered."""
    told: list[tuple[Rollout, ...]] = []
    ticks = iter(range(1000))
    answer = watch(
        cast("Cluster", cluster),
        "demo",
        list(cluster.wanted),
        timeout_s=timeout_s,
        seen=told.append,
        pause=lambda _seconds: None,
        clock=lambda: float(next(ticks)),
    )
    assert answer == told[-1]
    return told


def test_several_rollouts_are_watched_together_and_each_look_is_told() -> None:
    told = watched(Rolling(fast=1, slow=2))

    assert [[(one.ready, one.verdict.value) for one in look] for look in told] == [
        [(0, "progressing"), (0, "progressing")],
        [(1, "complete"), (1, "progressing")],
        [(1, "complete"), (2, "complete")],
    ]


def test_a_rollout_that_has_ended_is_not_looked_at_again() -> None:
    cluster = Rolling(fast=0, slow=3)

    watched(cluster)

    assert cluster.looks == {"fast": 1, "slow": 4}


def test_the_time_is_for_all_of_them_together() -> None:
    told = watched(Rolling(one=500, other=500), timeout_s=5)

    assert len(told) == 5
    assert {one.verdict for one in told[-1]} == {Verdict.PROGRESSING}


def test_a_look_that_fails_keeps_what_was_seen_before() -> None:
    cluster = Rolling(web=2)
    cluster.away = {2}

    looks: list[Any] = [look[0] for look in watched(cluster)]

    assert issubclass(ClusterUnreachable, ClusterFault)
    assert [one.message for one in looks[:2]] == [
        "2 of 2 updated, 0 available.",
        "The API server does not answer.",
    ]
    assert looks[1].verdict is Verdict.PROGRESSING
    assert looks[-1].verdict is Verdict.COMPLETE


def test_nothing_to_watch_is_over_at_once() -> None:
    assert watched(Rolling()) == [()]


class Retried:
    """A Deployment whose looks are scripted: when its deadline was noted to have passed, if so."""

    def __init__(self, *exceeded: str) -> None:
        self.exceeded = list(exceeded)
        self.wanted = {"web": 1}

    def get(self, _kind: str, _namespace: str, _name: str) -> Object:
        at = self.exceeded.pop(0) if len(self.exceeded) > 1 else self.exceeded[0]
        reason = "ProgressDeadlineExceeded" if at else "ReplicaSetUpdated"
        condition: Object = {"type": "Progressing", "reason": reason, "lastUpdateTime": at}
        status: Object = {"replicas": 1, "updatedReplicas": 1, "conditions": [condition]}
        return {"spec": {"replicas": 1}, "status": status}


def verdicts(*exceeded: str, timeout_s: float = 60) -> list[str]:
    told = watched(cast("Rolling", Retried(*exceeded)), timeout_s)
    return [look[0].verdict.value for look in told]


def test_a_deadline_that_passed_in_an_earlier_rollout_is_no_verdict() -> None:
    assert verdicts("old", "old", "", "", "new") == [*["progressing"] * 4, "failed"]
    assert verdicts("old", "new") == ["progressing", "failed"]


def test_a_deadline_that_passes_is_a_verdict_at_once() -> None:
    assert verdicts("", "new") == ["progressing", "failed"]


def test_a_rollout_that_nothing_moves_is_stuck_when_the_time_is_up() -> None:
    assert verdicts("old", timeout_s=3) == ["progressing", "progressing", "failed"]
