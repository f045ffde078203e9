"""Every rule has a case that breaks it and nothing else, and every case has a rule."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import shared.guardrails
from shared.guardrails import (
    RULES,
    PodSecurityLevel,
    Policy,
    Violation,
    check_delete,
    check_predicted,
    check_scale,
)
from shared.manifests import JSON, Kind, ObjectRef

from .objects import config_map, container, deployment, ids, service, with_at, written

RESTRICTED: JSON = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def restricted(field: str = "", value: JSON = None, **pod_spec: JSON) -> tuple[Violation, ...]:
    """A restricted Pod but for one field of its container's security context."""
    assert isinstance(RESTRICTED, dict)
    context: JSON = {**RESTRICTED, field: value} if field else RESTRICTED
    web: JSON = {"name": "web", "image": "nginx:1.27", "securityContext": context}
    return written(
        deployment(containers=[web], **pod_spec), pod_security=PodSecurityLevel.RESTRICTED
    )


def volume(**source: JSON) -> JSON:
    return [{"name": "data", **source}]


def annotated(key: str, value: str = "x") -> tuple[Violation, ...]:
    return written(with_at(deployment(), "metadata.annotations", {key: value}))


def owned() -> tuple[Violation, ...]:
    owner: JSON = {"kind": "Widget", "name": "w", "controller": True}
    live = with_at(deployment(), "metadata.ownerReferences", [owner])
    return check_delete(ObjectRef.of(Kind.DEPLOYMENT, "demo", "web"), live)


def context(**fields: JSON) -> tuple[Violation, ...]:
    return written(container(securityContext=dict(fields)))


