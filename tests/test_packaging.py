"""What goes where: each image and each compose service holds only its own."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
COMPOSE = REPOSITORY / "docker-compose.yml"
DOCKERFILE = REPOSITORY / "Dockerfile"
ROOTS = {"root", "0", "0:0"}


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = ["docker", "compose", "version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


@pytest.fixture(scope="module")
def stages() -> dict[str, list[str]]:
    """The lines of the Dockerfile, by target."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in DOCKERFILE.read_text().replace("\\\n", " ").splitlines():
        if line.startswith("FROM "):
            name = line.split(" AS ")[1]
        found.setdefault(name, []).append(line.strip())
    return found


def volumes(service: dict[str, Any]) -> list[str]:
    return [str(volume) for volume in service.get("volumes", ())]


def copied(lines: list[str]) -> set[str]:
    return {line.split()[1] for line in lines if line.startswith("COPY ")}


def test_compose_has_redis_gateway_worker_and_the_development_issuer(
    services: dict[str, dict[str, Any]],
) -> None:
    always = {name for name, service in services.items() if "profiles" not in service}

    assert always == {"redis", "keys", "issuer", "gateway", "worker"}
    assert services["sandbox"]["profiles"] == ["sandbox"]
    assert services["k3s"]["profiles"] == services["k3s-demo"]["profiles"] == ["k3s"]


def test_only_the_worker_mounts_the_kubeconfig_folder_and_only_to_read(
    services: dict[str, dict[str, Any]],
) -> None:
    mounts = {
        name: volume
        for name, service in services.items()
        for volume in volumes(service)
        if volume.split(":")[0].rstrip("/") in {"./.kube", ".kube"}
    }

    assert mounts == {"worker": "./.kube:/kube:ro"}


def test_the_gateway_is_given_nothing_of_the_cluster(services: dict[str, dict[str, Any]]) -> None:
    gateway = services["gateway"]

    assert volumes(gateway) == ["client-key:/client-key:ro"]
    assert not [name for name in gateway["environment"] if name.startswith(("KUBE", "K8S"))]


def test_the_issuer_never_sees_the_private_key_of_the_approval_client(
    services: dict[str, dict[str, Any]],
) -> None:
    holders = {
        name
        for name, service in services.items()
        for volume in volumes(service)
        if volume.startswith("client-key:")
    }

    assert holders == {"keys", "gateway"}


def test_every_service_that_stays_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    once = {name for name, service in services.items() if service.get("restart") == "no"}

    assert once == {"keys", "k3s-demo"}
    assert not [name for name in services.keys() - once if "healthcheck" not in services[name]]


def test_services_wait_for_what_they_need(services: dict[str, dict[str, Any]]) -> None:
    healthy = {"condition": "service_healthy"}

    assert services["gateway"]["depends_on"] == {"redis": healthy, "issuer": healthy}
    assert services["worker"]["depends_on"]["redis"] == healthy
    assert services["worker"]["depends_on"]["k3s-demo"]["required"] is False


def test_ports_are_published_on_loopback_only_and_redis_not_at_all(
    services: dict[str, dict[str, Any]],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {
        "gateway": ["127.0.0.1:3001:3001"],
        "issuer": ["127.0.0.1:3011:3011"],
    }


def test_all_but_the_k3s_profile_run_without_rights_and_without_a_writable_root(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in services.keys() - {"k3s", "k3s-demo"}:
        service = services[name]
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service.get("user", "image's own") not in ROOTS, name
        assert "privileged" not in service, name


def test_every_named_volume_and_network_is_declared(services: dict[str, dict[str, Any]]) -> None:
    document = yaml.safe_load(COMPOSE.read_text())
    sources = {v.split(":")[0] for service in services.values() for v in volumes(service)}
    networks = {n for service in services.values() for n in service.get("networks", ())}

    assert {one for one in sources if not one.startswith(".")} == document["volumes"].keys()
    assert networks == document["networks"].keys()


def test_every_file_that_compose_mounts_is_in_the_repository(
    services: dict[str, dict[str, Any]],
) -> None:
    for service in services.values():
        for volume in volumes(service):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (REPOSITORY / source).exists(), source


if _has_compose():  # a test that exists only where it can run is never skipped in silence

    @pytest.mark.parametrize("profile", ["", "sandbox", "k3s"])
    def test_docker_compose_accepts_the_file(profile: str) -> None:
        done = subprocess.run(
            ["docker", "compose", "--profile", profile, "config", "--quiet"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr


def test_images_hold_only_their_own_folder_and_lock_file(stages: dict[str, list[str]]) -> None:
    assert copied(stages["api"]) == {"requirements/api.lock", "shared/", "api/"}
    assert copied(stages["worker"]) == {"requirements/worker.lock", "shared/", "worker/"}


def test_images_install_by_hash_and_do_not_run_as_root(stages: dict[str, list[str]]) -> None:
    for target in ("api", "worker", "dev"):
        lines = stages[target]
        installs = [line for line in lines if "pip install" in line]
        assert installs, target
        assert all(
            part.count("--require-hashes") == part.count("pip install") for part in installs
        ), target
        (user,) = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert user == "10001:10001", target


def test_images_of_the_product_check_their_own_health(stages: dict[str, list[str]]) -> None:
    for target in ("api", "worker"):
        assert any(line.startswith("HEALTHCHECK ") for line in stages[target])


def test_the_build_context_holds_nothing_secret() -> None:
    rules = (REPOSITORY / ".dockerignore").read_text().splitlines()
    allowed = {rule for rule in rules if rule.startswith("!")}

    assert "*" in rules
    assert allowed == {"!api/", "!shared/", "!worker/", "!dev/", "!requirements/*.lock"}
