"""Whatever is interrupted, lost or raced: a plan is written at most once, and its end is known."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from shared.errors import ClusterTimeout, RedisUnavailable, Refusal
from shared.messages import DenyCall
from shared.outcomes import Outcome
from shared.plans import Operation, Plan, State
from shared.stores.plans import PlanStore
from tests.cluster.conftest import NAMESPACE, ClusterWorld
from tests.worker.worlds import ADA
from worker import applying, claims, settling, withdrawing, writes
from worker.cluster import Cluster

pytestmark = pytest.mark.cluster

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-once}
data: {count: "1"}
"""


class Killed(Exception):  # noqa: N818 - no error: a kill
    """Stands for the process being killed at a point."""


@pytest.fixture
def once(here: ClusterWorld) -> Iterator[ClusterWorld]:
    here.remove("ConfigMap", "ig-once")
    yield here
    here.remove("ConfigMap", "ig-once")


def approved(here: ClusterWorld) -> Plan:
    plan = here.plan(Operation.APPLY, manifest=CONFIG)
    here.approve(plan)
    return plan


def later(here: ClusterWorld) -> None:
    """Lets the time pass after which a lost write cannot land any more."""
    here.world.clock.now += 600


def exists(here: ClusterWorld) -> bool:
    return here.cluster.get("ConfigMap", NAMESPACE, "ig-once") is not None


def killed_at(
    here: ClusterWorld, plan: Plan, owner: Any, name: str, *, after: bool = False
) -> None:
    """Applies a plan and kills the applier before, or after, one of its steps."""
    original: Callable[..., Any] = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        if named.get("dry_run"):
            return original(*arguments, **named)
        if after:
            original(*arguments, **named)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, dying)
        with pytest.raises(Killed):
            here.apply(plan)


@pytest.mark.promise("crash-at-every-step")
@pytest.mark.parametrize(
    ("owner", "name", "after", "state", "written"),
    [
        (claims, "take", False, "applied", True),
        (claims, "take", True, "failed", False),
        (PlanStore, "move", False, "failed", False),
        (PlanStore, "move", True, "failed", False),
        (writes, "send", False, "failed", False),
        (writes, "send", True, "applied", True),
        (settling, "seen", False, "applied", True),
        (settling, "finish", False, "applied", True),
        (settling, "end", True, "applied", True),
    ],
)
def test_after_a_kill_at_any_step_the_next_call_finds_out_and_never_writes_twice(
    once: ClusterWorld, owner: Any, name: str, after: bool, state: str, written: bool
) -> None:
    plan = approved(once)
    killed_at(once, plan, owner, name, after=after)
    after_kill = once.cluster.get("ConfigMap", NAMESPACE, "ig-once")
    later(once) if (owner, name, after) != (claims, "take", False) else None

    answer = once.apply(plan)

    now = once.cluster.get("ConfigMap", NAMESPACE, "ig-once")
    assert answer["state"] == state
    assert exists(once) is written
    if after_kill is not None and now is not None:
        assert now["metadata"]["resourceVersion"] == after_kill["metadata"]["resourceVersion"]


def test_right_after_a_kill_the_plan_is_said_to_be_applying(once: ClusterWorld) -> None:
    plan = approved(once)
    killed_at(once, plan, writes, "send", after=True)

    assert once.apply(plan)["state"] == "applying"


