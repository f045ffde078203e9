"""Rules for the metadata of every kind: whose fields are whose, and which keys reach beyond."""

from collections.abc import Iterator, Mapping
from typing import Final

from shared.guardrails.policy import Policy
from shared.guardrails.rules import Violation, violation
from shared.manifests import JSON, PLAN_DIGEST_ANNOTATION, mapping_at, path_text, shown

_FORBIDDEN_FIELDS: Final = {
    "ownerReferences": "IG-META-OWNER",
    "finalizers": "IG-META-FINALIZER",
    "managedFields": "IG-META-MANAGED",
    "creationTimestamp": "IG-META-IDENTITY",
    "deletionGracePeriodSeconds": "IG-META-IDENTITY",
    "deletionTimestamp": "IG-META-IDENTITY",
    "generateName": "IG-META-IDENTITY",
    "generation": "IG-META-IDENTITY",
    "resourceVersion": "IG-META-IDENTITY",
    "selfLink": "IG-META-IDENTITY",
    "uid": "IG-META-IDENTITY",
}

_CONTROLLER_KEYS: Final = frozenset(
    {
        "app.kubernetes.io/managed-by=Helm",
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)

CONTROLLER_PREFIXES: Final = (
    # ingress and load balancers
    "ingress.kubernetes.io",
    "traefik.io",
    "haproxy.org",
    "haproxy-ingress.github.io",
    "konghq.com",
    "projectcontour.io",
    "getambassador.io",
    "service.beta.kubernetes.io",
    "service.alpha.kubernetes.io",
    "service.kubernetes.io",
    "elbv2.k8s.aws",
    "cloud.google.com",
    "networking.gke.io",
    "kubernetes.digitalocean.com",
    "load-balancer.hetzner.cloud",
    "metallb.io",
    "metallb.universe.tf",
    "kube-vip.io",
    "cilium.io",
    # names and certificates
    "external-dns.alpha.kubernetes.io",
    "external-dns.kubernetes.io",
    "external-dns.io",
    "cert-manager.io",
    # who owns the object
    "argoproj.io",
    "fluxcd.io",
    "helm.sh",
    "crossplane.io",
    "deployment.kubernetes.io",
    # meshes and injected containers
    "istio.io",
    "linkerd.io",
    "dapr.io",
    "opentelemetry.io",
    "k8s.v1.cni.cncf.io",
    "projectcalico.org",
    # credentials and rights
    "hashicorp.com",
    "external-secrets.io",
    "iam.amazonaws.com",
    "eks.amazonaws.com",
    "iam.gke.io",
    "azure.workload.identity",
    "mittwald.de",
    "reflector.v1.k8s.emberstack.com",
    "stakater.com",
    # what the Pod may do
    "pod-security.kubernetes.io",
    "security.openshift.io",
    "openshift.io",
    "seccomp.security.alpha.kubernetes.io",
    "scheduler.alpha.kubernetes.io",
)
"""Prefixes of keys that controllers act on, each with its subdomains."""


def check_metadata(
    body: Mapping[str, JSON], live: Mapping[str, JSON] | None, policy: Policy
) -> Iterator[Violation]:
    """Check an object's own metadata and its Pod template's, against what the live object has.

    A label or annotation that the live object has with the same value is no change, so no matter.
    """
    if body.get("status"):
        yield violation("IG-META-STATUS", "status", "status is given.")
    for path in (("metadata",), ("spec", "template", "metadata")):
        metadata = mapping_at(body, *path)
        yield from _forbidden_fields(metadata, path)
        yield from _keys(metadata, mapping_at(live, *path), path, policy)


def _forbidden_fields(metadata: Mapping[str, JSON], path: tuple[str, ...]) -> Iterator[Violation]:
    for field, rule_id in _FORBIDDEN_FIELDS.items():
        if metadata.get(field):
            yield violation(rule_id, path_text((*path, field)), f"{field} is given.")


def _keys(
    metadata: Mapping[str, JSON], live: Mapping[str, JSON], path: tuple[str, ...], policy: Policy
) -> Iterator[Violation]:
    for field in ("labels", "annotations"):
        before = mapping_at(live, field)
        for key, value in mapping_at(metadata, field).items():
            if _acts(key, value, policy) and before.get(key) != value:
                at = path_text((*path, field, key))
                yield violation("IG-META-PREFIX", at, f"The key {shown(key)} is set.")


def _acts(key: str, value: JSON, policy: Policy) -> bool:
    prefix, slash, _ = key.rpartition("/")
    if key == PLAN_DIGEST_ANNOTATION or prefix == "infragate.dev":
        return True  # ours alone: it tells after a crash what was written
    if key in policy.metadata_prefixes or prefix in policy.metadata_prefixes:
        return False
    if key in _CONTROLLER_KEYS or f"{key}={value}" in _CONTROLLER_KEYS:
        return True
    return bool(slash) and any(_within(prefix, reserved) for reserved in CONTROLLER_PREFIXES)


def _within(prefix: str, reserved: str) -> bool:
    return prefix == reserved or prefix.endswith(f".{reserved}")
