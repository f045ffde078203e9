"""What `infragate up` makes of its options, the environment and taken ports."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dev.stack import material, ports
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

    assert gateway.startswith("redis://laptop-gateway:")
    assert worker.startswith("redis://laptop-worker:")


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Part]:
    """The parts of a strict stack on the simulated cluster."""
    monkeypatch.setenv("INFRA_GATE_STATIC_BEARER_TOKEN", "a-token-for-agents-only")
    monkeypatch.setenv("INFRA_GATE_NOTICE_SECRET", "a-secret-of-the-receiver")
    places = Places(state=tmp_path)
    record = claimed(places, gateway_port=0, issuer_port=0, approvals_port=0)
    material.prepare(places, issuer=record.issuer, namespaces=["a"], strict=True)
    return {part.name: part for part in parts(places, record, wish())}


def holders(strict: dict[str, Part], variable: str) -> dict[str, str]:
    environments = {name: part.environment for name, part in strict.items()}
    return {name: one[variable] for name, one in environments.items() if variable in one}


def test_in_a_strict_stack_everything_is_held_by_its_own_process_alone(
    strict: dict[str, Part], tmp_path: Path
) -> None:
    assert holders(strict, "KUBECONFIG") == {
        name: str(tmp_path / "sandbox" / f"{name}.kubeconfig")
        for name in ("reader", "planner", "applier")
    }
    assert holders(strict, "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE").keys() == {"approvals"}
    assert holders(strict, "INFRA_GATE_STATIC_BEARER_TOKEN").keys() == {"gateway"}
    assert holders(strict, "INFRA_GATE_NOTICE_SECRET").keys() == {"planner", "applier"}
    assert holders(strict, "INFRA_GATE_WORKER_ROLES") == {
        "reader": "read",
        "planner": "plan",
        "applier": "apply",
    }
    urls = holders(strict, "INFRA_GATE_REDIS_URL")
    assert [urlsplit(url).username for url in urls.values()] == list(urls)
    assert len({urlsplit(url).password for url in urls.values()}) == 5


def test_in_a_strict_stack_public_keys_are_pinned_where_they_are_believed(
    strict: dict[str, Part],
) -> None:
    seals = holders(strict, "INFRA_GATE_SEAL_PUBLIC_KEYS")
    proofs = holders(strict, "INFRA_GATE_PROOF_PUBLIC_KEY")

    assert seals.keys() == {"gateway", "approvals", "applier"}
    assert proofs.keys() == {"approvals"}
    assert {len(key) for key in (*seals.values(), *proofs.values())} == {43}


def test_a_strict_gateway_cannot_have_the_name_of_the_pages(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="leave --host out"):
        claimed(
            Places(state=tmp_path),
            gateway_port=0,
            issuer_port=0,
            approvals_port=0,
            host="localhost",
        )


def test_strict_pages_have_a_name_of_their_own_since_cookies_know_no_ports(
    strict: dict[str, Part],
) -> None:
    pages = set(holders(strict, "INFRA_GATE_APPROVAL_BASE_URL").values())
    resources = set(holders(strict, "INFRA_GATE_OAUTH_RESOURCE").values())

    assert {urlsplit(url).hostname for url in pages} == {"localhost"}
    assert {urlsplit(url).hostname for url in resources} == {"127.0.0.1"}


def test_reader_and_planner_may_have_kubeconfigs_of_their_own(tmp_path: Path) -> None:
    most, own = tmp_path / "most", tmp_path / "own"
    most.touch()
    own.touch()

    wanted = wish_from(
        kubeconfig=most,
        sandbox=False,
        namespaces="a",
        workers=1,
        environment={},
        strict=True,
        reader_kubeconfig=own,
    )

    names = ("reader", "planner", "applier")
    assert [wanted.kubeconfig_of(name) for name in names] == [own, most, most]
    with pytest.raises(BadConfiguration, match="need --strict"):
        wish_from(
            kubeconfig=most,
            sandbox=False,
            namespaces="a",
            workers=1,
            environment={},
            reader_kubeconfig=own,
        )
