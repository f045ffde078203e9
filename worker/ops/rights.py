"""What each role needs to be allowed in the cluster, and what none must be. Asks nobody.

The table of docs/operations.md (Rights), as data; `deploy/kubernetes/` grants exactly that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.messages import Role


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource (`pods/log` for a subresource) of one API group ("" is core)."""

    verb: str
    resource: str
    group: str = ""

    def __str__(self) -> str:
        """Returns it as `kubectl auth can-i` spells it: `create deployments.apps`."""
        plural, slash, part = self.resource.partition("/")
        suffix = f".{self.group}" if self.group else ""
        return f"{self.verb} {plural}{suffix}{slash}{part}"


def _rights(verbs: Sequence[str], group: str, *resources: str) -> frozenset[Right]:
    return frozenset(Right(verb, resource, group) for verb in verbs for resource in resources)


_LOOK: Final = ("get", "list")
_CHANGE: Final = ("create", "patch", "delete")

READING: Final = (
    _rights(_LOOK, "apps", "deployments", "replicasets")
    | _rights(_LOOK, "", "pods", "services", "configmaps", "endpoints")
    | _rights(("get",), "", "pods/log")
    | _rights(("list",), "events.k8s.io", "events")
    | _rights(("list",), "discovery.k8s.io", "endpointslices")
)
CHANGING: Final = _rights(_CHANGE, "apps", "deployments") | _rights(
    _CHANGE, "", "services", "configmaps"
)
CLAIMING: Final = _rights((*_LOOK, "create", "delete"), "coordination.k8s.io", "leases")
"""In the namespace `infragate-system`."""
FORESEEING: Final = _rights(("list",), "autoscaling", "horizontalpodautoscalers")
"""Optional for planners: without it no plan says that an autoscaler will undo a scale."""
KNOWING: Final = _rights(("get",), "", "namespaces")
"""For all roles or for none, in the cluster as a whole, of the namespace `kube-system` alone."""

NEEDED: Final = {
    Role.READ: READING,
    Role.PLAN: READING | CHANGING,
    Role.APPLY: READING | CHANGING,
}

FORBIDDEN_ANYWHERE: Final = (
    _rights(("get", "list", "create", "delete"), "", "secrets")
    | _rights(("create",), "", "pods", "pods/exec", "pods/attach", "pods/portforward")
    | _rights(("get",), "", "pods/exec", "pods/attach", "pods/portforward")
    | _rights(("create",), "", "serviceaccounts/token")
    | _rights(("deletecollection",), "apps", "deployments")
    | _rights(("deletecollection",), "", "services", "configmaps")
    | _rights(("create", "bind", "escalate"), "rbac.authorization.k8s.io", "roles")
    | _rights(("create",), "rbac.authorization.k8s.io", "rolebindings")
)
"""In a served namespace, for every role."""

FORBIDDEN_IN_CLUSTER: Final = (
    _rights(("create", "delete"), "", "namespaces")
    | _rights(("list",), "", "secrets")
    | _rights(("get",), "", "nodes/proxy")
    | _rights(("impersonate",), "", "users")
    | _rights(("create",), "rbac.authorization.k8s.io", "clusterrolebindings")
)
"""For the cluster as a whole."""


def needed(roles: Sequence[Role]) -> frozenset[Right]:
    """Returns what a process with these roles needs in each of its namespaces."""
    return frozenset().union(*(NEEDED[role] for role in roles))


def forbidden(roles: Sequence[Role]) -> frozenset[Right]:
    """Returns what such a process must not be allowed there."""
    return FORBIDDEN_ANYWHERE | (CHANGING - needed(roles))
