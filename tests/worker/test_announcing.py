"""A worker is announced while it lives, through outages of Redis and of the cluster."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.errors import ClusterUnreachable, RedisUnavailable
from shared.messages import Announcement, Role
from shared.seals import public_text
from tests.worker.context import IDENTITY, context_for
from worker.announcing import Announcer
from worker.cluster import ClusterIdentity
from worker.keys import Keys

pytestmark = pytest.mark.real_redis

WAIT_S = 10.0


class WakingCluster:
    """Does not answer the first time it is asked who it is."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def identity(self) -> ClusterIdentity:
        self.asked += 1
        if self.asked == 1:
            raise ClusterUnreachable("The API server cannot be reached.")
        return IDENTITY


class Heard:
    """Stands in for `announce`: does `before` each time, and waits until it was heard."""

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.count = 0
        self.heard = threading.Event()
        self._before = before

    def __call__(self, _: object, __: Announcement) -> None:
        self.count += 1
        self._before(self.count)
        self.heard.set()


def test_the_announcement_says_who_serves_whom(redis_url: str, tmp_path: Path) -> None:
    seal = Ed25519PrivateKey.generate()
    context = context_for(redis_url, tmp_path, roles=(Role.PLAN,), keys=Keys(seal=seal))
    said = Announcer(context).announcement()
    assert (said.cluster, said.cluster_id, said.cluster_version) == ("local", "uid-1", "v1.36.2")
    assert (said.namespaces, said.roles) == (("mcp-nginx-demo",), (Role.PLAN,))
    assert said.seal_key == public_text(seal.public_key())
    assert (said.receipt_key, said.proof_key) == (None, None)
    assert "A Deployment may have at most 5 replicas." in said.rules["mcp-nginx-demo"]


def test_how_much_a_worker_has_to_do_is_announced(redis_url: str, tmp_path: Path) -> None:
    context = context_for(redis_url, tmp_path)
    with context.metrics.at_work():
        said = Announcer(context).announcement()

    assert (said.busy, said.threads) == (1, context.settings.threads)


def test_a_stopped_worker_is_withdrawn(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.stores import announcements  # noqa: PLC0415 - the real one, before it is replaced

    context = context_for(redis_url, tmp_path)
    heard = Heard()

    def announce(client: object, said: Announcement) -> None:
        announcements.announce(context.redis, said)
        heard(client, said)

    monkeypatch.setattr("worker.announcing.announce", announce)
    announcer = Announcer(context)
    announcer.start()
    assert heard.heard.wait(WAIT_S)
    assert context.redis.exists(f"wk:worker:{announcer.worker}") == 1
    announcer.stop()
    assert context.redis.exists(f"wk:worker:{announcer.worker}") == 0


def test_outages_of_redis_and_cluster_are_said_once_and_survived(
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away_twice(count: int) -> None:
        if count <= 2:
            raise RedisUnavailable("Redis does not answer.")

    heard = Heard(away_twice)
    monkeypatch.setattr("worker.announcing.announce", heard)
    context = context_for(redis_url, tmp_path, cluster=WakingCluster())
    announcer = Announcer(context, every_s=0.01)
    with caplog.at_level(logging.INFO):
        announcer.start()
        assert heard.heard.wait(WAIT_S)
        announcer.stop()
    said = [(r.msg, getattr(r, "fields", {}).get("code")) for r in caplog.records]
    assert said[:3] == [
        ("worker.unannounced", "cluster_unreachable"),
        ("worker.unannounced", "redis_unavailable"),
        ("worker.announced", None),
    ]


def test_stopping_without_redis_does_not_raise(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise RedisUnavailable("Redis does not answer.")

    monkeypatch.setattr("worker.announcing.announce", away)
    monkeypatch.setattr("worker.announcing.withdraw", away)
    announcer = Announcer(context_for(redis_url, tmp_path))
    announcer.start()
    announcer.stop()
