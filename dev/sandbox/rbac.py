"""Who may do what in the simulated cluster: identities, rules, one decision; pure.

The rules are those of the ServiceAccounts in `deploy/kubernetes/`; the applier may foresee
autoscalers as the planner does, since it often serves all roles. Source: Kubernetes page "Using
RBAC Authorization"; texts from apiserver `pkg/endpoints/handlers/responsewriters/errors.go`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dev.sandbox.status import ApiError

DEMO = "mcp-nginx-demo"
SYSTEM = "infragate-system"
LOOK = ("get", "list")
CHANGE = ("create", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is allowed; `*` stands for all. Namespace "" means any scope."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    namespace: str = "*"
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as the authorizer sees it; `resource` includes the subresource."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user and what they may do."""

    user: str
    rules: tuple[Rule, ...]


# The uid of kube-system is how a cluster is told from another.
CLUSTER_ID = Rule(groups=("",), resources=("namespaces",), verbs=("get",), names=("kube-system",))


def reader_rules(namespace: str) -> tuple[Rule, ...]:
    return (
        _rule_in(namespace, "apps", ("deployments", "replicasets"), LOOK),
        _rule_in(namespace, "", ("pods", "services", "configmaps", "endpoints"), LOOK),
        _rule_in(namespace, "", ("pods/log",), ("get",)),
        _rule_in(namespace, "events.k8s.io", ("events",), ("list",)),
        _rule_in(namespace, "discovery.k8s.io", ("endpointslices",), ("list",)),
        CLUSTER_ID,
    )


def planner_rules(namespace: str) -> tuple[Rule, ...]:
    """Write verbs too: a dry-run is authorized like the write (see `dev.sandbox.admission`)."""
    return (
        *reader_rules(namespace),
        _rule_in(namespace, "apps", ("deployments",), CHANGE),
        _rule_in(namespace, "", ("services", "configmaps"), CHANGE),
        _rule_in(namespace, "autoscaling", ("horizontalpodautoscalers",), ("list",)),
    )


def applier_rules(namespace: str) -> tuple[Rule, ...]:
    leases = ("get", "list", "create", "delete")
    return (
        *planner_rules(namespace),
        _rule_in(SYSTEM, "coordination.k8s.io", ("leases",), leases),
    )


def _rule_in(
    namespace: str, group: str, resources: tuple[str, ...], verbs: tuple[str, ...]
) -> Rule:
    return Rule(groups=(group,), resources=resources, verbs=verbs, namespace=namespace)


EVERYTHING = (Rule(groups=("*",), resources=("*",), verbs=("*",)),)
ANONYMOUS = Identity(user="system:anonymous", rules=())


def account(name: str) -> str:
    return f"system:serviceaccount:{SYSTEM}:{name}"


def standard() -> dict[str, Identity]:
    """Identities by short name; the planner's writes are kept from it by a policy alone."""
    return {
        "admin": Identity(user="kubernetes-admin", rules=EVERYTHING),
        "applier": Identity(user=account("infragate-applier"), rules=applier_rules(DEMO)),
        "planner": Identity(user=account("infragate-planner"), rules=planner_rules(DEMO)),
        "reader": Identity(user=account("infragate-reader"), rules=reader_rules(DEMO)),
    }


def load(path: Path) -> dict[str, Identity]:
    """The standard identities with the rules of some replaced by a JSON file.

    The file maps a short name to a list of objects with the fields of `Rule`.
    """
    table = standard()
    for name, rows in json.loads(path.read_text()).items():
        rules = tuple(_rule(row) for row in rows)
        table[name] = Identity(user=table[name].user if name in table else name, rules=rules)
    return table


def _rule(row: dict[str, Any]) -> Rule:
    lists = ("groups", "resources", "verbs", "names")
    found = {key: tuple(row.get(key) or ()) for key in lists}
    return Rule(**found, namespace=str(row.get("namespace", "*")))


def dump(table: Mapping[str, Identity]) -> str:
    """The file form of a table."""
    return json.dumps({name: [asdict(r) for r in i.rules] for name, i in table.items()})


def allowed(identity: Identity, asked: Asked) -> bool:
    if asked.path:
        public = asked.path in ("/version", "/healthz", "/livez", "/readyz")
        return public or identity is not ANONYMOUS
    if asked.group == "authorization.k8s.io" and identity is not ANONYMOUS:
        return asked.resource == "selfsubjectaccessreviews" and asked.verb == "create"
    return any(_covers(rule, asked) for rule in identity.rules)


def _covers(rule: Rule, asked: Asked) -> bool:
    return (
        _in(asked.verb, rule.verbs)
        and _in(asked.group, rule.groups)
        and _in(asked.resource, rule.resources)
        and rule.namespace in ("*", asked.namespace)
        and (not rule.names or asked.name in rule.names)
    )


def _in(value: str, values: tuple[str, ...]) -> bool:
    return "*" in values or value in values


def forbidden(identity: Identity, asked: Asked) -> ApiError:
    """403 in the server's words, that name verb, resource and namespace."""
    if asked.path:
        text = f'forbidden: User "{identity.user}" cannot {asked.verb} path "{asked.path}"'
        return ApiError(403, "Forbidden", text, details={})
    plural = asked.resource.partition("/")[0]
    label = f"{plural}.{asked.group}" if asked.group else plural
    named = f'{label} "{asked.name}"' if asked.name else label
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    text = (
        f'{named} is forbidden: User "{identity.user}" cannot {asked.verb} resource'
        f' "{asked.resource}" in API group "{asked.group}" {where}'
    )
    details = {
        **({"name": asked.name} if asked.name else {}),
        **({"group": asked.group} if asked.group else {}),
        "kind": plural,
    }
    return ApiError(403, "Forbidden", text, details=details)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")
