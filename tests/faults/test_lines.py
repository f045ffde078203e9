"""Every line between two parts is slow, throttled, cut or half-open; and messages are poison."""

import time

import pytest

from tests.faults.kept import AWAY, Kept
from tests.faults.measured import Ledger
from tests.faults.proxy import Line
from tests.faults.stage import GATEWAY, Leg, Stage
from tests.faults.traffic import BROKEN, GOOD, Told, Traffic, asked, client

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

WAYS: tuple[Leg, ...] = ("client", "gateway-redis", "worker-redis", "worker-cluster")
CLEAR = {GOOD, BROKEN, "queue_full", *AWAY}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("slow-line", Line(latency_s=0.3)),
        ("throttled-line", Line(bytes_per_s=20_000)),
    ],
)
def test_lines_are_slow_or_throttled(name: str, line: Line, stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    with Traffic(stage.live) as traffic:
        for way in WAYS:
            traffic.until_good()
            stage.legs[way].behave(line)
            traffic.wait(4)
            stage.mend()
        normal_s = traffic.normal_after(time.monotonic())

    assert set(traffic.codes()) <= CLEAR, traffic.codes()
    ledger.add(name, traffic.told, lost=kept.require_all(), normal_s=normal_s)


def test_lines_are_cut_in_mid_traffic(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    normal_s = 0.0
    with Traffic(stage.live) as traffic:
        for way in WAYS:
            traffic.until_good()
            assert stage.legs[way].cut() > 0
            normal_s = max(normal_s, traffic.normal_after(time.monotonic()))

    assert set(traffic.codes()) <= CLEAR, traffic.codes()
    ledger.add("cut", traffic.told, lost=kept.require_all(), normal_s=normal_s)


def test_clients_that_have_gone_without_a_word_hold_nobody_up(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    with Traffic(stage.live) as gone:
        gone.until_good()
        assert stage.legs["client"].swallow(new=False) > 0
        began = time.monotonic()
        with Traffic(stage.live) as others:
            normal_s = others.normal_after(began)
        stage.legs["client"].cut()

    assert set(others.codes()) == {GOOD}
    ledger.add("half-open-client", others.told, lost=kept.require_all(), normal_s=normal_s)


def test_the_identity_provider_is_away_silent_and_slow(stage: Stage, ledger: Ledger) -> None:
    """After a restart a gateway has no keys yet, so it has to ask."""
    kept = Kept.made(stage)
    token = stage.live.token()
    told: list[Told] = []
    issuer = stage.legs["issuer"]
    for spoil in (issuer.refuse, issuer.swallow):
        stage.kill(GATEWAY)
        spoil()
        stage.start(GATEWAY)
        stage.until_ready(GATEWAY)
        with client(stage.live, token=token) as http:
            told.append(asked(http, "get_k8s_status", namespace=stage.live.namespace))
        stage.mend()
        issuer.cut()
    began = time.monotonic()
    issuer.behave(Line(latency_s=0.3))
    with Traffic(stage.live) as traffic:
        normal_s = traffic.normal_after(began)

    away = {"identity_provider_unavailable", "temporarily_unavailable"}
    assert {one.code for one in told} <= away
    assert set(traffic.codes()) <= {GOOD, *away}, traffic.codes()
    lost = kept.require_all()
    ledger.add("issuer-away", [*told, *traffic.told], lost=lost, normal_s=normal_s)


POISON = (
    b"",
    b"\x80\x04pickle",
    b"{}",
    b"[" * 100_000,
    b'{"body": "' + b"A" * 1_000_000 + b'"}',
    b'{"headers": {"task": "os.system", "id": "1"}, "body": "W10="}',
)


def test_poison_in_the_queues_is_dropped_and_the_rest_is_served(
    stage: Stage, ledger: Ledger
) -> None:
    kept = Kept.made(stage)
    pid = stage.live.pid("worker")
    log = stage.live.stack._running["worker"].log
    with Traffic(stage.live) as traffic, stage.live.redis() as redis:
        traffic.until_good()
        for role in ("read", "plan", "apply"):
            redis.lpush(f"q:sandbox.{role}", *POISON)
        normal_s = traffic.normal_after(time.monotonic())
        traffic.until(lambda _: log.read_text("utf-8").count("queue.refused") >= 3 * len(POISON))

    assert stage.live.pid("worker") == pid
    assert set(traffic.codes()) == {GOOD}
    ledger.add("poison", traffic.told, lost=kept.require_all(), normal_s=normal_s)
