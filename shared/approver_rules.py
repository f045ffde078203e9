"""Who may approve what: the rules of the policy's `approvers`, and what they say of one person.

An empty policy lets nobody approve. What a login proves is in `shared.approvals`.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.approvals import Accepted
from shared.errors import Refusal
from shared.passkeys import PasskeyDemand
from shared.plans import Identity, Operation, Plan

MAX_REQUIRED = 10


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Placed(Protocol):
    """What rules speak of: a plan, or what is remembered of one."""

    @property
    def namespace(self) -> str:
        """Where it changes something."""

    @property
    def operation(self) -> Operation:
        """Which of the five changes it is."""


class GroupRef(_Frozen):
    """A group as one provider names it in the ID token's claim `groups`."""

    iss: str
    group: str


class Required(_Frozen):
    """How many people must approve, by the plan's risk; in the policy also one number for all."""

    low: int = Field(default=1, ge=1, le=MAX_REQUIRED)
    medium: int = Field(default=1, ge=1, le=MAX_REQUIRED)
    high: int = Field(default=1, ge=1, le=MAX_REQUIRED)

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"low": value, "medium": value, "high": value}
        return value

    def for_risk(self, level: Literal["low", "medium", "high"]) -> int:
        """Returns the number for one level."""
        return {"low": self.low, "medium": self.medium, "high": self.high}[level]


class ApproverRule(_Frozen):
    """Who may approve what where: one entry of the policy's `approvers`."""

    namespaces: tuple[str, ...]
    operations: tuple[Operation, ...] = tuple(Operation)
    subjects: tuple[Identity, ...] = ()
    groups: tuple[GroupRef, ...] = ()
    requester_may_approve: bool = False
    required: Required = Required()
    acr: tuple[str, ...] = ()
    """Authentication context classes of which the login must have one; empty means any."""
    passkey: PasskeyDemand = PasskeyDemand()
    """Whether a passkey of the policy must sign the statement beside the login."""

    def covers(self, plan: Placed) -> bool:
        """Says whether the rule speaks of this plan's namespace and operation."""
        return plan.namespace in self.namespaces and plan.operation in self.operations

    def names(self, person: Identity, groups: frozenset[str] | None) -> bool:
        """Says whether the rule names a person, or a group of theirs that the provider signed.

        None means that the groups are not known yet: then the rule may name them.
        """
        if person in self.subjects:
            return True
        theirs = {one.group for one in self.groups if one.iss == person.iss}
        return bool(theirs) if groups is None else not theirs.isdisjoint(groups)


def approver_refusal(
    rules: Sequence[ApproverRule],
    plan: Plan,
    approver: Identity,
    *,
    groups: frozenset[str] | None = None,
) -> Refusal | None:
    """Returns why `approver` may not approve `plan`; None if a rule lets them.

    `groups` are those that the provider signed; None before there is a proof. An empty policy
    approves nothing.
    """
    rules = [rule for rule in rules if rule.covers(plan) and rule.names(approver, groups)]
    if not rules:
        return Refusal(
            code="not_an_approver",
            message=f"You may not approve {plan.operation.value} in namespace '{plan.namespace}'.",
        )
    if not any(_lets_requester(rule, plan, approver) for rule in rules):
        return Refusal(
            code="four_eyes",
            message="You asked for this plan; the policy wants somebody else to approve it.",
        )
    return None


def acr_refusal(rules: Sequence[ApproverRule], plan: Plan, accepted: Accepted) -> Refusal | None:
    """Returns why a login was too weak for every rule that lets its person approve.

    A rule that names the requester but wants four eyes does not let them: it must not lend its
    weaker login to the rule that does.
    """
    named = [
        rule
        for rule in rules
        if rule.covers(plan)
        and rule.names(accepted.approver, accepted.groups)
        and _lets_requester(rule, plan, accepted.approver)
    ]
    if any(not rule.acr or accepted.acr in rule.acr for rule in named):
        return None
    return Refusal(code="proof_acr", message="The policy wants a stronger sign-in for this plan.")


def _lets_requester(rule: ApproverRule, plan: Plan, approver: Identity) -> bool:
    requested = (plan.requester.iss, plan.requester.sub) == (approver.iss, approver.sub)
    return rule.requester_may_approve or not requested


def passkey_demanded(
    rules: Sequence[ApproverRule], plan: Plan, approver: Identity, groups: frozenset[str]
) -> bool:
    """Says whether this person needs a passkey for this plan.

    Where several rules name them, one that demands it is enough: a second rule must not open a way
    around the first.
    """
    return any(
        rule.covers(plan)
        and rule.names(approver, groups)
        and rule.passkey.for_risk(plan.risk.level)
        for rule in rules
    )


def approvals_needed(rules: Sequence[ApproverRule], plan: Plan) -> int:
    """Returns how many people must approve: the most that any rule for this plan asks for."""
    asked = [rule.required.for_risk(plan.risk.level) for rule in rules if rule.covers(plan)]
    return max(asked, default=1)
