"""Old claims are collected in the background; live ones stay."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.worlds import NOW, World, make_world
from worker import claims
from worker.collecting import Collector


@pytest.fixture
def world(redis_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(redis_url, tmp_path)
    yield made
    made.redis.close()


def test_a_claim_is_collected_a_day_after_its_plan_expired_and_no_sooner(world: World) -> None:
    for name, expires_at in (("a", NOW - 25 * 3600), ("b", NOW - 23 * 3600)):
        claims.take(
            world.context.cluster,
            "sha256:" + name * 64,
            plan_id=name,
            holder="w",
            purpose="apply",
            expires_at=expires_at,
        )
    collected = threading.Event()
    forget = world.cluster.delete_lease

    def delete_lease(name: str) -> None:
        forget(name)
        collected.set()

    world.cluster.delete_lease = delete_lease  # type: ignore[method-assign]  # to be told
    collector = Collector(world.context, first_s=0.0)
    collector.start()

    assert collected.wait(10)
    collector.stop()
    assert list(world.cluster.leases) == [claims.name_of("sha256:" + "b" * 64)]
