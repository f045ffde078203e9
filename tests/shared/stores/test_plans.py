"""A plan's state moves by compare-and-set; what lies in Redis is a claim, not a fact."""

import threading

import pytest
from pydantic import SecretStr

from shared.errors import Refusal
from shared.plans import (
    Action,
    ClusterRef,
    Intent,
    Operation,
    Plan,
    PlannedObject,
    Requester,
    RiskNote,
    SealedPlan,
    State,
)
from shared.stores.connection import Redis, connect
from shared.stores.plans import PlanStore

pytestmark = pytest.mark.real_redis

PLAN = Plan(
    version=1,
    id="plan-1",
    salt="salt",
    cluster=ClusterRef(name="local", id="uid", ca_sha256=""),
    namespace="mcp-nginx-demo",
    operation=Operation.SCALE,
    summary="nginx: replicas 2 → 3",
    objects=(
        PlannedObject(
            api_version="apps/v1",
            kind="Deployment",
            name="nginx",
            action=Action.UPDATE,
            uid="u",
            base_digest=None,
            predicted_digest=None,
            intent=Intent(verb="patch", body=[]),
        ),
    ),
    findings=(),
    warnings=(),
    managers=(),
    requester=Requester(iss="i", sub="s", client_id="c", assurance="verified"),
    reason="",
    risk=RiskNote(level="low"),
    policy_sha256="0",
    created_at=1_000,
    expires_at=4_600,
)
SEALED = SealedPlan(document=PLAN.document(), seal="seal")


@pytest.fixture
def client(redis_url: str) -> Redis:
    return connect(SecretStr(redis_url), timeout_s=2)


@pytest.fixture
def store(client: Redis) -> PlanStore:
    store = PlanStore(client)
    store.add(PLAN, SEALED)
    return store


def test_a_stored_plan_is_pending_and_whole(store: PlanStore) -> None:
    stored = store.load("plan-1")
    assert stored is not None
    assert (stored.state, stored.version) == (State.PENDING, 1)
    assert stored.plan() == PLAN
    assert store.load("plan-2") is None


def test_a_move_carries_its_fields(store: PlanStore) -> None:
    stored = store.load("plan-1")
    assert stored is not None
    assert store.move(stored, State.DENIED, {"decided_at": "7", "decided_reason": "no"})
    moved = store.load("plan-1")
    assert moved is not None
    assert (moved.state, moved.version, moved.decided_at) == (State.DENIED, 2, 7)


def test_of_many_movers_at_once_one_wins(store: PlanStore) -> None:
    stored = store.load("plan-1")
    assert stored is not None
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda: won.append(store.move(stored, State.APPROVED)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won.count(True) == 1


@pytest.mark.parametrize("field", ["state", "digest", "version"])
def test_a_plan_that_changed_meanwhile_is_not_moved(
    client: Redis, store: PlanStore, field: str
) -> None:
    stored = store.load("plan-1")
    assert stored is not None
    client.hset("wk:plan:plan-1", field, "other")
    assert not store.move(stored, State.APPROVED)


@pytest.mark.parametrize("field", ["state", "version", "document", "seal", "decided_at"])
def test_a_damaged_plan_is_none(client: Redis, store: PlanStore, field: str) -> None:
    client.hset("wk:plan:plan-1", field, b"\xff")
    stored = store.load("plan-1")
    assert stored is None or isinstance(stored.plan(), Refusal)


def test_a_note_does_not_bring_a_forgotten_plan_back(client: Redis, store: PlanStore) -> None:
    client.delete("wk:plan:plan-1")
    store.note("plan-1", {"outcome": "{}"})
    assert client.exists("wk:plan:plan-1") == 0


def test_a_login_is_spent_once(store: PlanStore) -> None:
    assert store.spend("session", keep_s=60)
    assert not store.spend("session", keep_s=60)
    assert store.spend("another session", keep_s=60)
