"""How an apply ends: recording outcomes, and finding out what an interrupted one did.

Never writes to an object. After a crash the claim says that somebody was writing, and the objects
say whether they were written: each carries the plan's digest, and a deleted one is gone.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from shared.errors import ClusterFault, Refusal
from shared.manifests import JSON
from shared.outcomes import ObjectOutcome, Outcome, Written
from shared.plans import Action, Plan, PlannedObject, State
from shared.stores.plan_records import StoredPlan
from worker import claims, evidence, remembering, writes
from worker.cluster import FOR_A_WRITE_S
from worker.context import Context
from worker.notices import Notice

UNSETTLED: Final = frozenset({State.APPLYING, State.OUTCOME_UNKNOWN})
IN_FLIGHT_S: Final = 60
"""The API server's own request timeout: until then a write that we lost sight of may still land."""

_EVENTS: Final = {
    State.APPLIED: "apply.succeeded",
    State.FAILED: "apply.failed",
    State.STALE: "apply.stale",
    State.OUTCOME_UNKNOWN: "apply.unknown",
}


def answer(stored: StoredPlan) -> JSON:
    """Returns what an apply call says of a plan; an outcome that nobody can read is none."""
    outcome: JSON = None
    with suppress(ValidationError):
        if stored.outcome:
            outcome = Outcome.model_validate_json(stored.outcome).model_dump(mode="json")
    return {"state": stored.state.value, "outcome": outcome, "reason": stored.decided_reason}


def settle(stored: StoredPlan, plan: Plan, context: Context) -> JSON | Refusal:
    """Finds out what became of a plan that somebody has claimed or marked as being applied.

    Raises:
        Fault: Redis, the cluster or the audit log did not answer; nothing was concluded.
    """
    digest = stored.sealed.digest
    claim = claims.find(context.cluster, digest)
    if claim is not None and claim.purpose == "revoke":
        return answer(_revoked(stored, context))
    if claim is None:
        return _unclaimed(stored)
    if claims.age_s(claim, context.cluster) < _patience(plan, context):
        return answer(replace(stored, state=State.APPLYING))
    found = [seen(item, plan, digest, context) for item in plan.objects]
    outcome = _reconstructed(plan, found, context)
    if stored.state is State.APPROVED:
        if not context.plans.move(stored, State.APPLYING):
            return Refusal(code="already_decided", message="The plan has just changed; look again.")
        stored = replace(stored, state=State.APPLYING, version=stored.version + 1)
    if stored.state is State.OUTCOME_UNKNOWN and not all(found):
        return answer(stored)
    ended = finish(stored, plan, outcome, context)
    evidence.export(ended, plan, context)
    return answer(ended)


def finish(stored: StoredPlan, plan: Plan, outcome: Outcome, context: Context) -> StoredPlan:
    """Records how an apply ended: applied, failed or unknown, by the results of its objects."""
    results = {item.result for item in outcome.objects}
    if Written.UNKNOWN in results:
        state, code = State.OUTCOME_UNKNOWN, "outcome_unknown"
    elif results & {Written.REFUSED, Written.NOT_TRIED}:
        state, code = State.FAILED, outcome.code or "write_refused"
    else:
        state, code = State.APPLIED, ""
    ended = outcome.model_copy(
        update={
            "code": code,
            "message": outcome.message or _message(state, plan, outcome),
            "finished_at": int(context.clock()),
        }
    )
    return end(stored, plan, state, ended, context)


def end(
    stored: StoredPlan, plan: Plan, state: State, outcome: Outcome, context: Context
) -> StoredPlan:
    """Records an outcome in the audit log and in Redis; returns the plan as it is then."""
    context.audit.record(
        _EVENTS[state], plan=stored.id, digest=stored.sealed.digest, code=outcome.code
    )
    # Told before Redis is asked: it cannot keep anybody from hearing of a write.
    context.notices.tell(Notice.of_end(stored, state, outcome, at=context.clock()))
    text = outcome.model_dump_json()
    moved = context.plans.move(stored, state, {"outcome": text})
    remembering.remember(stored, plan, state, context, outcome=outcome)
    return replace(stored, state=state, outcome=text, version=stored.version + (1 if moved else 0))


