"""The rules by name: what each forbids and what to do about it. The checks are elsewhere.

A rule's id is stable: it stands in refusals, audit records and the documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule forbids, in one line, and what a caller can do about it."""

    reason: str
    way_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that a plan may not do. A plan with any violation is not made, or not applied.

    `path` names the field (`spec.template.spec.containers[web].image`); values from the manifest
    are in `message` only where they are short and no secret.
    """

    rule_id: str
    message: str
    path: str
    way_out: str

    def __str__(self) -> str:
        """One line for people and agents: what, where, under which rule, and the way out."""
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message} [{self.rule_id}] {self.way_out}"


_REMOVE: Final = "Remove the field."
_WELL: Final = "Correct the manifest."
_LEVEL: Final = "Follow the Pod Security Standards (kubernetes.io) for the namespace's level."


def _ask(what: str) -> str:
    return f"Ask the operator to allow {what} in the guardrail policy."


_RULES: Final[dict[str, Rule]] = {
    "IG-CM-KEY": Rule("ConfigMap keys are file names; data and binaryData share none.", _WELL),
    "IG-CM-SIZE": Rule("A ConfigMap holds at most 1 MiB.", "Split it, or use a volume."),
    "IG-CM-SYSTEM": Rule(
        "ConfigMaps that Kubernetes or its add-ons keep are not changed.", "Use another name."
    ),
    "IG-DELETE-OWNED": Rule(
        "An object that a controller owns is not deleted; the controller would make it again.",
        "Change the owner instead.",
    ),
    "IG-FIELD-TYPE": Rule("Every field has the type that Kubernetes gives it.", _WELL),
    "IG-FIELD-UNKNOWN": Rule(
        "A field that the guardrails do not know cannot be judged, so it is not sent.", _WELL
    ),
    "IG-IMAGE-DIGEST": Rule(
        "The namespace's policy demands images by digest.", "Write the image as name@sha256:…."
    ),
    "IG-IMAGE-INVALID": Rule(
        "An image must be a well-formed reference.", "Write registry/repository:tag."
    ),
    "IG-IMAGE-REGISTRY": Rule(
        "Images come from the registries that the policy lists.", _ask("the registry")
    ),
    "IG-IMAGE-TAG": Rule(
        "An image without tag, or tagged latest, can be another one tomorrow.",
        "Name a version tag or a digest.",
    ),
    "IG-META-FINALIZER": Rule("Finalizers can keep an object from ever being deleted.", _REMOVE),
    "IG-META-IDENTITY": Rule(
        "uid, resourceVersion and the like are set by the server, not by a manifest.", _REMOVE
    ),
    "IG-META-MANAGED": Rule("managedFields belongs to the API server.", _REMOVE),
    "IG-META-OWNER": Rule("ownerReferences bind an object's life to another's.", _REMOVE),
    "IG-META-PREFIX": Rule(
        "Labels and annotations that controllers act on reach beyond the object.", _ask("the key")
    ),
    "IG-META-STATUS": Rule("status is what the cluster reports, not what is asked for.", _REMOVE),
    "IG-POD-APPARMOR": Rule("AppArmor is not switched off.", _LEVEL),
    "IG-POD-CAPABILITIES": Rule("Linux capabilities stay within the level's list.", _LEVEL),
    "IG-POD-ESCALATION": Rule(
        "Restricted Pods set allowPrivilegeEscalation to false in every container.", _LEVEL
    ),
    "IG-POD-HOSTALIASES": Rule("hostAliases redirect names inside the Pod.", _REMOVE),
    "IG-POD-HOSTNAMESPACE": Rule(
        "The node's network, process and IPC namespaces stay out.", _LEVEL
    ),
    "IG-POD-HOSTPATH": Rule("hostPath volumes open the node's file system.", _LEVEL),
    "IG-POD-HOSTPORT": Rule("hostPort opens a port of the node.", _LEVEL),
    "IG-POD-HOSTPROCESS": Rule("Windows host processes run as the node.", _LEVEL),
    "IG-POD-INHERITED": Rule(
        "A workload that is outside the Pod Security baseline gets new versions, not new code: it "
        "would run with those rights.",
        "Ask an administrator to change this workload.",
    ),
    "IG-POD-LIMITS": Rule(
        "The namespace's policy demands resource limits.", "Set resources.limits."
    ),
    "IG-POD-NODENAME": Rule("nodeName goes around the scheduler.", "Use a nodeSelector."),
    "IG-POD-NONROOT": Rule("Restricted Pods say runAsNonRoot: true.", _LEVEL),
    "IG-POD-PRIORITY": Rule("System priority classes evict other people's Pods.", _REMOVE),
    "IG-POD-PRIVILEGED": Rule("A privileged container is root on the node.", _LEVEL),
    "IG-POD-PROBEHOST": Rule("Probes and lifecycle hooks name no other host.", _LEVEL),
    "IG-POD-PROCMOUNT": Rule("The masks over /proc stay on.", _LEVEL),
    "IG-POD-PULLSECRET": Rule(
        "imagePullSecrets are those the workload has, or those the policy lists.",
        _ask("the pull secret"),
    ),
    "IG-POD-RUNASUSER": Rule("Restricted Pods do not run as user 0.", _LEVEL),
    "IG-POD-SECCOMP": Rule("seccomp stays on (restricted: and is set explicitly).", _LEVEL),
    "IG-POD-SECRET": Rule(
        "A Secret that the workload does not use yet could be printed into a log.",
        _ask("the Secret"),
    ),
    "IG-POD-SELINUX": Rule("SELinux user and role are unset; the type is a container's.", _LEVEL),
    "IG-POD-SERVICEACCOUNT": Rule(
        "A service account carries rights; it is kept, or one that the policy lists.",
        _ask("the service account"),
    ),
    "IG-POD-SYSCTL": Rule("Only sysctls that stay within the Pod are set.", _LEVEL),
    "IG-POD-TOKEN": Rule(
        "Tokens and certificates of the Pod's identity are not mounted on request.", _REMOVE
    ),
    "IG-POD-TOLERATION": Rule(
        "Control-plane nodes keep their taints for themselves.", "Tolerate named taints only."
    ),
    "IG-POD-VOLUMES": Rule("Restricted Pods use only the volume types listed for them.", _LEVEL),
    "IG-POD-VOLUMETYPE": Rule(
        "Volume drivers reach storage with credentials of their own.", _ask("the volume type")
    ),
    "IG-REPLICAS-MAX": Rule(
        "Replicas stay within the policy's bounds.", "Ask for fewer, or ask the operator."
    ),
    "IG-SVC-CLUSTERIP": Rule(
        "A chosen cluster IP can take an address that others expect.", "Leave clusterIP out."
    ),
    "IG-SVC-EXTERNALIPS": Rule(
        "externalIPs let a Service take other people's traffic (CVE-2020-8554).", _REMOVE
    ),
    "IG-SVC-EXTERNALNAME": Rule(
        "ExternalName points a name of the cluster at any other host.", "Use type ClusterIP."
    ),
    "IG-SVC-LOADBALANCER": Rule(
        "loadBalancerIP and loadBalancerClass choose how the outside gets in.", _REMOVE
    ),
    "IG-SVC-NODEPORT": Rule("nodePort opens a port of every node.", _REMOVE),
    "IG-SVC-SYSTEM": Rule("The API server's own Service is not changed.", "Use another name."),
    "IG-SVC-TYPE": Rule(
        "A Service is reachable from inside the cluster only.", _ask("the Service type")
    ),
}

RULES: Final[Mapping[str, Rule]] = MappingProxyType(_RULES)
"""Every rule by its id, in alphabetical order."""


def violation(rule_id: str, path: str, message: str) -> Violation:
    """Break a rule: the rule's own reason and way out, and what exactly is wrong here."""
    rule = RULES[rule_id]
    return Violation(
        rule_id=rule_id, path=path, message=f"{message} {rule.reason}", way_out=rule.way_out
    )
