"""What goes where: each image and each compose service holds only its own."""

import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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


PRODUCT = {"gateway", "approvals", "reader", "planner", "applier"}
ROLES = {"reader": "read", "planner": "plan", "applier": "apply"}


def user_of(service: dict[str, Any]) -> str | None:
    return urlsplit(str(service.get("environment", {}).get("INFRA_GATE_REDIS_URL", ""))).username


def test_compose_has_redis_each_process_of_its_own_and_the_development_issuer(
    services: dict[str, dict[str, Any]],
) -> None:
    always = {name for name, service in services.items() if "profiles" not in service}

    assert always == {"redis", "keys", "worker-keys", "issuer", *PRODUCT}
    assert services["sandbox"]["profiles"] == ["sandbox"]
    assert services["k3s"]["profiles"] == services["k3s-demo"]["profiles"] == ["k3s"]


def test_only_workers_mount_the_kubeconfig_folder_and_only_to_read(
    services: dict[str, dict[str, Any]],
) -> None:
    mounts = {
        name: volume
        for name, service in services.items()
        for volume in volumes(service)
        if volume.split(":")[0].rstrip("/") in {"./.kube", ".kube"}
    }

    assert mounts == dict.fromkeys(ROLES, "./.kube:/kube:ro")


def test_each_process_is_its_own_redis_user_and_each_worker_has_one_role(
    services: dict[str, dict[str, Any]],
) -> None:
    users = {name: user for name, service in services.items() if (user := user_of(service))}
    deployed = (REPOSITORY / "deploy" / "redis" / "users.acl").read_text("ascii")
    roles = {
        name: service["environment"]["INFRA_GATE_WORKER_ROLES"]
        for name, service in services.items()
        if "INFRA_GATE_WORKER_ROLES" in service.get("environment", {})
    }

    assert users == {name: name for name in PRODUCT}
    for name in PRODUCT:
        url = urlsplit(services[name]["environment"]["INFRA_GATE_REDIS_URL"])
        assert f"user {name} reset on >{url.password} " in deployed
    assert roles == ROLES


def test_pages_have_an_origin_of_their_own_with_a_name_that_cookies_tell_apart(
    services: dict[str, dict[str, Any]],
) -> None:
    gateway, approvals = (services[name]["environment"] for name in ("gateway", "approvals"))
    base = urlsplit(approvals["INFRA_GATE_APPROVAL_BASE_URL"])
    resource = urlsplit(gateway["INFRA_GATE_OAUTH_RESOURCE"])

    assert (gateway["INFRA_GATE_SERVES"], approvals["INFRA_GATE_SERVES"]) == (
        "gateway",
        "approvals",
    )
    assert approvals["INFRA_GATE_PORT"] == str(base.port)
    assert base.hostname != resource.hostname
    assert f"{base.geturl()}/approvals/callback" in services["issuer"]["command"]
    assert gateway["INFRA_GATE_APPROVAL_BASE_URL"] == base.geturl()
    assert "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE" not in gateway


def test_private_keys_are_mounted_where_they_are_used_and_public_ones_are_pinned(
    services: dict[str, dict[str, Any]],
) -> None:
    holders = {
        key: {
            name
            for name, service in services.items()
            for volume in volumes(service)
            if volume.split(":")[0] == key
        }
        for key in ("planner-keys", "applier-keys", "client-key")
    }
    pinning = {
        name
        for name, service in services.items()
        if ". /pins/pins.env;" in str(service.get("command", ""))
    }

    assert holders == {
        "planner-keys": {"worker-keys", "planner"},
        "applier-keys": {"worker-keys", "applier"},
        "client-key": {"keys", "approvals"},
    }
    assert pinning == {"gateway", "approvals", "applier"}
    assert all("pins:/pins:ro" in volumes(services[name]) for name in pinning)


def test_reader_and_planner_use_the_one_kubeconfig_unless_theirs_is_named(
    services: dict[str, dict[str, Any]],
) -> None:
    named = {name: services[name]["environment"]["KUBECONFIG"] for name in ROLES}
    usual = "${INFRAGATE_KUBECONFIG:-/kube/mcp-nginx-demo.config}"

    assert named == {
        "reader": f"${{INFRAGATE_READER_KUBECONFIG:-{usual}}}",
        "planner": f"${{INFRAGATE_PLANNER_KUBECONFIG:-{usual}}}",
        "applier": usual,
    }


def test_the_gateway_is_given_nothing_of_the_cluster(services: dict[str, dict[str, Any]]) -> None:
    for door in (services["gateway"], services["approvals"]):
        assert not {v.split(":")[0] for v in volumes(door)} - {"pins", "client-key"}
        assert not [name for name in door["environment"] if name.startswith(("KUBE", "K8S"))]
    assert volumes(services["gateway"]) == ["pins:/pins:ro"]


def test_every_service_that_stays_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    once = {name for name, service in services.items() if service.get("restart") == "no"}

    assert once == {"keys", "worker-keys", "k3s-demo"}
    assert not [name for name in services.keys() - once if "healthcheck" not in services[name]]


def test_services_wait_for_what_they_need(services: dict[str, dict[str, Any]]) -> None:
    healthy = {"condition": "service_healthy"}
    done = {"condition": "service_completed_successfully"}

    for name in ("gateway", "approvals"):
        needed = {"redis": healthy, "issuer": healthy, "keys": done, "worker-keys": done}
        assert services[name]["depends_on"] == needed
    for name in ROLES:
        assert services[name]["depends_on"]["redis"] == healthy
        assert services[name]["depends_on"]["worker-keys"] == done
        assert services[name]["depends_on"]["k3s-demo"]["required"] is False


def test_ports_are_published_on_loopback_only_and_redis_not_at_all(
    services: dict[str, dict[str, Any]],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {
        "gateway": ["127.0.0.1:3001:3001"],
        "approvals": ["127.0.0.1:3002:3002"],
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
