"""Workers are known while they announce themselves, and for a few seconds more."""

import asyncio

import pytest
import redis
from pydantic import SecretStr

from shared.messages import Announcement, Role
from shared.stores.announcements import EXPIRE_S, INDEX, announce, announced, withdraw
from shared.stores.connection import connect, connect_async

pytestmark = pytest.mark.real_redis


def announcement(worker: str, cluster: str = "local") -> Announcement:
    return Announcement(
        worker=worker,
        version="0",
        cluster=cluster,
        cluster_id="uid",
        cluster_version="v1.36.0",
        simulated=False,
        namespaces=("mcp-nginx-demo",),
        roles=tuple(Role),
        started_at=1,
        seen_at=2,
    )


def found(url: str) -> list[str]:
    async def main() -> list[str]:
        client = connect_async(SecretStr(url), timeout_s=2)
        try:
            return [one.worker for one in await announced(client)]
        finally:
            await client.aclose()

    return asyncio.run(main())


def test_announced_workers_are_found_by_cluster_and_id(redis_url: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    for worker, cluster in (("b", "local"), ("a", "local"), ("c", "east")):
        announce(client, announcement(worker, cluster))
    assert found(redis_url) == ["c", "a", "b"]


def test_an_announcement_expires_by_itself(redis_url: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    announce(client, announcement("a"))
    assert 0 < client.ttl("wk:worker:a") <= EXPIRE_S


def test_a_withdrawn_or_expired_worker_is_not_found(redis_url: str) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    announce(client, announcement("a"))
    announce(client, announcement("b"))
    withdraw(client, "a")
    client.delete("wk:worker:b")  # as if it had expired
    assert found(redis_url) == []


def test_what_is_no_announcement_is_left_out(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.sadd(INDEX, "a", "b", "c")
        client.set("wk:worker:a", b"rubbish")
        client.set("wk:worker:b", announcement("b").model_dump_json())
        client.lpush("wk:worker:c", b"a list")
    assert found(redis_url) == ["b"]
