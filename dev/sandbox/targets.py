"""From method and path to what a request is about; pure. Source: page "Kubernetes API Concepts"."""

from collections.abc import Iterable
from dataclasses import dataclass

from dev.sandbox.rbac import Asked
from dev.sandbox.resources import Resource

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked, and the served resource behind it when there is one."""

    asked: Asked
    resource: Resource | None = None
    subresource: str = ""


def target(method: str, path: str, *, watch: bool, served: Iterable[Resource]) -> Target:
    match [part for part in path.split("/") if part]:
        case ["api", version, *parts] if parts:
            return _resource(method, "", version, parts, watch=watch, served=served)
        case ["apis", group, version, *parts] if parts:
            return _resource(method, group, version, parts, watch=watch, served=served)
    verb = {"GET": "get", "HEAD": "head"}.get(method, method.lower())
    return Target(asked=Asked(verb=verb, path=path))


def _resource(
    method: str,
    group: str,
    version: str,
    parts: list[str],
    *,
    watch: bool,
    served: Iterable[Resource],
) -> Target:
    namespace = parts[1] if parts[0] == "namespaces" and parts[1:] else ""
    if namespace and parts[2:]:
        parts = parts[2:]
    plural, name, subresource = (*parts, "", "")[:3]
    resource = next(
        (r for r in served if (r.group, r.version, r.plural) == (group, version, plural)), None
    )
    asked = Asked(
        verb=_verb(method, name, watch=watch),
        group=group,
        resource=f"{plural}/{subresource}" if subresource else plural,
        namespace=namespace,
        name=name,
    )
    return Target(asked=asked, resource=resource, subresource=subresource)


def _verb(method: str, name: str, *, watch: bool) -> str:
    if method in ("GET", "HEAD"):
        if watch:
            return "watch"
        return "get" if name else "list"
    verb = _VERBS.get(method, method.lower())
    return "deletecollection" if verb == "delete" and not name else verb
