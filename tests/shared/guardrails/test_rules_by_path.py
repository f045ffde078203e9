"""Each rule about Pods and Services names the very field; and what it lets pass, value by value."""

import pytest

from shared.guardrails import Policy
from shared.guardrails.policy import PodSecurityLevel
from shared.manifests import JSON

from .objects import container, deployment, service, with_at, written

POD = "spec.template.spec"
WEB = f"{POD}.containers[web]"
GOOD: dict[str, JSON] = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "seccompProfile": {"type": "RuntimeDefault"},
    "capabilities": {"drop": ["ALL"]},
}

POD_CASES: list[tuple[dict[str, JSON], str, str]] = [
    ({"hostNetwork": True}, "IG-POD-HOSTNAMESPACE", "hostNetwork"),
    ({"hostPID": True}, "IG-POD-HOSTNAMESPACE", "hostPID"),
    ({"hostIPC": True}, "IG-POD-HOSTNAMESPACE", "hostIPC"),
    ({"nodeName": "n1"}, "IG-POD-NODENAME", "nodeName"),
    ({"hostAliases": [{"ip": "::1"}]}, "IG-POD-HOSTALIASES", "hostAliases"),
    ({"priorityClassName": "system-x"}, "IG-POD-PRIORITY", "priorityClassName"),
    ({"serviceAccountName": "x"}, "IG-POD-SERVICEACCOUNT", "serviceAccountName"),
    ({"serviceAccount": "x"}, "IG-POD-SERVICEACCOUNT", "serviceAccount"),
    ({"automountServiceAccountToken": True}, "IG-POD-TOKEN", "automountServiceAccountToken"),
    ({"imagePullSecrets": [{"name": "x"}]}, "IG-POD-PULLSECRET", "imagePullSecrets[0]"),
    (
        {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
        "IG-POD-SYSCTL",
        "securityContext.sysctls[0]",
    ),
    (
        {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
        "IG-POD-SECRET",
        "volumes[v].secret",
    ),
    ({"volumes": [{"name": "v", "nfs": {}}]}, "IG-POD-VOLUMETYPE", "volumes[v].nfs"),
]
CONTEXT_CASES: list[tuple[dict[str, JSON], str, str]] = [
    ({"privileged": True}, "IG-POD-PRIVILEGED", "privileged"),
    ({"capabilities": {"add": ["SYS_ADMIN"]}}, "IG-POD-CAPABILITIES", "capabilities.add"),
    ({"procMount": "Unmasked"}, "IG-POD-PROCMOUNT", "procMount"),
]
SHARED_CONTEXT_CASES: list[tuple[dict[str, JSON], str, str]] = [
    ({"windowsOptions": {"hostProcess": True}}, "IG-POD-HOSTPROCESS", "windowsOptions.hostProcess"),
    ({"seLinuxOptions": {"type": "spc_t"}}, "IG-POD-SELINUX", "seLinuxOptions.type"),
    ({"seLinuxOptions": {"user": "u"}}, "IG-POD-SELINUX", "seLinuxOptions.user"),
    ({"seLinuxOptions": {"role": "r"}}, "IG-POD-SELINUX", "seLinuxOptions.role"),
    ({"appArmorProfile": {"type": "Unconfined"}}, "IG-POD-APPARMOR", "appArmorProfile.type"),
    ({"seccompProfile": {"type": "Unconfined"}}, "IG-POD-SECCOMP", "seccompProfile.type"),
]
RESTRICTED_CASES: list[tuple[dict[str, JSON], str, str]] = [
    ({"runAsNonRoot": None}, "IG-POD-NONROOT", "runAsNonRoot"),
    ({"runAsUser": 0}, "IG-POD-RUNASUSER", "runAsUser"),
    ({"seccompProfile": None}, "IG-POD-SECCOMP", "seccompProfile.type"),
    ({"allowPrivilegeEscalation": None}, "IG-POD-ESCALATION", "allowPrivilegeEscalation"),
    ({"capabilities": {}}, "IG-POD-CAPABILITIES", "capabilities.drop"),
    (
        {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
        "IG-POD-CAPABILITIES",
        "capabilities.add",
    ),
]
SERVICE_CASES: list[tuple[dict[str, JSON], str, str]] = [
    ({"externalIPs": ["1.2.3.4"]}, "IG-SVC-EXTERNALIPS", "spec.externalIPs"),
    ({"type": "ExternalName"}, "IG-SVC-EXTERNALNAME", "spec.externalName"),
    ({"externalName": "evil"}, "IG-SVC-EXTERNALNAME", "spec.externalName"),
    ({"type": "NodePort"}, "IG-SVC-TYPE", "spec.type"),
    ({"clusterIP": "10.0.0.9"}, "IG-SVC-CLUSTERIP", "spec.clusterIP"),
    ({"clusterIPs": ["10.0.0.9"]}, "IG-SVC-CLUSTERIP", "spec.clusterIP"),
    ({"loadBalancerIP": "1.2.3.4"}, "IG-SVC-LOADBALANCER", "spec.loadBalancerIP"),
    ({"loadBalancerClass": "a/b"}, "IG-SVC-LOADBALANCER", "spec.loadBalancerClass"),
    (
        {"loadBalancerSourceRanges": ["::/0"]},
        "IG-SVC-LOADBALANCER",
        "spec.loadBalancerSourceRanges",
    ),
    ({"ports": [{"port": 1, "nodePort": 30000}]}, "IG-SVC-NODEPORT", "spec.ports[0].nodePort"),
]
SYSCTLS = """
kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports
net.ipv4.ip_unprivileged_port_start net.ipv4.ping_group_range net.ipv4.tcp_fin_timeout
net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_keepalive_time
net.ipv4.tcp_notsent_lowat net.ipv4.tcp_rmem net.ipv4.tcp_slow_start_after_idle
net.ipv4.tcp_syncookies net.ipv4.tcp_wmem
"""
CAPABILITIES = """
AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP
SETUID SYS_CHROOT
"""
VOLUMES: dict[str, JSON] = {
    "configMap": {"name": "x"},
    "csi": {"driver": "x"},
    "downwardAPI": {},
    "emptyDir": {},
    "ephemeral": {},
    "image": {"reference": "nginx:1"},
    "persistentVolumeClaim": {"claimName": "x"},
    "projected": {},
}


def found(body: dict[str, JSON], level: str = "baseline") -> list[tuple[str, str]]:
    return [
        (item.rule_id, item.path) for item in written(body, pod_security=PodSecurityLevel(level))
    ]


# ── where ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("spec", "rule", "path"), POD_CASES)
def test_a_pod_rule_names_its_field(spec: dict[str, JSON], rule: str, path: str) -> None:
    assert found(deployment(**spec)) == [(rule, f"{POD}.{path}")]


@pytest.mark.parametrize(("context", "rule", "path"), [*CONTEXT_CASES, *SHARED_CONTEXT_CASES])
def test_a_containers_security_rule_names_its_field(
    context: dict[str, JSON], rule: str, path: str
) -> None:
    assert found(container(securityContext=context)) == [(rule, f"{WEB}.securityContext.{path}")]


@pytest.mark.parametrize(("context", "rule", "path"), SHARED_CONTEXT_CASES)
def test_a_pods_security_rule_names_its_field(
    context: dict[str, JSON], rule: str, path: str
) -> None:
    assert found(deployment(securityContext=context)) == [(rule, f"{POD}.securityContext.{path}")]


@pytest.mark.parametrize(("context", "rule", "path"), RESTRICTED_CASES)
def test_a_restricted_rule_names_its_field(context: dict[str, JSON], rule: str, path: str) -> None:
    body = container(securityContext={**GOOD, **context})

    assert found(body, "restricted") == [(rule, f"{WEB}.securityContext.{path}")]
    assert found(body) == []


def test_a_pod_that_says_it_may_be_root_is_named_itself_too() -> None:
    body = deployment(
        containers=[{"name": "web", "image": "nginx:1", "securityContext": GOOD}],
        securityContext={"runAsNonRoot": False},
    )

    assert found(body, "restricted") == [("IG-POD-NONROOT", f"{POD}.securityContext.runAsNonRoot")]


def test_what_is_good_for_restricted_is_good() -> None:
    assert found(container(securityContext=GOOD), "restricted") == []


@pytest.mark.parametrize(("spec", "rule", "path"), SERVICE_CASES)
def test_a_service_rule_names_its_field(spec: dict[str, JSON], rule: str, path: str) -> None:
    assert found(service(**spec)) == [(rule, path)]


def test_a_system_service_is_named_by_its_name() -> None:
    assert found(with_at(service(), "metadata.name", "kubernetes")) == [
        ("IG-SVC-SYSTEM", "metadata.name")
    ]


@pytest.mark.parametrize("held", [{"clusterIP": "10.0.0.9"}, {"clusterIPs": ["10.0.0.9"]}])
@pytest.mark.parametrize("asked", [{"clusterIP": "10.0.0.9"}, {"clusterIPs": ["10.0.0.9"]}])
def test_an_address_that_the_service_has_already_is_no_choice(
    held: dict[str, JSON], asked: dict[str, JSON]
) -> None:
    assert written(service(**asked), live=service(**held)) == ()


def test_a_secret_in_a_list_is_named_by_its_place() -> None:
    env: JSON = [
        {"name": "A", "value": "b"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}},
    ]

    assert found(container(env=env)) == [("IG-POD-SECRET", f"{WEB}.env[1].valueFrom.secretKeyRef")]


def test_a_host_port_is_named_and_zero_is_none() -> None:
    assert found(container(ports=[{"containerPort": 80, "hostPort": 80}])) == [
        ("IG-POD-HOSTPORT", f"{WEB}.ports[0].hostPort")
    ]
    assert found(container(ports=[{"containerPort": 80, "hostPort": 0}])) == []


@pytest.mark.parametrize("action", ["httpGet", "tcpSocket"])
@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_a_probe_of_another_host_is_named(probe: str, action: str) -> None:
    fields: dict[str, JSON] = {probe: {action: {"host": "10.0.0.1", "port": 80}}}
    plain: dict[str, JSON] = {probe: {action: {"host": "", "port": 80}}}

    assert found(container(**fields)) == [("IG-POD-PROBEHOST", f"{WEB}.{probe}.{action}.host")]
    assert found(container(**plain)) == []


@pytest.mark.parametrize("hook", ["postStart", "preStop"])
def test_a_hook_to_another_host_is_named(hook: str) -> None:
    lifecycle: JSON = {hook: {"httpGet": {"host": "10.0.0.1", "port": 80}}}

    assert found(container(lifecycle=lifecycle)) == [
        ("IG-POD-PROBEHOST", f"{WEB}.lifecycle.{hook}.httpGet.host")
    ]


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
def test_a_container_of_every_kind_is_judged(kind: str) -> None:
    bad: JSON = {"name": "bad", "image": "nginx:1", "securityContext": {"privileged": True}}

    body = with_at(deployment(), f"{POD}.{kind}", [bad])

    path = f"{POD}.{kind}[bad].securityContext.privileged"
    assert ("IG-POD-PRIVILEGED", path) in found(body)


def test_a_host_path_is_named_by_its_volume() -> None:
    volume: JSON = {"name": "v", "hostPath": {"path": "/"}}

    assert found(deployment(volumes=[volume])) == [("IG-POD-HOSTPATH", f"{POD}.volumes[v]")]


@pytest.mark.parametrize(
    ("profile", "good"),
    [
        ("runtime/default", True),
        ("localhost/x", True),
        ("", True),
        ("unconfined", False),
        ("xlocalhost/", False),
    ],
)
def test_an_old_app_armor_annotation_is_judged_too(profile: str, good: bool) -> None:
    key = "container.apparmor.security.beta.kubernetes.io/web"
    body = with_at(deployment(), "spec.template.metadata.annotations", {key: profile})

    path = f'spec.template.metadata.annotations["{key}"]'
    assert found(body) == ([] if good else [("IG-POD-APPARMOR", path)])


# ── what passes ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SYSCTLS.split())
def test_a_safe_sysctl_is_fine(name: str) -> None:
    sysctls: JSON = [{"name": name, "value": "1"}]

    assert found(deployment(securityContext={"sysctls": sysctls})) == []


@pytest.mark.parametrize("name", CAPABILITIES.split())
def test_a_default_capability_is_fine_and_one_of_them_even_when_restricted(name: str) -> None:
    capabilities: JSON = {"drop": ["ALL"], "add": [name]}
    body = container(securityContext={**GOOD, "capabilities": capabilities})

    assert found(body) == []
    assert (found(body, "restricted") == []) is (name == "NET_BIND_SERVICE")


@pytest.mark.parametrize(
    "kind", ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]
)
def test_a_containers_selinux_type_is_fine(kind: str) -> None:
    options: JSON = {"type": kind, "user": "", "role": ""}

    assert found(container(securityContext={"seLinuxOptions": options})) == []


@pytest.mark.parametrize("kind", ["RuntimeDefault", "Localhost"])
@pytest.mark.parametrize("field", ["seccompProfile", "appArmorProfile"])
def test_a_confining_profile_is_fine(field: str, kind: str) -> None:
    context: dict[str, JSON] = {**GOOD, field: {"type": kind}}

    assert found(container(securityContext=context), "restricted") == []


@pytest.mark.parametrize("kind", VOLUMES)
def test_a_volume_of_the_pods_own_world_is_fine_even_when_restricted(kind: str) -> None:
    volume: JSON = {"name": "v", kind: VOLUMES[kind]}
    body = with_at(container(securityContext=GOOD), f"{POD}.volumes", [volume])
    types = frozenset({*Policy().volume_types, "csi", "image"})

    assert written(body, pod_security=PodSecurityLevel.RESTRICTED, volume_types=types) == ()


def test_other_volumes_are_not_when_restricted() -> None:
    body = with_at(container(securityContext=GOOD), f"{POD}.volumes", [{"name": "v", "nfs": {}}])
    types = frozenset({"nfs"})

    refused = written(body, pod_security=PodSecurityLevel.RESTRICTED, volume_types=types)
    assert [(item.rule_id, item.path) for item in refused] == [
        ("IG-POD-VOLUMES", f"{POD}.volumes[v]")
    ]


def test_windows_has_no_seccomp_no_escalation_and_no_capabilities() -> None:
    body = container(securityContext={"runAsNonRoot": True})

    assert found(with_at(body, f"{POD}.os", {"name": "windows"}), "restricted") == []
    assert found(with_at(body, f"{POD}.os", {"name": "linux"}), "restricted") != []


def test_a_pods_own_choice_holds_for_its_containers() -> None:
    body = container(
        securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    )
    context: JSON = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}

    assert found(with_at(body, f"{POD}.securityContext", context), "restricted") == []


def test_a_violation_reads_as_one_line() -> None:
    (violation,) = written(service(externalIPs=["1.2.3.4"]))
    nowhere = type(violation)(
        rule_id=violation.rule_id, message="Words.", path="", way_out="Do this."
    )

    assert str(violation).startswith("spec.externalIPs: externalIPs are given.")
    assert "[IG-SVC-EXTERNALIPS]" in str(violation)
    assert str(nowhere) == "Words. [IG-SVC-EXTERNALIPS] Do this."
