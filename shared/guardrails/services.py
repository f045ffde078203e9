"""Rules for Services: they stay inside the cluster and take no one else's traffic."""

from collections.abc import Iterator, Mapping

from shared.guardrails.policy import Policy
from shared.guardrails.rules import Violation, violation
from shared.manifests import JSON, list_at, mapping_at, mappings_at, shown, text_at

_NAMED_ADDRESSES = ("", "None")
"""`None` asks for a headless Service, nothing for an address from the cluster's range."""


def check_service(
    body: Mapping[str, JSON], live: Mapping[str, JSON] | None, policy: Policy
) -> Iterator[Violation]:
    """Check a Service against the policy; an address that it already has is no choice."""
    spec = mapping_at(body, "spec")
    yield from _type(spec, policy)
    if spec.get("externalIPs"):
        yield violation("IG-SVC-EXTERNALIPS", "spec.externalIPs", "externalIPs are given.")
    yield from _cluster_ip(spec, mapping_at(live, "spec"))
    if policy.service_types <= {"ClusterIP"}:
        yield from _outside(spec)


def check_service_name(name: str) -> Iterator[Violation]:
    """Refuse the Service through which the cluster reaches its own API server."""
    if name == "kubernetes":
        yield violation("IG-SVC-SYSTEM", "metadata.name", "This is a system Service.")


def _type(spec: Mapping[str, JSON], policy: Policy) -> Iterator[Violation]:
    kind = text_at(spec, "type") or "ClusterIP"
    if kind == "ExternalName" or spec.get("externalName"):
        yield violation("IG-SVC-EXTERNALNAME", "spec.externalName", "A name outside is given.")
    elif kind not in policy.service_types:
        yield violation("IG-SVC-TYPE", "spec.type", f"The type is {shown(kind)}.")


def _cluster_ip(spec: Mapping[str, JSON], live: Mapping[str, JSON]) -> Iterator[Violation]:
    held = {text_at(live, "clusterIP"), *map(str, list_at(live, "clusterIPs")), *_NAMED_ADDRESSES}
    for address in (text_at(spec, "clusterIP"), *map(str, list_at(spec, "clusterIPs"))):
        if address not in held:
            yield violation("IG-SVC-CLUSTERIP", "spec.clusterIP", f"{shown(address)} is chosen.")
            return


def _outside(spec: Mapping[str, JSON]) -> Iterator[Violation]:
    for field in ("loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges"):
        if spec.get(field):
            yield violation("IG-SVC-LOADBALANCER", f"spec.{field}", f"{field} is given.")
    for index, port in mappings_at(spec, "ports"):
        if port.get("nodePort"):
            path = f"spec.ports[{index}].nodePort"
            yield violation("IG-SVC-NODEPORT", path, "A node's port is chosen.")
