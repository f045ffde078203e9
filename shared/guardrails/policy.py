"""What the operator allows beyond the defaults, per namespace. Where it is read from is not here.

Every default is the narrow choice; an empty list allows nothing beyond what the rule itself says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.errors import Refusal
from shared.manifests import JSON, shown


class PodSecurityLevel(StrEnum):
    """How strictly Pod templates are judged, by the Pod Security Standards."""

    BASELINE = "baseline"
    RESTRICTED = "restricted"


_SERVICE_TYPES: Final = frozenset({"ClusterIP", "NodePort", "LoadBalancer"})
_PLAIN_VOLUMES: Final = frozenset(
    {
        "configMap",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is allowed in one namespace."""

    pod_security: PodSecurityLevel = PodSecurityLevel.BASELINE
    registries: frozenset[str] = frozenset()
    """Registries, or registry/path prefixes, that images may come from; empty means any."""
    require_digest: bool = False
    """Whether every image must be named by digest."""
    metadata_prefixes: frozenset[str] = frozenset()
    """Prefixes (`example.com`) or whole keys that labels and annotations may use all the same."""
    service_types: frozenset[str] = frozenset({"ClusterIP"})
    """ExternalName can never be allowed."""
    secrets: frozenset[str] = frozenset()
    """Secrets that any workload of the namespace may start to use."""
    service_accounts: frozenset[str] = frozenset()
    image_pull_secrets: frozenset[str] = frozenset()
    volume_types: frozenset[str] = _PLAIN_VOLUMES
    """Volume sources by field name, of what the Pod Security level does not forbid anyway."""
    max_replicas: int = 5
    """The tool asks for 0 to 5; a namespace may allow fewer, and manifests more."""
    require_limits: frozenset[str] = frozenset()
    """Resources (`cpu`, `memory`) for which every container must set a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The operator's whole guardrail policy."""

    default: Policy = field(default_factory=Policy)
    namespaces: Mapping[str, Policy] = field(default_factory=lambda: MappingProxyType({}))

    def for_namespace(self, namespace: str) -> Policy:
        """The namespace's own policy, else the default. A namespace's policy stands alone."""
        return self.namespaces.get(namespace, self.default)


def read_policies(value: JSON) -> Policies | Refusal:
    """Read the `guardrails` part of the policy file; None is the default policy.

    The form: `{default: {…}, namespaces: {name: {…}}}`, inside which the keys are the field names
    of `Policy`, lists standing for sets. Anything unknown or of a wrong type refuses the whole
    file: a misspelled restriction must not pass for none.
    """
    if value is None:
        return Policies()
    if not isinstance(value, dict) or not set(value) <= {"default", "namespaces"}:
        return _refusal("guardrails", "must be a mapping with `default` and `namespaces` only")
    default = _read_policy(value.get("default", {}), "guardrails.default")
    if isinstance(default, Refusal):
        return default
    by_name = value.get("namespaces", {})
    if not isinstance(by_name, dict):
        return _refusal("guardrails.namespaces", "must be a mapping of namespaces")
    policies: dict[str, Policy] = {}
    for name, entry in by_name.items():
        policy = _read_policy(entry, f"guardrails.namespaces.{name}")
        if isinstance(policy, Refusal):
            return policy
        policies[name] = policy
    return Policies(default=default, namespaces=MappingProxyType(policies))


def _read_policy(value: JSON, path: str) -> Policy | Refusal:
    if not isinstance(value, dict):
        return _refusal(path, "must be a mapping")
    unknown = sorted(set(value) - {item.name for item in fields(Policy)})
    if unknown:
        return _refusal(f"{path}.{unknown[0]}", "is no setting of the guardrails")
    try:
        return Policy(**{key: _setting(key, item) for key, item in value.items()})  # type: ignore[arg-type]  # _setting gives each its type
    except ValueError as error:
        return _refusal(path, str(error))


def _setting(key: str, value: JSON) -> PodSecurityLevel | frozenset[str] | bool | int:
    if key == "pod_security":
        return PodSecurityLevel(str(value))
    if key == "require_digest":
        return _flag(key, value)
    if key == "max_replicas":
        return _count(key, value)
    names = _names(key, value)
    if key == "service_types" and not names <= _SERVICE_TYPES:
        raise ValueError(f"{key} may only hold {', '.join(sorted(_SERVICE_TYPES))}")
    return names


def _flag(key: str, value: JSON) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false")  # noqa: TRY004 - one kind of error to catch
    return value


def _count(key: str, value: JSON) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{key} must be a number from 0")
    return value


def _names(key: str, value: JSON) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{key} must be a list of names, not {shown(value)}")
    return frozenset(str(item) for item in value)


def _refusal(path: str, problem: str) -> Refusal:
    return Refusal(code="invalid_policy", message=f"{path} {problem}.", details={"path": path})
