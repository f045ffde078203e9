"""What a plan is, which states it goes through and who may move it; no storage, no cluster.

A plan is written once by the planner, turned into canonical bytes and sealed. From then on the
bytes are the plan: pages render them, approvals commit to their digest, the applier executes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.digests import canonical, plan_digest
from shared.errors import Refusal
from shared.foreign_json import foreign_json
from shared.manifests import JSON

PLAN_LIFETIME_S = 60 * 60
"""A plan is reviewed while the question is fresh; an hour later the cluster has moved on."""

APPLY_WINDOW_S = 15 * 60
"""After an approval the agent has this long to apply; an approval is not a standing permission."""

KEEP_S = 24 * 60 * 60
"""Ended plans stay readable this long; the audit log keeps them for good."""

MAX_REASON_LENGTH = 500

MAX_PLAN_BYTES = 2 * 1024 * 1024
"""Of a plan's canonical bytes. More than that no person reviews, and no page shows it well."""

DIGEST_ANNOTATION = "infragate.dev/plan-digest"
"""Written with every change: after a crash the object itself says whether it was changed."""


class Operation(StrEnum):
    """The five changes that can be asked for."""

    APPLY = "apply"
    DELETE = "delete"
    SCALE = "scale"
    RESTART = "restart"
    SET_IMAGE = "set-image"


class State(StrEnum):
    """Where a plan is in its life."""

    PENDING = "pending"
    APPROVED = "approved"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REVOKED = "revoked"
    STALE = "stale"
    SUPERSEDED = "superseded"


class Mover(StrEnum):
    """Who causes a move; workers carry all of them out."""

    APPROVER = "approver"
    REQUESTER = "requester"
    APPLIER = "applier"
    CLOCK = "clock"


MOVES: Mapping[tuple[State, State], Mover] = {
    (State.PENDING, State.APPROVED): Mover.APPROVER,
    (State.PENDING, State.DENIED): Mover.APPROVER,
    (State.PENDING, State.CANCELLED): Mover.REQUESTER,
    (State.PENDING, State.EXPIRED): Mover.CLOCK,
    (State.PENDING, State.SUPERSEDED): Mover.REQUESTER,
    (State.APPROVED, State.APPLYING): Mover.APPLIER,
    (State.APPROVED, State.DENIED): Mover.APPROVER,
    (State.APPROVED, State.REVOKED): Mover.APPROVER,
    (State.APPROVED, State.CANCELLED): Mover.REQUESTER,
    (State.APPROVED, State.EXPIRED): Mover.CLOCK,
    (State.APPROVED, State.STALE): Mover.APPLIER,
    (State.APPROVED, State.FAILED): Mover.APPLIER,
    (State.APPLYING, State.APPLIED): Mover.APPLIER,
    (State.APPLYING, State.FAILED): Mover.APPLIER,
    (State.APPLYING, State.STALE): Mover.APPLIER,
    (State.APPLYING, State.OUTCOME_UNKNOWN): Mover.APPLIER,
    (State.OUTCOME_UNKNOWN, State.APPLIED): Mover.APPLIER,
    (State.OUTCOME_UNKNOWN, State.FAILED): Mover.APPLIER,
}
"""Every move there is, and who may cause it. What is not listed cannot happen."""

ENDED = frozenset(state for state in State if all(source is not state for source, _ in MOVES))
"""States that nothing leaves."""


