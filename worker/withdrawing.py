"""Taking a plan back: deny, revoke and cancel. A *no* needs no proof: it only takes power away.

With the claim in the cluster taken, no state or receipt that is restored later leads to a write.
"""

from dataclasses import dataclass

from shared.errors import Refusal
from shared.manifests import JSON
from shared.messages import CancelCall, DenyCall
from shared.plans import Identity, Mover, Plan, State, move_refusal, state_at
from shared.stores.plan_records import StoredPlan
from worker import claims, remembering
from worker.context import Context
from worker.notices import Event, Notice
from worker.vault import open_plan


def deny(call: DenyCall, context: Context) -> JSON | Refusal:
    """Denies a pending plan or revokes an approved one; no proof, it only takes power away."""
    opened = open_plan(call.plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    rules = context.policy.approvers
    groups = frozenset(call.groups)
    if not any(rule.covers(plan) and rule.names(call.approver, groups) for rule in rules):
        return Refusal(code="not_an_approver", message="You may not decide this plan.")
    approved = stored.state is State.APPROVED
    withdrawal = _Withdrawal(
        target=State.REVOKED if approved else State.DENIED,
        mover=Mover.APPROVER,
        event="plan.revoked" if approved else "plan.denied",
        who=call.approver,
        reason=call.reason,
    )
    return _withdraw(stored, plan, withdrawal, context)


def cancel(call: CancelCall, context: Context) -> JSON | Refusal:
    """Takes a request back; only for the one who made it."""
    opened = open_plan(call.plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    if (plan.requester.iss, plan.requester.sub) != (call.requester.iss, call.requester.sub):
        return Refusal(code="no_such_plan", message=f"There is no plan '{call.plan_id}'.")
    withdrawal = _Withdrawal(
        target=State.CANCELLED,
        mover=Mover.REQUESTER,
        event="plan.cancelled",
        who=call.requester,
    )
    return _withdraw(stored, plan, withdrawal, context)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Withdrawal:
    """One of the three ways in which a plan is taken back."""

    target: State
    mover: Mover
    event: str
    who: Identity
    reason: str = ""


def _withdraw(
    stored: StoredPlan, plan: Plan, withdrawal: _Withdrawal, context: Context
) -> JSON | Refusal:
    now = int(context.clock())
    current = state_at(
        stored.state, now=now, expires_at=plan.expires_at, apply_before=plan.expires_at
    )
    refusal = move_refusal(current, withdrawal.target, withdrawal.mover)
    if refusal is not None:
        return refusal
    digest = stored.sealed.digest
    context.audit.record(
        withdrawal.event,
        plan=plan.id,
        digest=digest,
        **withdrawal.who.model_dump(include={"iss", "sub"}),
    )
    # A no outlives Redis: with the claim in the cluster taken, no state or receipt that is restored
    # later leads to a write. A pending plan, too: that it is pending is only Redis's word.
    if not _closed(digest, plan, context):
        return Refusal(code="already_applying", message="Too late: the plan is being applied.")
    fields = {
        "decided_by": withdrawal.who.model_dump_json(include={"iss", "sub"}),
        "decided_reason": withdrawal.reason,
        "decided_at": str(now),
    }
    if not context.plans.move(stored, withdrawal.target, fields):
        return Refusal(code="already_decided", message="The plan has just changed; look again.")
    remembering.withdrawn(
        stored, plan, withdrawal.target, context, by=withdrawal.who, reason=withdrawal.reason
    )
    context.notices.tell(
        Notice.of(Event(withdrawal.target.value), plan, digest, at=now, by=withdrawal.who)
    )
    return {"state": withdrawal.target.value}


def _closed(digest: str, plan: Plan, context: Context) -> bool:
    taken = claims.take(
        context.cluster,
        digest,
        plan_id=plan.id,
        holder="revoked",
        purpose="revoke",
        expires_at=plan.expires_at,
    )
    if taken:
        return True
    claim = claims.find(context.cluster, digest)
    return claim is not None and claim.purpose == "revoke"