@pytest.mark.promise("one-write-per-plan")
def test_two_appliers_that_race_for_one_plan_write_once(once: ClusterWorld) -> None:
    plan = approved(once)
    sent: list[str] = []
    original = Cluster.create
    ready = threading.Barrier(2)

    def counted(self: Cluster, kind: str, namespace: str, body: Any, *, dry_run: bool) -> Any:
        if not dry_run and kind == "ConfigMap":
            sent.append(kind)
        return original(self, kind, namespace, body, dry_run=dry_run)

    answers: list[object] = []

    def race() -> None:
        ready.wait()
        answers.append(once.apply(plan))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cluster, "create", counted)
        threads = [threading.Thread(target=race) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sent == ["ConfigMap"]
    assert len(answers) == 2


@pytest.mark.promise("revoked-stays-revoked")
def test_a_revoked_plan_stays_revoked_when_redis_forgets_the_revocation(
    once: ClusterWorld,
) -> None:
    plan = approved(once)
    backup = once.world.redis.dump(f"wk:plan:{plan.id}")
    assert isinstance(backup, bytes)
    withdrawing.deny(DenyCall(plan_id=plan.id, approver=ADA), once.world.context)
    once.world.redis.restore(f"wk:plan:{plan.id}", 0, backup, replace=True)
    assert once.world.load(plan.id).state is State.APPROVED

    answer = once.apply(plan)

    assert answer["state"] == "revoked"
    assert not exists(once)


@pytest.mark.promise("redis-rollback")
def test_a_plan_restored_to_pending_cannot_be_written_a_second_time(once: ClusterWorld) -> None:
    plan = once.plan(Operation.APPLY, manifest=CONFIG)
    backup = once.world.redis.dump(f"wk:plan:{plan.id}")
    assert isinstance(backup, bytes)
    once.approve(plan)
    once.apply(plan)
    once.remove("ConfigMap", "ig-once")
    once.world.redis.restore(f"wk:plan:{plan.id}", 0, backup, replace=True)
    once.approve(plan)
    later(once)
    once.world.clock.now -= 600

    answer = once.apply(plan)

    assert answer["state"] in {"applying", "failed"}
    assert not exists(once)


def test_redis_that_is_lost_after_the_claim_stops_before_the_write(once: ClusterWorld) -> None:
    plan = approved(once)

    def gone(*_arguments: object, **_named: object) -> bool:
        raise RedisUnavailable("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlanStore, "move", gone)
        with pytest.raises(RedisUnavailable):
            once.apply(plan)

    assert not exists(once)


def test_a_write_whose_answer_was_lost_is_found_by_reading_back(once: ClusterWorld) -> None:
    plan = approved(once)
    original = Cluster.create

    def unanswered(self: Cluster, kind: str, namespace: str, body: Any, *, dry_run: bool) -> Any:
        written = original(self, kind, namespace, body, dry_run=dry_run)
        if kind == "ConfigMap" and not dry_run:
            raise ClusterTimeout("The API server did not answer in time.")
        return written

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cluster, "create", unanswered)
        answer = once.apply(plan)

    assert answer["state"] == "applied"
    assert exists(once)


@pytest.mark.promise("unknown-is-said")
def test_a_write_that_may_still_land_is_an_unknown_outcome_and_not_repeated(
    once: ClusterWorld,
) -> None:
    plan = approved(once)
    original = Cluster.create

    def lost(self: Cluster, kind: str, namespace: str, body: Any, *, dry_run: bool) -> Any:
        if kind == "ConfigMap" and not dry_run:
            raise ClusterTimeout("The API server did not answer in time.")
        return original(self, kind, namespace, body, dry_run=dry_run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cluster, "create", lost)
        answer = once.apply(plan)
    later(once)
    again = once.apply(plan)

    assert answer["state"] == again["state"] == "outcome_unknown"
    assert not exists(once)


def test_the_age_of_a_claim_is_known_from_the_api_server_alone(once: ClusterWorld) -> None:
    plan = approved(once)
    killed_at(once, plan, claims, "take", after=True)
    claim = claims.find(once.cluster, once.world.load(plan.id).sealed.digest)

    assert claim is not None
    assert abs(claims.age_s(claim, once.admin)) < 3600


@pytest.mark.promise("approval-expires")
def test_an_expired_approval_is_not_applied(once: ClusterWorld) -> None:
    plan = approved(once)
    once.world.clock.now += 15 * 60

    assert once.refusal(plan).code == "approval_expired"
    assert not exists(once)


@pytest.mark.promise("policy-of-today")
def test_a_plan_whose_approver_lost_the_right_is_not_applied(once: ClusterWorld) -> None:
    plan = approved(once)
    once.world.with_rules()

    assert once.refusal(plan).code == "not_an_approver"
    assert not exists(once)


def test_claims_of_plans_that_expired_long_ago_are_collected(once: ClusterWorld) -> None:
    plan = approved(once)
    once.apply(plan)
    digest = once.world.load(plan.id).sealed.digest

    kept = claims.collect(once.cluster, now=plan.expires_at)
    collected = claims.collect(once.cluster, now=plan.expires_at + 25 * 3600)

    assert kept == 0 or claims.find(once.cluster, digest) is None
    assert collected >= 1
    assert claims.find(once.cluster, digest) is None


def test_a_commit_whose_connection_breaks_is_one_write(once: ClusterWorld) -> None:
    """On the sandbox only: a real API server cannot be told to hang up after a commit."""
    if not once.kube.simulated:
        pytest.skip("needs scripted faults; runs on the sandbox in the same suite")
    plan = approved(once)
    config = json.loads(once.kube.admin.read_text(encoding="utf-8"))
    server = config["clusters"][0]["cluster"]["server"]
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    ca = once.kube.admin.with_name("ca.crt")
    with urllib3.PoolManager(ca_certs=str(ca)) as admin:
        fault = {
            "match": {"verb": "create", "resource": "configmaps"},
            "times": 1,
            "fault": "reset_after_commit",
        }
        # The dry-run of the second preview takes the first fault; only the write may meet it.
        original = applying._claimed

        def armed(*arguments: Any) -> Any:
            admin.request("POST", f"{server}/_sandbox/faults", json=[fault], headers=headers)
            return original(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(applying, "_claimed", armed)
            answer = once.apply(plan)
        admin.request("DELETE", f"{server}/_sandbox/faults", headers=headers)

    outcome = Outcome.model_validate(answer["outcome"])
    assert answer["state"] == "applied"
    assert outcome.objects[0].result == "written"
    assert not isinstance(answer, Refusal)
