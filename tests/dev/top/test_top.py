"""What `infragate top` shows: at every width, without Redis, of hostile words, in pipes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from dev import cli
from dev.redis_server import free_port
from dev.top.figures import RefusalRow, ToolRow
from dev.top.frame import picture, plain
from dev.top.looking import Frame, Lookout
from shared.errors import RedisUnavailable
from shared.messages import Announcement, Role
from shared.metrics import new_registry, served
from shared.plans import State
from shared.stores.announcements import announce
from shared.stores.connection import connect
from shared.stores.overview import Overview
from shared.stores.plan_standings import Standing
from shared.stores.plans import PlanStore
from tests.shared.stores.test_plans import PLAN, SEALED

NOW = 10_000.0
WORKER = Announcement(
    worker="w",
    version="0.1.0",
    cluster="shop",
    cluster_id="uid",
    cluster_version="v1.36.0",
    simulated=True,
    namespaces=("demo",),
    roles=(Role.READ, Role.PLAN),
    threads=16,
    busy=3,
    started_at=1_000,
    seen_at=9_998,
)
SEEN = Overview(
    workers=(WORKER,),
    queues={"shop.read": 12, "shop.plan": 0},
    plans=(
        Standing(id="plan-new", state=State.PENDING, created_at=9_900),
        Standing(id="plan-old", state=State.APPLIED, created_at=9_000),
    ),
)


def frame(**changed: Any) -> Frame:
    given: dict[str, Any] = {
        "at": NOW,
        "overview": SEEN,
        "redis_trouble": "",
        "asked": 2,
        "silent": (),
        "tools": (
            ToolRow(tool="get_k8s_status", calls=90, refused=4, per_s=1.5, p50_s=0.012, p99_s=2.5),
        ),
        "refusals": (RefusalRow(code="queue_full", calls=4, per_s=0.2),),
        "ages": {"read": 3.2},
    }
    return Frame(**{**given, **changed})


def shown(one: Frame, width: int = 100) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(picture(one))
    console.file.close()
    return console.export_text()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_workers_queues_plans_and_calls_fit_every_width(width: int) -> None:
    text = shown(frame(), width)

    assert max(map(len, text.splitlines())) <= width
    for told in ("3/16", "shop.read", "12", "3.2 s", "plan-new", "pending", "get_k8s_status"):
        assert told in text


def test_a_wide_terminal_shows_every_figure() -> None:
    text = shown(frame(), 140)

    for told in (
        "1.5 calls/s · 3/16 threads busy",
        "read,plan",
        "shop (simulated)",
        "2.5 h",
        "0.1.0",
        "1 pending · 1 applied",
        "2 min",
        "58 min",
        "12 ms",
        "2.5 s",
        "queue_full",
    ):
        assert told in text


def test_without_redis_it_says_so_and_shows_the_calls() -> None:
    text = shown(frame(overview=None, redis_trouble="Redis does not answer (ConnectionError)."))

    assert "Redis does not answer (ConnectionError)." in text
    assert "get_k8s_status" in text


def test_what_does_not_answer_is_named() -> None:
    text = shown(frame(silent=("http://127.0.0.1:9/metrics",)))

    assert "http://127.0.0.1:9/metrics does not answer." in text


def test_without_workers_that_is_what_it_says() -> None:
    assert "No worker is running." in shown(
        frame(overview=Overview(workers=(), queues={}, plans=()))
    )


def test_words_from_redis_steer_no_terminal() -> None:
    evil = WORKER.model_copy(update={"cluster": "\x1b[2Jshop\u202e", "version": "\x1b]0;x\x07"})
    plan = Standing(id="\x1b[31mplan", state=State.PENDING, created_at=9_900)
    text = shown(
        frame(overview=Overview(workers=(evil,), queues={"\x1b[2J.read": 1}, plans=(plan,)))
    )

    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


def test_programs_get_plain_data() -> None:
    told = json.loads(json.dumps(plain(frame())))

    assert told["redis"] == "ok"
    assert told["workers"][0] == {
        "cluster": "shop",
        "roles": ["read", "plan"],
        "version": "0.1.0",
        "busy": 3,
        "threads": 16,
        "upSeconds": 9000,
        "seenSeconds": 2,
        "simulated": True,
    }
    assert told["queues"][0] == {"queue": "shop.read", "waiting": 12, "oldestSeconds": 3.2}
    assert told["plans"] == {"pending": 1, "applied": 1}
    assert told["waiting"] == [
        {"plan": "plan-new", "state": "pending", "ageSeconds": 100, "leftSeconds": 3500}
    ]
    assert told["tools"][0]["perSecond"] == 1.5
    assert told["refusals"] == [{"code": "queue_full", "calls": 4, "perSecond": 0.2}]


def test_a_process_that_is_silent_and_a_redis_that_is_away_are_told_not_raised() -> None:
    def away() -> Overview:
        raise RedisUnavailable("Redis does not answer.")

    url = f"http://127.0.0.1:{free_port()}/metrics"
    seen = Lookout(away, [url]).look()

    assert (seen.redis_trouble, seen.silent, seen.tools) == ("Redis does not answer.", (url,), ())


def test_a_second_look_at_the_same_processes_can_be_compared() -> None:
    port = free_port()
    with served(new_registry("gateway"), "127.0.0.1", port):
        lookout = Lookout(None, [f"http://127.0.0.1:{port}/metrics"])
        first, second = lookout.look(), lookout.look()

    assert first.silent == second.silent == ()
    assert len(lookout._before) == 2


@pytest.mark.real_redis
def test_a_deployments_redis_is_looked_at_and_its_password_need_not_be_typed(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(SecretStr(redis_url), timeout_s=2)
    announce(client, WORKER)
    PlanStore(client).add(PLAN, SEALED)
    monkeypatch.setenv("INFRA_GATE_REDIS_URL", redis_url)

    assert cli.main(["top", "--json", "--redis"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["workers"][0]["cluster"] == "shop"
    assert told["queues"] == [
        {"queue": "shop.plan", "waiting": 0, "oldestSeconds": None},
        {"queue": "shop.read", "waiting": 0, "oldestSeconds": None},
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--state", "{folder}"], "No stack was started"),
        (["--redis"], "INFRA_GATE_REDIS_URL"),
        (["--redis", "gopher://x"], "redis://"),
        (["--metrics", "file:///etc/passwd"], "http://"),
    ],
    ids=["no-stack", "no-redis", "no-url", "no-file"],
)
def test_what_cannot_be_looked_at_is_refused_with_what_to_do(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("INFRA_GATE_REDIS_URL", raising=False)
    given = [each.format(folder=tmp_path) for each in arguments]

    assert cli.main(["top", "--once", *given]) == 2
    assert told in capsys.readouterr().err


def test_in_a_pipe_it_shows_one_look_and_ends() -> None:
    url = f"http://127.0.0.1:{free_port()}/metrics"
    command = [sys.executable, "-m", "dev.cli", "top", "--metrics", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0
    assert f"{url} does not answer." in done.stdout
    assert "\x1b" not in done.stdout
