"""What lies in Redis for all processes together is told when somebody scrapes, and never more."""

from functools import partial

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from api.standing import Standing
from dev.redis_server import free_port
from shared.messages import Announcement, Role
from shared.plans import PLAN_LIFETIME_S, State
from shared.stores.announcements import announce
from shared.stores.connection import Redis, connect
from shared.stores.overview import Overview, overview
from shared.stores.plan_standings import Standing as PlanStanding
from shared.stores.plans import PlanStore
from tests.shared.stores.test_plans import PLAN, SEALED

NOW = 1_060.0


def worker(name: str, *roles: Role, seen_at: int = 1_058) -> Announcement:
    return Announcement(
        worker=name,
        version="0",
        cluster="shop",
        cluster_id="uid",
        cluster_version="v1.36.0",
        simulated=False,
        namespaces=("canary-namespace",),
        roles=roles,
        started_at=1,
        seen_at=seen_at,
    )


def plan(name: str, state: State, created_at: int, apply_before: int | None = None) -> PlanStanding:
    return PlanStanding(id=name, state=state, created_at=created_at, apply_before=apply_before)


def told_of(seen: Overview, now: float = NOW) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Standing(lambda: seen, lambda: now))
    return registry


SEEN = Overview(
    workers=(
        worker("w1", *Role),
        worker("w2", Role.READ, seen_at=1_050),
    ),
    queues={"shop.read": 7, "shop.plan": 0, "shop.apply": 0},
    plans=(
        plan("canary-plan-1", State.PENDING, 1_000),
        plan("canary-plan-2", State.PENDING, 1_030),
        plan("canary-plan-3", State.PENDING, 1_060 - PLAN_LIFETIME_S),
        plan("canary-plan-4", State.APPROVED, 1_000, apply_before=1_050),
        plan("canary-plan-5", State.APPROVED, 1_000, apply_before=1_070),
        plan("canary-plan-6", State.OUTCOME_UNKNOWN, 900),
    ),
)


def test_workers_are_counted_by_cluster_and_role_with_the_age_of_the_last_word() -> None:
    value = told_of(SEEN).get_sample_value

    assert value("infragate_workers", {"cluster": "shop", "role": "read"}) == 2
    assert value("infragate_workers", {"cluster": "shop", "role": "apply"}) == 1
    seconds = "infragate_worker_last_seen_seconds"
    assert value(seconds, {"cluster": "shop", "role": "read"}) == 2


def test_queues_have_their_length() -> None:
    value = told_of(SEEN).get_sample_value

    assert value("infragate_queue_calls", {"cluster": "shop", "role": "read"}) == 7


def test_plans_are_counted_as_they_stand_now_whatever_redis_still_calls_them() -> None:
    value = partial(told_of(SEEN).get_sample_value, "infragate_plans")

    states = {state.value: value({"state": state.value}) for state in State}
    assert {state: count for state, count in states.items() if count} == {
        "pending": 2,
        "approved": 1,
        "expired": 2,
        "outcome_unknown": 1,
    }


def test_the_longest_wait_for_a_person_is_told() -> None:
    assert told_of(SEEN).get_sample_value("infragate_plan_oldest_pending_seconds") == 60
    none = Overview(workers=(), queues={}, plans=())
    assert told_of(none).get_sample_value("infragate_plan_oldest_pending_seconds") == 0


@pytest.mark.promise("metrics-name-nobody")
def test_no_plan_worker_or_namespace_is_named() -> None:
    text = generate_latest(told_of(SEEN)).decode()

    assert "canary" not in text
    assert "w1" not in text


def test_without_redis_just_that_is_told() -> None:
    nowhere = connect(SecretStr(f"redis://127.0.0.1:{free_port()}/0"), timeout_s=0.5)
    registry = CollectorRegistry()
    registry.register(Standing(partial(overview, nowhere), lambda: NOW))

    samples = [one for family in registry.collect() for one in family.samples]
    assert [(one.name, one.value) for one in samples] == [("infragate_redis_up", 0.0)]


@pytest.fixture
def client(redis_url: str) -> Redis:
    return connect(SecretStr(redis_url), timeout_s=2)


@pytest.mark.real_redis
def test_a_look_finds_workers_queues_and_plans(client: Redis) -> None:
    announce(client, worker("w1", Role.READ))
    client.lpush("q:shop.read", b"{}", b"{}")
    PlanStore(client).add(PLAN, SEALED)

    seen = overview(client)

    assert [one.worker for one in seen.workers] == ["w1"]
    assert seen.queues == {"shop.read": 2}
    assert seen.plans == (plan("plan-1", State.PENDING, 1_000),)


@pytest.mark.real_redis
def test_an_empty_redis_is_seen_as_empty(client: Redis) -> None:
    assert overview(client) == Overview(workers=(), queues={}, plans=())


@pytest.mark.real_redis
def test_what_makes_no_sense_in_redis_is_left_out(client: Redis) -> None:
    PlanStore(client).add(PLAN, SEALED)
    client.hset("wk:plan:plan-1", mapping={"state": "approved", "receipt": "{}"})
    client.zadd("wk:plans", {"gone": 5, "odd": 6})
    client.hset("wk:plan:odd", "state", "delighted")

    assert overview(client).plans == (plan("plan-1", State.APPROVED, 1_000),)
