"""What admission policies say of a write, after RBAC and before anything is stored; pure.

The answer is the real server's: reason and code are the policy's, `Invalid` and 422 unless it says
otherwise (apiserver `pkg/admission/plugin/policy/validating/dispatcher.go`). A real server asks
after it has checked the object itself, so a request with two faults may be told the other one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from dev.sandbox.rbac import Asked, Identity
from dev.sandbox.resources import Obj, Resource
from dev.sandbox.status import ApiError, named

CODES = {"Forbidden": 403, "Invalid": 422, "Unauthorized": 401, "RequestEntityTooLarge": 413}
OPERATIONS = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A write that RBAC allows. `upserts`: an apply of what is not there yet, which is a create."""

    who: Identity
    asked: Asked
    resource: Resource
    subresource: str
    name: str
    dry_run: bool
    upserts: bool = False

    @property
    def operation(self) -> str:
        return "CREATE" if self.upserts else OPERATIONS[self.asked.verb]

    def request(self) -> Obj:
        """What expressions see of it (an AdmissionRequest); empty fields are absent."""
        target = {"group": self.resource.group, "version": self.resource.version}
        shown = {
            "operation": self.operation,
            "kind": {**target, "kind": self.resource.kind},
            "resource": {**target, "resource": self.resource.plural},
            "subResource": self.subresource,
            "namespace": self.asked.namespace,
            "name": self.name,
            "userInfo": {"username": self.who.user},
        }
        return {key: value for key, value in shown.items() if value} | {"dryRun": self.dry_run}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why a write is denied, and which of `CODES` that is."""

    message: str
    reason: str


class Policy(Protocol):
    """A policy as it is bound; see `dev.sandbox.policies`."""

    @property
    def name(self) -> str: ...

    @property
    def binding(self) -> str: ...

    def covers(self, attempt: Attempt) -> bool: ...

    def denial(self, attempt: Attempt) -> Denial | None: ...


class Admission:
    """The policies of a cluster; none of them admits everything."""

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._policies = tuple(policies)

    def check(self, attempt: Attempt) -> None:
        """Raises the first denial, in the server's words."""
        for policy in self._policies:
            if policy.covers(attempt) and (denial := policy.denial(attempt)) is not None:
                raise _denied(attempt, policy, denial)


def _denied(attempt: Attempt, policy: Policy, denial: Denial) -> ApiError:
    name = attempt.name or "Unknown"
    why = (
        f"ValidatingAdmissionPolicy '{policy.name}' with binding '{policy.binding}' denied request:"
        f" {denial.message}"
    )
    details = {**named(attempt.resource, name), "causes": [{"message": why}]}
    message = f'{attempt.resource.label} "{name}" is forbidden: {why}'
    return ApiError(CODES[denial.reason], denial.reason, message, details=details)
