"""What travels between gateway and workers: task names, queues, calls and replies; no transport.

A call is one JSON document, the only argument of its task. A reply is one JSON document pushed to
the list of the replica that asked. Arguments and replies are never logged.
"""

import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.approvals import MAX_GROUPS, SignedStatement
from shared.approver_rules import ApproverRule
from shared.manifests import JSON
from shared.passkeys import Assertion
from shared.plans import MAX_REASON_LENGTH, Identity, Operation, Requester

TASK = "infragate.call"
"""The one task; which verb it does is in its document, and the worker's role must fit."""

MAX_CALL_BYTES = 512 * 1024
"""A manifest of 256 KiB, escaped, with room."""


class Role(StrEnum):
    """What a worker does; one queue for each."""

    READ = "read"
    PLAN = "plan"
    APPLY = "apply"


def queue(cluster: str, role: Role) -> str:
    """Returns the name of the queue that workers of `role` for `cluster` consume."""
    return f"{cluster}.{role.value}"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReadCall(_Message):
    """A read tool that asks Kubernetes; `shared.questions` checks its arguments."""

    verb: Literal["read"] = "read"
    tool: str
    arguments: dict[str, JSON]


class PlanCall(_Message):
    """One of the five requests. Only the arguments of its operation are set."""

    verb: Literal["plan"] = "plan"
    operation: Operation
    namespace: str
    manifest: str | None = None
    name: str | None = None
    replicas: int | None = None
    container: str | None = None
    image: str | None = None
    reason: str = Field(default="", max_length=MAX_REASON_LENGTH)
    requester: Requester


class RollbackCall(_Message):
    """An approver asks for a plan that undoes an applied one. That plan needs an approval, too."""

    verb: Literal["rollback"] = "rollback"
    plan_id: str
    approver: Identity
    groups: tuple[str, ...] = Field(default=(), max_length=MAX_GROUPS)
    """On the word of the pages, as is `approver`: asking needs no proof."""


class ChallengeCall(_Message):
    """Asks the applier for a signed statement that `approver` can commit a login to."""

    verb: Literal["challenge"] = "challenge"
    plan_id: str
    approver: Identity


class ProofCall(_Message):
    """Brings the applier a statement and the encrypted ID token that commits to it."""

    verb: Literal["proof"] = "proof"
    plan_id: str
    signed: SignedStatement
    sealed_token: str
    assertion: Assertion | None = None
    """A passkey's signature over the same statement, where the policy wants one."""


class DenyCall(_Message):
    """An approver says no, or takes an approval back. Can only reduce what may happen."""

    verb: Literal["deny"] = "deny"
    plan_id: str
    approver: Identity
    groups: tuple[str, ...] = Field(default=(), max_length=MAX_GROUPS)
    """On the word of the pages: a *no* needs no proof."""
    reason: str = Field(default="", max_length=MAX_REASON_LENGTH)


class CancelCall(_Message):
    """The requester takes the request back."""

    verb: Literal["cancel"] = "cancel"
    plan_id: str
    requester: Identity


class ApplyCall(_Message):
    """Applies an approved plan. Carries nothing but the id: everything else is sealed."""

    verb: Literal["apply"] = "apply"
    plan_id: str


class RecheckCall(_Message):
    """Asks whether the objects still are what a plan was made on. Writes nothing to the cluster."""

    verb: Literal["recheck"] = "recheck"
    plan_id: str


Call = Annotated[
    ReadCall
    | PlanCall
    | RollbackCall
    | ChallengeCall
    | ProofCall
    | DenyCall
    | CancelCall
    | ApplyCall
    | RecheckCall,
    Field(discriminator="verb"),
]
CALLS: TypeAdapter[Call] = TypeAdapter(Call)

ROLE_OF: dict[str, Role] = {
    "read": Role.READ,
    "plan": Role.PLAN,
    "rollback": Role.PLAN,
    "challenge": Role.APPLY,
    "proof": Role.APPLY,
    "deny": Role.APPLY,
    "cancel": Role.APPLY,
    "apply": Role.APPLY,
    "recheck": Role.APPLY,
}
"""Which role does which verb; a worker refuses what is not its role's."""


class Answer(_Message):
    """The call did what was asked; `body` is the verb's result."""

    kind: Literal["answer"] = "answer"
    id: str
    body: JSON


class Refused(_Message):
    """The call was refused, for the caller to act on."""

    kind: Literal["refusal"] = "refusal"
    id: str
    code: str
    message: str
    details: dict[str, str] = Field(default_factory=dict)


class Failed(_Message):
    """Something on our side did not work."""

    kind: Literal["fault"] = "fault"
    id: str
    code: str
    message: str
    retry_after: int | None = None


class Progress(_Message):
    """A sign of life of a long call; more replies follow."""

    kind: Literal["progress"] = "progress"
    id: str
    done: int
    total: int
    message: str


Reply = Annotated[Answer | Refused | Failed | Progress, Field(discriminator="kind")]
REPLIES: TypeAdapter[Reply] = TypeAdapter(Reply)


class Announcement(_Message):
    """A worker's sign of life: which cluster and namespaces it serves, in which roles."""

    worker: str
    """Random id of the process."""
    version: str
    cluster: str
    cluster_id: str
    cluster_version: str
    simulated: bool
    """True when the cluster is the sandbox; shown wherever the cluster is named."""
    namespaces: tuple[str, ...]
    roles: tuple[Role, ...]
    seal_key: str | None = None
    """The planner's public key, base64url; learnt from here in development only."""
    receipt_key: str | None = None
    """The applier's public key, base64url; learnt from here in development only."""
    proof_key: str | None = None
    """The applier's public encryption key, base64url."""
    approvers: tuple[ApproverRule, ...] = ()
    """Who may look at which plans in the browser; who may approve the applier decides by itself."""
    rules: dict[str, tuple[str, ...]] = {}
    """What the planner's guardrails allow in each namespace, in words for agents."""
    threads: int = 0
    """How many calls it can do at a time, and `busy` how many it did when it said this."""
    busy: int = 0
    started_at: int
    seen_at: int


def reply_json(reply: Answer | Refused | Failed | Progress) -> bytes:
    """Returns the bytes of a reply as pushed to the asking replica."""
    return json.dumps(reply.model_dump(mode="json"), separators=(",", ":")).encode()