def write_window(plan: Plan, context: Context) -> float:
    """Seconds after its claim in which an applier may start a write.

    One that was held up for longer (a paused process, a slow disk) may have been settled as failed
    by another, so it must not write any more. Three calls for each object: write, retry or
    adoption, reading back.
    """
    return 3 * len(plan.objects) * context.settings.kubernetes_timeout_s


def seen(planned: PlannedObject, plan: Plan, digest: str, context: Context) -> bool:
    """Says whether an object shows that this plan's write happened; False if it cannot be read."""
    if planned.action is Action.NO_OP:
        return True
    try:
        live = writes.read(context.cluster, plan.namespace, planned)
    except ClusterFault:
        return False
    if planned.action is Action.DELETE:
        return writes.uid_of(live) != planned.uid or _being_deleted(live)
    return writes.carries(live, digest)


def _being_deleted(live: dict[str, JSON] | None) -> bool:
    metadata = (live or {}).get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("deletionTimestamp"))


def _revoked(stored: StoredPlan, context: Context) -> StoredPlan:
    if stored.state is State.APPROVED:
        context.plans.move(stored, State.REVOKED)
    return replace(stored, state=State.REVOKED)


def _unclaimed(stored: StoredPlan) -> JSON | Refusal:
    """The claim comes before the mark: without one, that somebody wrote is only Redis's word.

    Nothing goes on record for it: whoever owns Redis could have us sign that a plan was applied.
    """
    if stored.state is State.OUTCOME_UNKNOWN:
        return answer(stored)
    return Refusal(
        code="claim_missing",
        message="Redis says that the plan is being applied, but no applier has claimed it in the "
        "cluster. Request it anew and tell the operator: somebody may have changed Redis.",
    )


def _patience(plan: Plan, context: Context) -> float:
    """Seconds after a claim in which its write may still land.

    The last one may be a retry, and each try may have been put off by the server.
    """
    retried = 2 * writes.RETRIES * context.settings.kubernetes_timeout_s
    put_off = (1 + writes.RETRIES) * FOR_A_WRITE_S
    return write_window(plan, context) + retried + put_off + IN_FLIGHT_S


def _reconstructed(plan: Plan, found: list[bool], context: Context) -> Outcome:
    pairs = zip(found, plan.objects, strict=True)
    some = any(was for was, item in pairs if item.action is not Action.NO_OP)
    missing = Written.UNKNOWN if some else Written.NOT_TRIED
    objects = tuple(
        ObjectOutcome(
            kind=item.kind,
            name=item.name,
            action=item.action,
            result=_result(item, missing, was=was),
        )
        for item, was in zip(plan.objects, found, strict=True)
    )
    return Outcome(
        objects=objects,
        code="" if all(found) else "interrupted",
        message="The worker was interrupted; this is what the objects in the cluster show.",
        applied_at=int(context.clock()) if some else None,
    )


def _result(planned: PlannedObject, missing: Written, *, was: bool) -> Written:
    if planned.action is Action.NO_OP:
        return Written.UNCHANGED
    return Written.WRITTEN if was else missing


def _message(state: State, plan: Plan, outcome: Outcome) -> str:
    written = sum(item.result is Written.WRITTEN for item in outcome.objects)
    of = sum(item.action is not Action.NO_OP for item in plan.objects)
    if state is State.APPLIED:
        return f"{written} of {of} objects written."
    if state is State.OUTCOME_UNKNOWN:
        return f"{written} of {of} objects written; of one it is not known. A person must look."
    first = next((item.message for item in outcome.objects if item.message), "")
    return f"{written} of {of} objects written, then the API server refused: {first}"
