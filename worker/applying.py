"""Applying an approved plan, exactly once, exactly as approved.

The steps, in this order; docs/security.md and the tests name them by the same numbers:

 (1) open     the bytes are under a planner's seal, for this cluster, and the plan is approved
 (2) receipt  an applier signed that a proof for exactly this digest was verified, recently
 (3) rules    guardrails, namespace and approver policy of today still allow it
 (4) drift    every live object is the one that was planned on: same uid, same normal form
 (5) preview  a second dry-run gives what was approved, and that is within the guardrails
 (6) claim    audit record on disk, then the Lease of this digest: whoever has it writes, once
 (7) mark     the plan is `applying`
 (8) write    object by object with fresh preconditions and the digest as annotation; the first
              failure stops the rest
 (9) read     every object is read back and must carry the digest
(10) record   outcome in Redis, audit log and evidence file
(11) rollout  watched, bounded; its verdict is added to the outcome

A crash anywhere leaves either nothing or a claim; `worker.settling` finds out which, and never
writes.
"""

from dataclasses import dataclass, replace

from shared import approvals, approver_rules
from shared.approvals import Receipt
from shared.errors import ClusterFault, ClusterUnreachable, Refusal
from shared.manifests import JSON, Object
from shared.messages import ApplyCall
from shared.outcomes import ObjectOutcome, Outcome, Written
from shared.plans import Action, Plan, PlannedObject, State, state_at
from shared.stores.plan_records import StoredPlan
from shared.tracing import current, span, step
from worker import (
    claims,
    drift,
    evidence,
    guarding,
    receipts,
    remembering,
    second_proof,
    settling,
    writes,
)
from worker.cluster import NotSent
from worker.context import Context, Report
from worker.following import follow
from worker.vault import open_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A plan that passed steps (1) to (5), with the live objects as they were just read."""

    stored: StoredPlan
    plan: Plan
    receipt: Receipt
    live: tuple[Object | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed:
    """A plan whose objects are no longer as they were approved, and what is different."""

    since: tuple[str, ...]


def apply(call: ApplyCall, context: Context, report: Report) -> JSON | Refusal:
    """Applies an approved plan, or says what became of it; safe to call at any time.

    Returns `{"state": …, "outcome": …}`, or a refusal with which nothing was written.

    Raises:
        Fault: the answer is unknown to us (Redis, cluster, audit); a later call finds out.
    """
    # (1) open
    opened = open_plan(call.plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    current().note(plan=plan.id, namespace=plan.namespace)
    if stored.state in settling.UNSETTLED:
        return follow(settling.settle(stored, plan, context), plan, context, report)
    if stored.state is not State.APPROVED:
        return follow(_as_it_is(stored, plan, context), plan, context, report)
    ready = _checked(stored, plan, context)
    if isinstance(ready, Refusal):
        return ready
    if isinstance(ready, _Changed):
        return _stale(stored, plan, ready, context, report)
    report(0, len(plan.objects) + 1, "Checked: nothing has changed since the approval.")
    return _claimed(ready, context, report)


@step("apply check")
def _checked(stored: StoredPlan, plan: Plan, context: Context) -> _Ready | _Changed | Refusal:
    """Steps (2) to (5)."""
    # (2) receipt
    receipt = _receipt(stored, plan, context)
    if isinstance(receipt, Refusal):
        return receipt

    # (3) rules
    live = tuple(writes.read(context.cluster, plan.namespace, item) for item in plan.objects)
    refusal = (
        approver_rules.approver_refusal(
            context.policy.approvers, plan, receipt.approver, groups=frozenset(receipt.groups)
        )
        or second_proof.receipt_refusal(receipt, plan, context)
        or receipts.missing_refusal(receipt, receipts.earlier(stored, plan, context), plan, context)
        or guarding.plan_refusal(plan, live, context)
    )
    if refusal is not None:
        return refusal

    # (4) drift
    drifted = drift.drifted(plan, live)
    if drifted:
        return _Changed(since=drifted)

    # (5) preview
    preview = drift.preview(plan, live, context.cluster)
    if preview.otherwise:
        return _Changed(since=preview.otherwise)
    refusal = guarding.results_refusal(plan, live, preview.results, context)
    return refusal or _Ready(stored=stored, plan=plan, receipt=receipt, live=live)


def _claimed(ready: _Ready, context: Context, report: Report) -> JSON | Refusal:
    """Steps (6) to (11)."""
    plan, digest = ready.plan, ready.stored.sealed.digest
    # (6) claim
    context.audit.record(
        "apply.started", plan=plan.id, digest=digest, **ready.receipt.approver.model_dump()
    )
    holder = f"{context.settings.cluster}-applier"
    until = context.clock() + settling.write_window(plan, context)
    with span("apply claim"):
        taken = claims.take(
            context.cluster,
            digest,
            plan_id=plan.id,
            holder=holder,
            purpose="apply",
            expires_at=plan.expires_at,
        )
    if not taken:
        return follow(settling.settle(ready.stored, plan, context), plan, context, report)

    # (7) mark
    if not context.plans.move(ready.stored, State.APPLYING):
        context.audit.record("apply.failed", plan=plan.id, digest=digest, code="plan_moved")
        return Refusal(
            code="already_decided", message="The plan changed while it was claimed; look again."
        )
    applying = replace(ready.stored, state=State.APPLYING, version=ready.stored.version + 1)

    # (8) write and (9) read
    outcome = _written(ready, context, report, until=until)

    # (10) record
    settled = settling.finish(applying, plan, outcome, context)
    evidence.export(settled, plan, context)

    # (11) rollout
    followed = follow(settling.answer(settled), plan, context, report)
    remembering.rolled_out(settled, plan, followed, context)
    return followed


def _receipt(stored: StoredPlan, plan: Plan, context: Context) -> Receipt | Refusal:
    now = int(context.clock())
    signed = approvals.read_signed_receipt(stored.receipt or "")
    if isinstance(signed, Refusal):
        return Refusal(
            code="approval_required",
            message="Redis says that the plan is approved, but there is no receipt for it.",
        )
    if not receipts.authentic(signed, context):
        return Refusal(
            code="receipt_forged", message="The stored approval was not signed by an applier."
        )
    if now >= plan.expires_at:
        return Refusal(code="plan_expired", message="The plan has expired; ask for it anew.")
    digest = stored.sealed.digest
    refusal = approvals.receipt_refusal(signed.receipt, plan_digest=digest, now=now)
    return refusal or signed.receipt


@step("apply write")
def _written(ready: _Ready, context: Context, report: Report, *, until: float) -> Outcome:
    """Writes object by object; each result is on disk before the next write starts.

    None starts at or after `until`: from then on others may take this applier for dead.
    """
    plan, digest = ready.plan, ready.stored.sealed.digest
    results: list[ObjectOutcome] = []
    stopped = late = False
    for planned, live in zip(plan.objects, ready.live, strict=True):
        late = late or (not stopped and context.clock() >= until)
        if stopped or late:
            results.append(_outcome_of(planned, Written.NOT_TRIED))
            continue
        result = _write_one(planned, live, plan, digest, context)
        results.append(result)
        stopped = result.result in {Written.REFUSED, Written.UNKNOWN}
        context.audit.record(
            "apply.object",
            plan=plan.id,
            object=f"{planned.kind}/{planned.name}",
            result=result.result.value,
        )
        report(
            len(results), len(plan.objects) + 1, f"{planned.kind}/{planned.name}: {result.result}"
        )
    return Outcome(
        objects=tuple(results),
        applied_at=int(context.clock()),
        code="held_up" if late else "",
        message="The worker was held up for too long and stopped writing." if late else "",
    )


def _write_one(
    planned: PlannedObject, live: Object | None, plan: Plan, digest: str, context: Context
) -> ObjectOutcome:
    if planned.action is Action.NO_OP:
        return _outcome_of(planned, Written.UNCHANGED)
    try:
        writes.send_planned(
            context.cluster, plan.namespace, planned, live=live, digest=digest, dry_run=False
        )
    except NotSent as fault:
        return _outcome_of(planned, Written.REFUSED, fault.message)
    except ClusterUnreachable as fault:
        seen = settling.seen(planned, plan, digest, context)
        return _outcome_of(planned, Written.WRITTEN if seen else Written.UNKNOWN, fault.message)
    except ClusterFault as fault:
        return _outcome_of(planned, Written.REFUSED, fault.message)
    return _read_back(planned, plan, digest, context)


def _read_back(planned: PlannedObject, plan: Plan, digest: str, context: Context) -> ObjectOutcome:
    # (9) read
    if settling.seen(planned, plan, digest, context):
        return _outcome_of(planned, Written.WRITTEN)
    return _outcome_of(
        planned, Written.WRITTEN, "The server accepted it; somebody has changed it again since."
    )


def _outcome_of(planned: PlannedObject, result: Written, message: str = "") -> ObjectOutcome:
    return ObjectOutcome(
        kind=planned.kind,
        name=planned.name,
        action=planned.action,
        result=result,
        message=message,
    )


def _stale(
    stored: StoredPlan, plan: Plan, changed: _Changed, context: Context, report: Report
) -> JSON | Refusal:
    """Ends a plan as stale, unless it is another applier of this very plan who changed things."""
    if claims.find(context.cluster, stored.sealed.digest) is not None:
        return follow(settling.settle(stored, plan, context), plan, context, report)
    outcome = Outcome(
        objects=tuple(_outcome_of(item, Written.NOT_TRIED) for item in plan.objects),
        changed_since=changed.since,
        code="stale",
        message="The cluster changed since the plan was made; nothing was written.",
        finished_at=int(context.clock()),
    )
    return settling.answer(settling.end(stored, plan, State.STALE, outcome, context))


def _as_it_is(stored: StoredPlan, plan: Plan, context: Context) -> JSON:
    current = state_at(
        stored.state,
        now=int(context.clock()),
        expires_at=plan.expires_at,
        apply_before=plan.expires_at,
    )
    return settling.answer(replace(stored, state=current))
