"""What no import graph sees: what a fresh process really loads, and what it is given."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from shared.settings import GatewaySettings

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "worker", "shared", "dev")


def loaded_by(statement: str) -> set[str]:
    """The top-level modules of a fresh interpreter after one statement."""
    report = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{report}"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    return set(done.stdout.split())


@pytest.mark.promise("gateway-has-no-cluster-client")
def test_a_gateway_process_loads_no_cluster_client_no_worker_and_no_queue_library() -> None:
    loaded = loaded_by("import api.app")

    assert "api" in loaded
    assert not loaded & {"worker", "dev", "kubernetes", "celery", "kombu"}


def test_an_approvers_terminal_loads_no_redis_no_web_framework_and_no_worker() -> None:
    loaded = loaded_by("import api.terminal.__main__")

    assert "api" in loaded
    assert not loaded & {
        "redis",
        "fastapi",
        "starlette",
        "mcp",
        "jinja2",
        "worker",
        "dev",
        "celery",
    }


@pytest.mark.promise("workers-serve-no-http")
def test_a_worker_process_loads_no_web_framework_and_no_gateway() -> None:
    loaded = loaded_by("import worker.app, worker.verbs, worker.serving")

    assert "worker" in loaded
    assert not loaded & {"api", "dev", "fastapi", "starlette", "uvicorn", "mcp", "jinja2"}


@pytest.mark.promise("gateway-has-no-kubeconfig")
def test_the_gateway_reads_no_setting_that_leads_to_a_cluster() -> None:
    variables = {str(field.validation_alias) for field in GatewaySettings.model_fields.values()}

    assert "INFRA_GATE_REDIS_URL" in variables
    assert not {name for name in variables if "KUBE" in name or "K8S" in name or "CLUSTER" in name}


def test_every_module_of_the_gateway_keeps_to_that() -> None:
    """Not only what `api.app` happens to need: any of its modules may be loaded some day."""
    names = [path.stem for path in sorted((ROOT / "api").glob("[!_]*.py"))]

    loaded = loaded_by("\n".join(f"import api.{name}" for name in names))

    assert not loaded & {"worker", "dev", "kubernetes", "celery", "kombu", "msgspec"}


def test_the_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [command, "--no-cache"], capture_output=True, check=False, cwd=ROOT, text=True
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_are_those_of_this_repository(package: str) -> None:
    """Their names are general enough for somebody else's to shadow them."""
    spec = find_spec(package)

    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent == ROOT / package
