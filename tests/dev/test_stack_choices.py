"""What `infragate up` makes of its options, the environment and taken ports."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.stack import ports
from dev.stack.opening import PortBusy, claimed, wish_from
from dev.stack.parts import Part, Wish, parts
from dev.stack.places import Places
from dev.stack.redis_users import prepare
from shared.errors import BadConfiguration


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this very process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def wish(
    *,
    kubeconfig: Path | None = None,
    sandbox: bool = False,
    namespaces: str = "mcp-nginx-demo",
    workers: int = 1,
    environment: dict[str, str] | None = None,
) -> Wish:
    return wish_from(
        kubeconfig=kubeconfig,
        sandbox=sandbox,
        namespaces=namespaces,
        workers=workers,
        environment=environment or {},
    )


def test_who_holds_a_port_is_found(taken: int) -> None:
    holder = ports.holder_of(taken)

    assert holder is not None
    assert holder.pid == os.getpid()


def test_a_taken_port_is_refused_with_its_holder_and_a_way_out(taken: int, tmp_path: Path) -> None:
    with pytest.raises(PortBusy) as refused:
        claimed(Places(state=tmp_path), gateway_port=taken, issuer_port=0)

    told = str(refused.value)
    assert f"Port {taken}, which the gateway needs" in told
    assert f"process {os.getpid()}" in told
    assert "--port" in told


@pytest.mark.parametrize(("gateway", "issuer"), [(70000, 0), (0, -1), (4000, 4000)])
def test_what_can_be_no_two_ports_is_refused(gateway: int, issuer: int, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="port"):
        claimed(Places(state=tmp_path), gateway_port=gateway, issuer_port=issuer)


def test_what_is_no_namespace_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="--namespaces: Namespace 'A_b'"):
        wish(namespaces="mcp-nginx-demo,A_b")


def test_ports_of_nobodys_concern_are_chosen_anew_when_taken(taken: int) -> None:
    assert ports.choose(taken) != taken
    assert ports.is_free(ports.choose(0))


def test_without_a_kubeconfig_the_cluster_is_simulated() -> None:
    assert wish().kubeconfig is None


def test_the_environments_kubeconfig_is_used_unless_the_sandbox_is_asked_for(
    tmp_path: Path,
) -> None:
    file = tmp_path / "config"
    file.touch()
    environment = {"KUBECONFIG": str(file)}

    assert wish(environment=environment).kubeconfig == file
    assert wish(environment=environment, sandbox=True).kubeconfig is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kubeconfig": Path("/no/such/file")}, "There is no kubeconfig /no/such/file"),
        ({"environment": {"KUBECONFIG": "/one:/two"}}, "several files"),
        ({"namespaces": " , "}, "--namespaces names none"),
        ({"workers": 0}, "--workers must be between 1 and 8"),
        ({"environment": {"INFRA_GATE_ENVIRONMENT": "Production"}}, "for development only"),
    ],
)
def test_what_cannot_be_had_is_refused_with_a_way_out(
    options: dict[str, object], told: str
) -> None:
    with pytest.raises(BadConfiguration, match=told):
        wish(**options)  # type: ignore[arg-type]  # a table of options


@pytest.fixture
def by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Part]:
    """The parts of a stack on a given kubeconfig, in an environment full of traps."""
    monkeypatch.setenv("KUBECONFIG", "/canary/kubeconfig")
    monkeypatch.setenv("INFRA_GATE_REDIS_URL", "redis://canary")
    monkeypatch.setenv("INFRA_GATE_LOG_FORMAT", "json")
    places = Places(state=tmp_path)
    prepare(places)
    record = claimed(places, gateway_port=0, issuer_port=0)
    wanted = Wish(kubeconfig=tmp_path / "own", namespaces=("a", "b"), workers=2)
    return {part.name: part for part in parts(places, record, wanted)}


def test_only_workers_are_given_a_kubeconfig(by_name: dict[str, Part], tmp_path: Path) -> None:
    holders = {name: part.environment.get("KUBECONFIG") for name, part in by_name.items()}

    assert holders == {
        "redis": None,
        "issuer": None,
        "gateway": None,
        "worker-1": str(tmp_path / "own"),
        "worker-2": str(tmp_path / "own"),
    }
    assert "canary" not in str(by_name)


def test_a_harmless_setting_of_the_person_is_passed_on(by_name: dict[str, Part]) -> None:
    assert by_name["gateway"].environment["INFRA_GATE_LOG_FORMAT"] == "json"


def test_gateway_and_worker_reach_redis_as_different_users(by_name: dict[str, Part]) -> None:
    gateway, worker = (
        by_name[name].environment["INFRA_GATE_REDIS_URL"] for name in ("gateway", "worker-1")
    )

    assert gateway.startswith("redis://gateway:")
    assert worker.startswith("redis://worker:")
