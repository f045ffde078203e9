"""The Pod Security Standards, levels baseline and restricted, as of Kubernetes 1.37.

Our own implementation: Pod Security admission never rejects a Deployment, only its Pods later, when
nobody looks at the plan any more. It passes all the official fixtures, which are kept beside its
tests. Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ . Rules of ours
that go beyond are in `shared.guardrails.podtemplates`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from shared.guardrails.pods import Part, PodTemplate, probes
from shared.guardrails.policy import PodSecurityLevel
from shared.guardrails.rules import Violation, violation
from shared.manifests import JSON, list_at, mapping_at, mappings_at, shown, text_at

# Tuples, not sets: a value that cannot be hashed is then simply not among them.
_BASELINE_CAPABILITIES: Final = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
_RESTRICTED_CAPABILITIES: Final = ("NET_BIND_SERVICE",)
_RESTRICTED_VOLUMES: Final = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
_SAFE_SYSCTLS: Final = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)
_SELINUX_TYPES: Final = (
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
)
_CONFINED: Final = (
    "RuntimeDefault",
    "Localhost",
)
APPARMOR_ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"


def check_pod_security(template: PodTemplate, level: PodSecurityLevel) -> Iterator[Violation]:
    """Find what the level forbids. Restricted is baseline and more.

    A value of an unexpected type counts as the forbidden one.
    """
    yield from _host_namespaces(template)
    yield from _host_path(template)
    yield from _sysctls(template)
    yield from _app_armor_annotations(template)
    yield from _security_context(template, mapping_at(template.spec, "securityContext"))
    for container in template.containers():
        yield from _container(container, user_namespace=template.spec.get("hostUsers") is False)
    if level is not PodSecurityLevel.BASELINE:  # anything unexpected is the stricter one
        yield from _restricted(template)


def _off(value: JSON) -> bool:
    return value is None or value is False


def _context(container: Part) -> Mapping[str, JSON]:
    return mapping_at(container.body, "securityContext")


# ------------------------------------------------------------------------------------- baseline


def _host_namespaces(template: PodTemplate) -> Iterator[Violation]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if not _off(template.spec.get(field)):
            yield violation("IG-POD-HOSTNAMESPACE", template.at(field), f"{field} is set.")


def _host_path(template: PodTemplate) -> Iterator[Violation]:
    for volume in template.volumes():
        if volume.body.get("hostPath") is not None:
            yield violation("IG-POD-HOSTPATH", volume.path, "The volume is a hostPath.")


def _sysctls(template: PodTemplate) -> Iterator[Violation]:
    for index, sysctl in mappings_at(template.spec, "securityContext", "sysctls"):
        name = sysctl.get("name")
        if name not in _SAFE_SYSCTLS:
            path = template.at(f"securityContext.sysctls[{index}]")
            yield violation("IG-POD-SYSCTL", path, f"The sysctl {shown(name)} is not safe.")


def _app_armor_annotations(template: PodTemplate) -> Iterator[Violation]:
    for key, value in mapping_at(template.metadata, "annotations").items():
        text = value if isinstance(value, str) else "?"
        fits = text in ("", "runtime/default") or text.startswith("localhost/")
        if key.startswith(APPARMOR_ANNOTATION) and not fits:
            path = template.metadata_at(f'annotations["{key}"]')
            yield violation("IG-POD-APPARMOR", path, f"The profile is {shown(value)}.")


def _container(container: Part, *, user_namespace: bool) -> Iterator[Violation]:
    context = _context(container)
    if not _off(context.get("privileged")):
        path = container.at("securityContext.privileged")
        yield violation("IG-POD-PRIVILEGED", path, "The container is privileged.")
    yield from _added_capabilities(container, _BASELINE_CAPABILITIES)
    yield from _host_ports(container)
    yield from _proc_mount(container, user_namespace=user_namespace)
    yield from _probe_hosts(container)
    yield from _security_context(container, context)


def _added_capabilities(container: Part, allowed: tuple[str, ...]) -> Iterator[Violation]:
    for added in list_at(_context(container), "capabilities", "add"):
        if added not in allowed:
            path = container.at("securityContext.capabilities.add")
            yield violation("IG-POD-CAPABILITIES", path, f"{shown(added)} is added.")


def _host_ports(container: Part) -> Iterator[Violation]:
    for index, port in mappings_at(container.body, "ports"):
        host_port = port.get("hostPort")
        if host_port is not None and host_port != 0:
            path = container.at(f"ports[{index}].hostPort")
            yield violation("IG-POD-HOSTPORT", path, f"Port {shown(host_port)} is asked for.")


def _proc_mount(container: Part, *, user_namespace: bool) -> Iterator[Violation]:
    value = _context(container).get("procMount")
    if value is None or value == "Default" or (value == "Unmasked" and user_namespace):
        return
    path = container.at("securityContext.procMount")
    yield violation("IG-POD-PROCMOUNT", path, f"procMount is {shown(value)}.")


def _probe_hosts(container: Part) -> Iterator[Violation]:
    for path, probe in probes(container):
        for action in ("httpGet", "tcpSocket"):
            host = mapping_at(probe, action).get("host")
            if host is not None and host != "":
                at = f"{path}.{action}.host"
                yield violation("IG-POD-PROBEHOST", at, f"The host {shown(host)} is named.")


def _security_context(
    owner: PodTemplate | Part, context: Mapping[str, JSON]
) -> Iterator[Violation]:
    """What a Pod's and a container's security context have in common."""
    if not _off(mapping_at(context, "windowsOptions").get("hostProcess")):
        path = owner.at("securityContext.windowsOptions.hostProcess")
        yield violation("IG-POD-HOSTPROCESS", path, "hostProcess is set.")
    yield from _se_linux(owner, mapping_at(context, "seLinuxOptions"))
    for field, rule_id in (
        ("appArmorProfile", "IG-POD-APPARMOR"),
        ("seccompProfile", "IG-POD-SECCOMP"),
    ):
        kind = mapping_at(context, field).get("type")
        if kind is not None and kind not in _CONFINED:
            path = owner.at(f"securityContext.{field}.type")
            yield violation(rule_id, path, f"The profile is {shown(kind)}.")


def _se_linux(owner: PodTemplate | Part, options: Mapping[str, JSON]) -> Iterator[Violation]:
    allowed = {"type": _SELINUX_TYPES, "user": ("",), "role": ("",)}
    for field, values in allowed.items():
        value = options.get(field)
        if value is not None and value not in values:
            path = owner.at(f"securityContext.seLinuxOptions.{field}")
            yield violation("IG-POD-SELINUX", path, f"The {field} is {shown(value)}.")


# ----------------------------------------------------------------------------------- restricted


def _restricted(template: PodTemplate) -> Iterator[Violation]:
    yield from _restricted_volumes(template)
    yield from _non_root(template)
    yield from _root_user(template)
    for container in template.containers():
        yield from _proc_mount(container, user_namespace=False)
    if text_at(template.spec, "os", "name") != "windows":  # it has none of the three
        yield from _explicit_seccomp(template)
        for container in template.containers():
            yield from _escalation(container)
            yield from _dropped_capabilities(container)


def _restricted_volumes(template: PodTemplate) -> Iterator[Violation]:
    for volume in template.volumes():
        allowed = ("name", *_RESTRICTED_VOLUMES)
        used = sorted(k for k, v in volume.body.items() if v is not None and k not in allowed)
        if used:
            yield violation("IG-POD-VOLUMES", volume.path, f"The volume is a {shown(used[0])}.")


def _non_root(template: PodTemplate) -> Iterator[Violation]:
    pod = mapping_at(template.spec, "securityContext").get("runAsNonRoot")
    if pod is not None and pod is not True:
        path = template.at("securityContext.runAsNonRoot")
        yield violation("IG-POD-NONROOT", path, "runAsNonRoot is not true.")
    for container in template.containers():
        own = _context(container).get("runAsNonRoot")
        if own is not True and not (own is None and pod is True):
            path = container.at("securityContext.runAsNonRoot")
            yield violation("IG-POD-NONROOT", path, "runAsNonRoot is not true.")


def _root_user(template: PodTemplate) -> Iterator[Violation]:
    contexts: list[tuple[PodTemplate | Part, Mapping[str, JSON]]] = [
        (template, mapping_at(template.spec, "securityContext")),
        *((container, _context(container)) for container in template.containers()),
    ]
    for owner, context in contexts:
        if context.get("runAsUser") == 0:
            path = owner.at("securityContext.runAsUser")
            yield violation("IG-POD-RUNASUSER", path, "The user is 0.")


def _explicit_seccomp(template: PodTemplate) -> Iterator[Violation]:
    pod = mapping_at(template.spec, "securityContext", "seccompProfile").get("type")
    for container in template.containers():
        own = mapping_at(_context(container), "seccompProfile").get("type")
        if own is None and pod not in _CONFINED:  # a wrong one is baseline's to report
            path = container.at("securityContext.seccompProfile.type")
            yield violation("IG-POD-SECCOMP", path, "No profile is set.")


def _escalation(container: Part) -> Iterator[Violation]:
    if _context(container).get("allowPrivilegeEscalation") is not False:
        path = container.at("securityContext.allowPrivilegeEscalation")
        yield violation("IG-POD-ESCALATION", path, "It is not false.")


def _dropped_capabilities(container: Part) -> Iterator[Violation]:
    if "ALL" not in list_at(_context(container), "capabilities", "drop"):
        path = container.at("securityContext.capabilities.drop")
        yield violation("IG-POD-CAPABILITIES", path, "ALL is not dropped.")
    yield from _added_capabilities(container, _RESTRICTED_CAPABILITIES)
