"""What pages may remember of a decided plan: a signed closing after each thing that befell it.

Only an applier says so, and only of what it did or checked itself. Nothing hangs on it: where Redis
does not take it, the audit log still has it all.
"""

from typing import Final

from shared import approvals
from shared.closings import MAX_MESSAGE, closing_of, signed_closing
from shared.errors import Fault, Refusal
from shared.logs import Log
from shared.manifests import JSON
from shared.outcomes import Outcome, Verdict
from shared.plans import Identity, Plan, State
from shared.stores.history import HistoryStore
from shared.stores.plan_records import StoredPlan
from worker import receipts
from worker.context import Context

_WORST: Final = (Verdict.FAILED, Verdict.PROGRESSING, Verdict.COMPLETE)

_log = Log("worker.remembering")


def remember(
    stored: StoredPlan,
    plan: Plan,
    state: State,
    context: Context,
    *,
    outcome: Outcome | None = None,
    **decision: object,
) -> None:
    """Keeps what became of a plan; `decision` are further fields of the closing. Never raises."""
    key = context.keys.receipt
    if key is None:
        return
    given = _receipts(stored, plan, context)
    now = context.clock()
    decided = max((one.receipt.verified_at for one in given), default=int(now))
    closing = closing_of(
        plan,
        stored.sealed.digest,
        **{
            "state": state,
            "approvers": tuple(one.receipt.approver for one in given),
            "decided_at": decided,
            "ended_at": int(now),
            **_told(outcome),
            **decision,
        },
    )
    try:
        HistoryStore(context.redis).keep(
            plan.id, signed_closing(key, closing).model_dump_json(), at=now
        )
    except Fault as fault:
        _log.warning("closing.not_kept", plan=plan.id, code=fault.code)


def withdrawn(
    stored: StoredPlan, plan: Plan, state: State, context: Context, *, by: Identity, reason: str
) -> None:
    """Keeps that somebody took a plan back; not that a requester did before anybody decided it.

    Otherwise an agent that asks and cancels all day would push out what people decided.
    """
    if state is State.CANCELLED and stored.state is State.PENDING:
        return
    who = Identity(iss=by.iss, sub=by.sub)
    now = int(context.clock())
    remember(stored, plan, state, context, decided_by=who, reason=reason, decided_at=now)


def rolled_out(stored: StoredPlan, plan: Plan, result: JSON | Refusal, context: Context) -> None:
    """Keeps how the rollouts went of a plan that this applier has just applied.

    `result` is the answer of that apply; an outcome that only Redis tells of is never signed.
    """
    if not isinstance(result, dict) or stored.state is not State.APPLIED:
        return
    outcome = Outcome.model_validate(result["outcome"])
    if outcome.rollouts:
        remember(stored, plan, State.APPLIED, context, outcome=outcome)


def _told(outcome: Outcome | None) -> dict[str, object]:
    if outcome is None:
        return {}
    verdicts = {one.verdict for one in outcome.rollouts}
    rollout = next((verdict.value for verdict in _WORST if verdict in verdicts), "")
    return {"code": outcome.code, "message": outcome.message[:MAX_MESSAGE], "rollout": rollout}


def _receipts(
    stored: StoredPlan, plan: Plan, context: Context
) -> tuple[approvals.SignedReceipt, ...]:
    """The approvals that an applier signed for this digest, whatever else lies beside the plan."""
    before = receipts.earlier(stored, plan, context)
    last = approvals.read_signed_receipt(stored.receipt or "")
    if isinstance(last, Refusal) or last.receipt.plan_digest != stored.sealed.digest:
        return before
    return (*before, last) if receipts.authentic(last, context) else before
