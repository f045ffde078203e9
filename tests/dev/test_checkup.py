"""`infragate doctor`: about which worker it speaks, and what it hands on."""

import os
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import pytest

from dev.stack import checkup
from dev.stack.alone import alone
from dev.stack.checkup import worker_environments
from dev.stack.opening import claimed
from dev.stack.parts import Wish, parts
from dev.stack.places import Places, Record, write_record
from dev.stack.redis_users import prepare

SECRET = "a-shared-secret-of-the-receiver"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(state=tmp_path)
    prepare(places)
    return places


def record_of(
    places: Places, *, kubeconfig: str = "", namespaces: str = "mcp-nginx-demo"
) -> Record:
    claim = claimed(places, gateway_port=0, issuer_port=0)
    record = replace(claim, kubeconfig=kubeconfig, namespaces=namespaces)
    write_record(places, record)
    return record


def test_the_workers_environment_is_that_of_the_running_stack(places: Places) -> None:
    record = record_of(places, kubeconfig="/somewhere/kubeconfig", namespaces="shop,shop-staging")

    environments = list(worker_environments(places, record))

    assert environments
    for environment in environments:
        assert environment["KUBECONFIG"] == "/somewhere/kubeconfig"
        assert environment["K8S_MCP_ALLOWED_NAMESPACES"] == "shop,shop-staging"
        assert environment["INFRA_GATE_APPROVAL_BASE_URL"].startswith("http://127.0.0.1:")


def test_what_signs_notices_is_given_to_workers_only(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_GATE_NOTICE_SECRET", SECRET)
    wish = Wish(kubeconfig=None, namespaces=("mcp-nginx-demo",), workers=1)

    holders = [
        part.name
        for part in parts(places, record_of(places), wish)
        if SECRET in part.environment.values()
    ]

    assert holders
    assert all(name.startswith("worker") for name in holders)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    """The exit code, and what the started commands were given; none of them is really started."""
    given: list[dict[str, str]] = []

    def call(command: list[str], env: dict[str, str] | None = None) -> int:
        assert command[:4] == [sys.executable, "-m", "worker.ops", "doctor"]
        given.append({"arguments": " ".join(command[4:]), **(env or dict(os.environ))})
        return 1

    monkeypatch.setattr(subprocess, "call", call)
    parser = ArgumentParser()
    checkup.add_arguments(parser)
    return checkup.run(parser.parse_args(arguments)), given


def test_without_a_stack_it_is_about_this_environment(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFRA_GATE_CLUSTER", "prod-7")

    code, given = run(monkeypatch, "--state", str(places.state), "--login")

    assert code == 1
    assert [(one["arguments"], one["INFRA_GATE_CLUSTER"]) for one in given] == [
        ("--login", "prod-7")
    ]
    assert "No stack runs here" in capsys.readouterr().out


def test_with_a_stack_it_is_about_its_workers(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFRA_GATE_CLUSTER", "prod-7")
    record_of(places)

    with alone(places):
        code, given = run(monkeypatch, "--state", str(places.state))

    assert code == 1
    assert {one["INFRA_GATE_CLUSTER"] for one in given} == {"sandbox"}
    assert str(places.state) in capsys.readouterr().out
