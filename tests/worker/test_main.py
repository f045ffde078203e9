"""How a worker starts: what the command line overrides, what stops it, with which exit code."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

import worker.__main__ as entry
from shared.errors import BadConfiguration, ClusterUnreachable
from shared.messages import Role
from shared.plans import Identity
from shared.settings import WorkerSettings
from tests.worker.authenticator import ORIGIN, Authenticator
from tests.worker.test_keys import production
from worker.__main__ import MISCONFIGURED, main
from worker.app import _policy as load_own_policy
from worker.context import Context
from worker.metrics import Metrics


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[WorkerSettings]:
    """The settings of the workers that would have been served."""
    seen: list[WorkerSettings] = []

    def make_context(settings: WorkerSettings, _: object) -> Context:
        return cast("Context", SimpleNamespace(settings=settings, metrics=Metrics()))

    def serve(context: Context, _: object) -> int:
        seen.append(context.settings)
        return 0

    monkeypatch.setattr(entry, "make_context", make_context)
    monkeypatch.setattr(entry, "serve", serve)
    monkeypatch.setattr(entry, "configure", lambda *_: None)
    return seen


def test_the_command_line_overrides_the_environment(
    started: list[WorkerSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_GATE_WORKER_ROLES", "apply")
    monkeypatch.setenv("INFRA_GATE_CLUSTER", "west")
    assert main(["--roles", "read,plan"]) == 0
    [settings] = started
    assert (settings.roles, settings.cluster) == ((Role.READ, Role.PLAN), "west")


@pytest.mark.parametrize("roles", ["", "write", "read,delete"])
def test_an_unknown_role_is_a_configuration_mistake_by_name(
    started: list[WorkerSettings], capsys: pytest.CaptureFixture[str], roles: str
) -> None:
    assert main(["--roles", roles]) == MISCONFIGURED
    assert "INFRA_GATE_WORKER_ROLES" in capsys.readouterr().err
    assert started == []


def test_a_missing_kubeconfig_is_said_in_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "configure", lambda *_: None)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("INFRA_GATE_KEYS_ROOT", str(tmp_path / "keys"))
    assert main([]) == MISCONFIGURED
    said = capsys.readouterr().err
    assert "kubeconfig" in said.lower()
    assert "Traceback" not in said


def context_of(settings: WorkerSettings, **cluster: object) -> Context:
    return cast("Context", SimpleNamespace(settings=settings, cluster=SimpleNamespace(**cluster)))


def test_production_refuses_an_unsafe_kubeconfig(tmp_path: Path) -> None:
    context = context_of(production(tmp_path, Role.READ), hazards=("exec-plugin", "plain-http"))
    with pytest.raises(BadConfiguration, match="exec-plugin, plain-http"):
        entry._require_safe_cluster(context)


def test_production_refuses_the_sandbox(tmp_path: Path) -> None:
    context = context_of(
        production(tmp_path, Role.READ), hazards=(), identity=SimpleNamespace(simulated=True)
    )
    with pytest.raises(BadConfiguration, match="simulated"):
        entry._require_safe_cluster(context)


def test_production_starts_on_a_safe_cluster_and_development_on_any(tmp_path: Path) -> None:
    safe = SimpleNamespace(simulated=False)
    entry._require_safe_cluster(
        context_of(production(tmp_path, Role.READ), hazards=(), identity=safe)
    )
    entry._require_safe_cluster(context_of(WorkerSettings(), hazards=("exec-plugin",)))


def test_an_applier_does_not_start_with_passkeys_that_no_browser_could_use_on_its_pages(
    tmp_path: Path,
) -> None:
    passkey = Authenticator().passkey(Identity(iss="https://id.example.com", sub="ada"))
    policy = tmp_path / "policy.yaml"
    policy.write_text(json.dumps({"passkeys": [passkey.model_dump()]}), "utf-8")
    applier = WorkerSettings(policy_file=policy, roles=(Role.APPLY,))

    with pytest.raises(BadConfiguration, match="INFRA_GATE_APPROVAL_BASE_URL: passkeys need"):
        load_own_policy(applier)
    for fitting in (
        applier.model_copy(update={"approval_base_url": ORIGIN}),
        applier.model_copy(update={"roles": (Role.READ, Role.PLAN)}),
    ):
        assert load_own_policy(fitting).passkeys == (passkey,)


def test_a_cluster_that_does_not_say_what_it_is_stops_the_start(
    started: list[WorkerSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: Context) -> None:
        raise ClusterUnreachable("The API server cannot be reached.")

    monkeypatch.setattr(entry, "_require_safe_cluster", silent)
    assert main([]) == 1
    assert started == []


def test_a_worker_loads_no_package_that_most_workers_never_use() -> None:
    """Each costs every worker megabytes: the official client, and what judges passkeys."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import worker.__main__, sys; print(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert "worker.passkeys" in loaded
    assert not {"webauthn", "kubernetes"} & set(loaded)
