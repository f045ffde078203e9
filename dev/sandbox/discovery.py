"""What the server says it serves: `/version`, `/api`, `/apis`, the resource lists; pure."""

from collections.abc import Iterable

from dev.sandbox.resources import ALL_VERBS, Obj, Resource

REVIEWS = "authorization.k8s.io/v1"


def found(path: str, resources: tuple[Resource, ...], *, modern: bool, address: str) -> Obj | None:
    """The document at a path, or None."""
    match path.split("/")[1:]:
        case ["version"]:
            return version(modern=modern)
        case ["api"]:
            return core_versions(address)
        case ["apis"]:
            return groups(resources)
        case ["api" | "apis", *parts]:
            return _of_group("/".join(parts), resources)
        case _:
            return None


def _of_group(name: str, resources: tuple[Resource, ...]) -> Obj | None:
    rows = [r for r in resources if r.api_version == name]
    if rows or name == REVIEWS:
        return resource_list(name, rows)
    known = next((r for r in resources if r.group and r.group == name), None)
    if known is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **group(known.group, known.version)}


def version(*, modern: bool) -> Obj:
    minor = "36" if modern else "20"
    return {
        "major": "1",
        "minor": minor,
        "gitVersion": f"v1.{minor}.2+infragate-sandbox",
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "simulated",
        "compiler": "none",
        "platform": "simulated/sandbox",
    }


def core_versions(address: str) -> Obj:
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def groups(resources: Iterable[Resource]) -> Obj:
    names = dict.fromkeys((r.group, r.version) for r in resources if r.group)
    names["authorization.k8s.io", "v1"] = None
    rows = [group(name, version) for name, version in names]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": rows}


def group(name: str, version: str) -> Obj:
    row = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [row], "preferredVersion": row}


def resource_list(group_version: str, resources: Iterable[Resource]) -> Obj:
    rows: list[Obj] = []
    for resource in resources:
        rows.append(_row(resource))
        rows += [_subresource(resource, name) for name in resource.subresources]
    if group_version == REVIEWS:
        rows.append(
            {
                "name": "selfsubjectaccessreviews",
                "singularName": "selfsubjectaccessreview",
                "namespaced": False,
                "kind": "SelfSubjectAccessReview",
                "verbs": ["create"],
            }
        )
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": rows,
    }


def _row(resource: Resource) -> Obj:
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        **({"shortNames": list(resource.short)} if resource.short else {}),
    }


def _subresource(resource: Resource, name: str) -> Obj:
    scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"} if name == "scale" else {}
    verbs = ["get"] if name == "log" else [v for v in ALL_VERBS if v in ("get", "patch", "update")]
    return {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        **scale,
        "verbs": verbs,
    }