class Action(StrEnum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    NO_OP = "no-op"


class _Frozen(BaseModel):
    """A part of a sealed document: strict types, no unknown fields, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class ClusterRef(_Frozen):
    """Which cluster a plan is for; `id` is the uid of the namespace kube-system."""

    name: str
    id: str
    ca_sha256: str


class Identity(_Frozen):
    """A person or client as its provider names it: never an email, never a display name."""

    iss: str
    sub: str


class Requester(Identity):
    """Who asked for the plan, and on whose word we know."""

    client_id: str
    assurance: Literal["verified", "gateway-asserted", "pages-asserted"]
    """`pages-asserted`: a person who was signed in to the approval pages, as those say."""


class Intent(_Frozen):
    """The exact write.

    `create` and `apply` carry a manifest as `body`; `patch` carries RFC 6902 operations without the
    preconditions, which the applier puts in front with fresh values; `delete` carries
    `propagationPolicy`.
    """

    verb: Literal["create", "apply", "patch", "delete"]
    body: JSON


class PlannedChange(_Frozen):
    """One changed path of one object, as `shared.diffs` found it."""

    path: str
    op: Literal["add", "remove", "change"]
    old: JSON = None
    new: JSON = None


class PlannedObject(_Frozen):
    """One object of a plan: what it is now, what is written, what it becomes."""

    api_version: str
    kind: str
    name: str
    action: Action
    uid: str | None
    base_digest: str | None
    """Digest of the normalized live object; None when there is none."""
    predicted_digest: str | None
    """Digest of the normalized result of the dry-run; None for deletes."""
    intent: Intent
    changes: tuple[PlannedChange, ...] = ()
    before: dict[str, JSON] | None = Field(default=None, exclude_if=lambda value: value is None)
    """Normal form of the live object where it is changed, without values that stay and may be
    secret; of a whole object that comes or goes the one change has it all. Left out otherwise, so
    that older plans keep their bytes."""


class Note(_Frozen):
    """A finding, warning or reason: a stable code and one sentence."""

    code: str
    message: str
    severity: Literal["info", "warning", "critical"] = "info"


class RiskNote(_Frozen):
    """How much attention a plan asks for, and why."""

    level: Literal["low", "medium", "high"]
    reasons: tuple[Note, ...] = ()


class Plan(_Frozen):
    """Everything that an approver sees and the applier does. All times are epoch seconds."""

    version: Literal[1] = 1
    id: str
    salt: str
    cluster: ClusterRef
    namespace: str
    operation: Operation
    summary: str
    """One line in our words: "nginx: replicas 2 → 4"."""
    objects: tuple[PlannedObject, ...]
    findings: tuple[Note, ...]
    warnings: tuple[str, ...]
    """What the API server warned of, cleaned."""
    managers: tuple[str, ...]
    """Other field managers of the touched objects."""
    requester: Requester
    reason: str = Field(max_length=MAX_REASON_LENGTH)
    """The agent's words: not verified, shown as such."""
    risk: RiskNote
    touched: tuple[Note, ...] = Field(default=(), exclude_if=lambda value: not value)
    """What else the plan reaches: Pods, endpoints, users of a ConfigMap, owners; left out if
    nothing was seen, so that older plans keep their bytes."""
    undoes: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Id of the plan that this one undoes; left out otherwise. A person asked for it on the
    approval pages, so there may be no agent that applies it."""
    policy_sha256: str
    created_at: int
    expires_at: int

    def document(self) -> bytes:
        """Returns the canonical bytes; these are what is sealed, shown and applied."""
        return canonical(self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPlan:
    """A plan's canonical bytes with the planner's seal; not yet checked."""

    document: bytes
    seal: str

    @property
    def digest(self) -> str:
        """The digest recomputed from the bytes; a stored digest is never believed."""
        return plan_digest(self.document)


def read_plan(document: bytes) -> Plan | Refusal:
    """Returns the plan in canonical bytes, or why they are none.

    Bytes that parse but are not canonical are refused: what is shown and hashed must be one.
    """
    try:
        plan = Plan.model_validate_json(document)
        canonical_bytes = plan.document()
    except ValueError:  # no plan, or one that holds what no canonical document can
        return _damaged()
    if canonical_bytes != document:
        return Refusal(code="plan_unreadable", message="The stored plan is not canonical.")
    return plan


def read_head(document: bytes) -> Plan | Refusal:
    """Returns a plan for lists: without its objects, findings and warnings, which may be large.

    Whether the bytes are canonical is not looked at: whoever shows a head checks their seal.
    """
    try:
        facts = foreign_json(document)
        head = Plan.model_validate({**facts, "objects": (), "findings": (), "warnings": ()})
    except (TypeError, ValueError):
        return _damaged()
    return head


def move_refusal(source: State, target: State, mover: Mover) -> Refusal | None:
    """Returns why `mover` may not take a plan from `source` to `target`; None if it may."""
    allowed = MOVES.get((source, target))
    if allowed is None:
        return Refusal(
            code="plan_" + source.value,
            message=f"The plan is {source.value}; it cannot become {target.value}.",
        )
    if allowed is not mover:
        return Refusal(
            code="not_permitted",
            message=f"Only the {allowed.value} may make a plan {target.value}.",
        )
    return None


def state_at(state: State, *, now: int, expires_at: int, apply_before: int | None) -> State:
    """Returns the state as it is at `now`: what nobody acted on in time has expired."""
    if state is State.PENDING and now >= expires_at:
        return State.EXPIRED
    if state is State.APPROVED and now >= min(expires_at, apply_before or 0):
        return State.EXPIRED
    return state


def _damaged() -> Refusal:
    return Refusal(code="plan_unreadable", message="The stored plan is damaged; request it anew.")
