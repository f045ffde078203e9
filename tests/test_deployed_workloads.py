"""The example workloads of `deploy/kubernetes/`: restricted, without rights too many, startable."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.guardrails.pods import PodTemplate
from shared.guardrails.podsecurity import check_pod_security
from shared.guardrails.policy import PodSecurityLevel
from shared.messages import Role
from shared.settings import GatewaySettings, WorkerSettings
from tests.test_docs import variables_of

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
SYSTEM = "infragate-system"
ROLES = {
    "infragate-reader": Role.READ,
    "infragate-planner": Role.PLAN,
    "infragate-applier": Role.APPLY,
}
WEB = {"infragate-gateway": "gateway", "infragate-approvals": "approvals"}
KEY = "A" * 43

Obj = dict[str, Any]


def objects(*files: str) -> list[Obj]:
    texts = [(FOLDER / f"{name}.yaml").read_text("utf-8") for name in files]
    return [one for text in texts for one in yaml.safe_load_all(text)]


def of_kind(kind: str) -> dict[str, Obj]:
    found = objects("workers", "gateway", "network-policies")
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


DEPLOYMENTS = of_kind("Deployment")


def pod(name: str) -> Obj:
    found: Obj = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return found


def environment(name: str) -> dict[str, str]:
    """What the process would see; Secrets are made up, and the keys that one must fill in too."""
    (container,) = pod(name)["containers"]
    ((source,),) = [container["envFrom"]]
    found = dict(of_kind("ConfigMap")[source["configMapRef"]["name"]]["data"])
    for one in container["env"]:
        found[one["name"]] = one.get("value", "rediss://user:password@redis.example.com:6379/0")
    return {key: value or KEY for key, value in found.items()}


def test_every_part_is_there_and_in_the_systems_namespace() -> None:
    everything = objects("workers", "gateway", "network-policies", "accounts")

    assert DEPLOYMENTS.keys() == ROLES.keys() | WEB.keys()
    assert {one["metadata"]["namespace"] for one in everything} == {SYSTEM}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_passes_our_own_check_of_the_restricted_level(name: str) -> None:
    found = check_pod_security(PodTemplate.of(DEPLOYMENTS[name]), PodSecurityLevel.RESTRICTED)

    assert not list(found)
    (container,) = pod(name)["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_variable_is_a_setting_of_its_process(name: str) -> None:
    kind = WorkerSettings if name in ROLES else GatewaySettings
    known = {one for field in kind.model_fields.values() for one in variables_of(field)}

    assert environment(name).keys() <= known


@pytest.mark.parametrize(("name", "role"), ROLES.items())
def test_production_takes_the_settings_of_each_worker(name: str, role: Role) -> None:
    settings = WorkerSettings(**environment(name))  # type: ignore[arg-type]  # by their variables

    assert settings.production
    assert settings.roles == (role,)
    assert settings.in_cluster


@pytest.mark.parametrize(("name", "serves"), WEB.items())
def test_production_takes_the_settings_of_gateway_and_pages(name: str, serves: str) -> None:
    settings = GatewaySettings(**environment(name))  # type: ignore[arg-type]  # by their variables

    assert settings.production
    assert settings.serves == serves


def test_only_workers_have_an_identity_in_the_cluster_and_each_its_own() -> None:
    accounts = {name: pod(name)["serviceAccountName"] for name in DEPLOYMENTS}
    with_token = {name for name in DEPLOYMENTS if pod(name)["automountServiceAccountToken"]}

    assert with_token == ROLES.keys()
    assert {name: accounts[name] for name in ROLES} == {name: name for name in ROLES}
    assert {accounts[name] for name in WEB} == {"infragate-web"}


def secrets_of(name: str) -> set[str]:
    volumes = {one["secret"]["secretName"] for one in pod(name)["volumes"] if "secret" in one}
    (container,) = pod(name)["containers"]
    values = (one.get("valueFrom", {}).get("secretKeyRef") for one in container["env"])
    return volumes | {f"{one['name']}/{one['key']}" for one in values if one}


def test_each_is_given_its_own_secrets_only() -> None:
    assert {name: secrets_of(name) for name in DEPLOYMENTS} == {
        "infragate-reader": {"infragate-redis/reader"},
        "infragate-planner": {"infragate-redis/planner", "infragate-planner-keys"},
        "infragate-applier": {"infragate-redis/applier", "infragate-applier-keys"},
        "infragate-gateway": {"infragate-redis/gateway", "infragate-state"},
        "infragate-approvals": {"infragate-redis/approvals", "infragate-approval-client"},
    }
    assert not of_kind("Secret")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_volume_is_mounted_and_the_rest_of_the_disk_is_not_written(name: str) -> None:
    (container,) = pod(name)["containers"]
    volumes = {one["name"]: one for one in pod(name)["volumes"]}
    claims = of_kind("PersistentVolumeClaim")

    assert {one["name"] for one in container["volumeMounts"]} == volumes.keys()
    for one in volumes.values():
        if "persistentVolumeClaim" in one:
            assert one["persistentVolumeClaim"]["claimName"] in claims


def test_everything_that_is_not_listed_is_denied_and_only_the_web_is_reached() -> None:
    policies = {name: one["spec"] for name, one in of_kind("NetworkPolicy").items()}
    labels = {
        name: DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"]["infragate"]
        for name in DEPLOYMENTS
    }

    assert policies["infragate-deny-all"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    ingress = {
        name: one["ingress"][0]["ports"] for name, one in policies.items() if "ingress" in one
    }
    assert {name: [one["port"] for one in ports] for name, ports in ingress.items()} == {
        "infragate-web": [3001],
        "infragate-metrics": [9464],
    }
    assert labels == dict.fromkeys(ROLES, "worker") | dict.fromkeys(WEB, "web")