CASES: dict[str, Callable[[], tuple[Violation, ...]]] = {
    "IG-CM-KEY": lambda: written(config_map(**{"a/b": "x"})),
    "IG-CM-SIZE": lambda: written(config_map(a="x" * (1024 * 1024))),
    "IG-CM-SYSTEM": lambda: written(with_at(config_map(), "metadata.name", "kube-root-ca.crt")),
    "IG-DELETE-OWNED": owned,
    "IG-FIELD-TYPE": lambda: written(with_at(deployment(), "spec.replicas", "2")),
    "IG-FIELD-UNKNOWN": lambda: written(with_at(deployment(), "spec.replica", 2)),
    "IG-IMAGE-DIGEST": lambda: written(deployment(), require_digest=True),
    "IG-IMAGE-INVALID": lambda: written(container(image="no image!")),
    "IG-IMAGE-REGISTRY": lambda: written(deployment(), registries=frozenset({"ghcr.io"})),
    "IG-IMAGE-TAG": lambda: written(container(image="registry:5000/app")),
    "IG-META-FINALIZER": lambda: written(with_at(deployment(), "metadata.finalizers", ["x/y"])),
    "IG-META-IDENTITY": lambda: written(with_at(deployment(), "metadata.resourceVersion", "1")),
    "IG-META-MANAGED": lambda: written(
        with_at(deployment(), "metadata.managedFields", [{"manager": "me"}])
    ),
    "IG-META-OWNER": lambda: written(
        with_at(deployment(), "metadata.ownerReferences", [{"kind": "Pod"}])
    ),
    "IG-META-PREFIX": lambda: annotated("argocd.argoproj.io/sync-options"),
    "IG-META-STATUS": lambda: written(with_at(deployment(), "status", {"replicas": 1})),
    "IG-POD-APPARMOR": lambda: context(appArmorProfile={"type": "Unconfined"}),
    "IG-POD-CAPABILITIES": lambda: context(capabilities={"add": ["NET_ADMIN"]}),
    "IG-POD-ESCALATION": lambda: restricted("allowPrivilegeEscalation", True),
    "IG-POD-HOSTALIASES": lambda: written(
        deployment(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["bank.example"]}])
    ),
    "IG-POD-HOSTNAMESPACE": lambda: written(deployment(hostPID=True)),
    "IG-POD-HOSTPATH": lambda: written(deployment(volumes=volume(hostPath={"path": "/"}))),
    "IG-POD-HOSTPORT": lambda: written(container(ports=[{"containerPort": 1, "hostPort": 1}])),
    "IG-POD-HOSTPROCESS": lambda: context(windowsOptions={"hostProcess": True}),
    "IG-POD-INHERITED": lambda: check_predicted(
        Kind.DEPLOYMENT,
        container(securityContext={"privileged": True}, command=["sh"]),
        container(securityContext={"privileged": True}),
        Policy(),
    ),
    "IG-POD-LIMITS": lambda: written(deployment(), require_limits=frozenset({"memory"})),
    "IG-POD-NODENAME": lambda: written(deployment(nodeName="node-1")),
    "IG-POD-NONROOT": lambda: restricted("runAsNonRoot", None),
    "IG-POD-PRIORITY": lambda: written(deployment(priorityClassName="system-node-critical")),
    "IG-POD-PRIVILEGED": lambda: context(privileged=True),
    "IG-POD-PROBEHOST": lambda: written(
        container(livenessProbe={"httpGet": {"port": 80, "host": "169.254.169.254"}})
    ),
    "IG-POD-PROCMOUNT": lambda: context(procMount="Unmasked"),
    "IG-POD-PULLSECRET": lambda: written(deployment(imagePullSecrets=[{"name": "regcred"}])),
    "IG-POD-RUNASUSER": lambda: restricted("runAsUser", 0),
    "IG-POD-SECCOMP": lambda: restricted("seccompProfile", None),
    "IG-POD-SECRET": lambda: written(container(envFrom=[{"secretRef": {"name": "db"}}])),
    "IG-POD-SELINUX": lambda: context(seLinuxOptions={"role": "system_r"}),
    "IG-POD-SERVICEACCOUNT": lambda: written(deployment(serviceAccountName="admin")),
    "IG-POD-SYSCTL": lambda: written(
        deployment(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})
    ),
    "IG-POD-TOKEN": lambda: written(
        deployment(
            volumes=volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]})
        )
    ),
    "IG-POD-TOLERATION": lambda: written(deployment(tolerations=[{"operator": "Exists"}])),
    "IG-POD-VOLUMES": lambda: written(
        deployment(
            containers=[{"name": "web", "image": "nginx:1.27", "securityContext": RESTRICTED}],
            volumes=volume(nfs={"server": "nas", "path": "/"}),
        ),
        pod_security=PodSecurityLevel.RESTRICTED,
        volume_types=frozenset({"nfs"}),
    ),
    "IG-POD-VOLUMETYPE": lambda: written(
        deployment(volumes=volume(nfs={"server": "nas", "path": "/"}))
    ),
    "IG-REPLICAS-MAX": lambda: check_scale(6, Policy()),
    "IG-SVC-CLUSTERIP": lambda: written(service(clusterIP="10.96.0.10")),
    "IG-SVC-EXTERNALIPS": lambda: written(service(externalIPs=["8.8.8.8"])),
    "IG-SVC-EXTERNALNAME": lambda: written(
        service(type="ExternalName", externalName="evil.example")
    ),
    "IG-SVC-LOADBALANCER": lambda: written(service(loadBalancerIP="1.2.3.4")),
    "IG-SVC-NODEPORT": lambda: written(service(ports=[{"port": 80, "nodePort": 30000}])),
    "IG-SVC-SYSTEM": lambda: written(with_at(service(), "metadata.name", "kubernetes")),
    "IG-SVC-TYPE": lambda: written(service(type="NodePort")),
}


def test_there_is_a_case_for_every_rule() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.promise("every-guardrail-bites")
@pytest.mark.parametrize("rule_id", CASES)
def test_breaking_a_rule_is_refused_with_its_id_alone(rule_id: str) -> None:
    found = CASES[rule_id]()

    assert ids(found) == {rule_id}
    assert all(RULES[rule_id].reason in item.message for item in found)
    assert all(item.way_out == RULES[rule_id].way_out for item in found)


def test_the_rules_named_in_the_code_are_the_rules_that_exist() -> None:
    folder = Path(shared.guardrails.__file__).parent
    text = "".join(p.read_text() for p in folder.glob("*.py") if p.name != "rules.py")

    assert set(re.findall(r'"(IG-[A-Z-]+)"', text)) == set(RULES)


def test_rules_are_in_alphabetical_order_and_one_line_each() -> None:
    assert list(RULES) == sorted(RULES)
    assert all(rule.reason.endswith(".") and "\n" not in rule.reason for rule in RULES.values())
    assert all(len(rule.way_out) > 5 for rule in RULES.values())


def test_good_objects_break_no_rule() -> None:
    for body in (deployment(), container(command=["sh"]), service(), config_map(a="b")):
        assert not written(body)
    assert not restricted()
