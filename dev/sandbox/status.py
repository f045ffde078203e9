"""The Status objects by which an API server refuses, as one exception; texts follow apimachinery.

Nothing here decides; the rules live in the modules that raise. Source: apimachinery
`pkg/api/errors/errors.go`.
"""

from typing import Any

from dev.sandbox.resources import Resource

Obj = dict[str, Any]


class ApiError(Exception):
    """A request that ends with a Status; `status` is the body, `headers` go with it."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Obj | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = headers or {}
        self.status: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            **({"reason": reason} if reason else {}),
            **({"details": details} if details is not None else {}),
            "code": code,
        }


def cause(reason: str, message: str, field: str) -> dict[str, str]:
    return {"reason": reason, "message": message, "field": field}


def named(resource: Resource, name: str) -> Obj:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource.label} "{name}" not found'
    return ApiError(404, "NotFound", message, details=named(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.label} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=named(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.label} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=named(resource, name))


def modified(resource: Resource, name: str) -> ApiError:
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version"
        " and try again",
    )


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def invalid(group: str, kind: str, name: str, causes: list[dict[str, str]]) -> ApiError:
    """422 with its causes; one cause is told plainly, several in brackets."""
    told = [f"{c['field']}: {c['message']}" for c in causes]
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    label = f"{kind}.{group}" if group else kind
    details = {
        **({"name": name} if name else {}),
        **({"group": group} if group else {}),
        "kind": kind,
        "causes": causes,
    }
    return ApiError(422, "Invalid", f'{label} "{name}" is invalid: {text}', details=details)


def rejected() -> ApiError:
    """What a JSON Patch that does not apply gets, a failed `test` too."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def no_such_path() -> ApiError:
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, details={})


def success(resource: Resource, name: str, uid: str) -> Obj:
    details = {**named(resource, name), "uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
