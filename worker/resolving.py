"""Ending a plan whose outcome could not be found out: a person has looked, and says which it is.

Writes nothing to the cluster. What the person says goes on record first, under their name and with
their reason; afterwards the plan is `applied` or `failed` like any other.
"""

from dataclasses import dataclass
from typing import Final, Literal

from shared.errors import Refusal
from shared.outcomes import ObjectOutcome, Outcome, Written
from shared.plans import Action, Plan, PlannedObject, State
from shared.stores.plan_records import StoredPlan
from worker import claims, evidence, settling
from worker.context import Context
from worker.vault import open_plan

MAX_TEXT: Final = 500
"""Characters of a name or a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A plan whose outcome is unknown, and for each of its objects whether it shows the write."""

    stored: StoredPlan
    plan: Plan
    shown: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a person says became of a plan, who that is, and why they say so."""

    state: Literal[State.APPLIED, State.FAILED]
    by: str
    why: str


def look(plan_id: str, context: Context) -> Sighting | Refusal:
    """Returns what the objects of a plan show whose outcome is unknown, or why there is none.

    Raises:
        Fault: Redis or the cluster did not answer.
    """
    opened = open_plan(plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    if stored.state is not State.OUTCOME_UNKNOWN:
        return Refusal(
            code="outcome_known",
            message=f"The plan is {stored.state.value}; only an unknown outcome is resolved.",
        )
    digest = stored.sealed.digest
    claim = claims.find(context.cluster, digest)
    if claim is None or claim.purpose != "apply":
        return Refusal(
            code="claim_missing",
            message="No applier has claimed this plan's write in the cluster: that its outcome is "
            "unknown is only Redis's word. Nothing is to be resolved; somebody may have changed "
            "Redis.",
        )
    shown = tuple(settling.seen(item, plan, digest, context) for item in plan.objects)
    return Sighting(stored=stored, plan=plan, shown=shown)


def resolve(sighting: Sighting, verdict: Verdict, context: Context) -> StoredPlan | Refusal:
    """Records the verdict and ends the plan with it; returns the plan as it is then.

    Raises:
        Fault: it is not on record, or Redis did not answer; look again.
    """
    by, why = verdict.by.strip(), verdict.why.strip()
    if not (0 < len(by) <= MAX_TEXT and 0 < len(why) <= MAX_TEXT):
        return Refusal(
            code="verdict_unfounded",
            message=f"Name and reason are required, each of at most {MAX_TEXT} characters.",
        )
    stored = sighting.stored
    context.audit.record(
        "apply.resolved",
        plan=stored.id,
        digest=stored.sealed.digest,
        state=verdict.state.value,
        by=by,
        why=why,
    )
    outcome = _outcome(sighting, verdict.state, f"Resolved by {by}: {why}", context)
    ended = settling.end(stored, sighting.plan, verdict.state, outcome, context)
    if ended.version == stored.version:
        return Refusal(code="already_decided", message="The plan has just changed; look again.")
    evidence.export(ended, sighting.plan, context)
    return ended


def _outcome(sighting: Sighting, state: State, message: str, context: Context) -> Outcome:
    objects = tuple(
        ObjectOutcome(
            kind=item.kind,
            name=item.name,
            action=item.action,
            result=_result(item, state, shown=shown),
        )
        for item, shown in zip(sighting.plan.objects, sighting.shown, strict=True)
    )
    now = int(context.clock())
    return Outcome(
        objects=objects,
        message=message,
        code="" if state is State.APPLIED else "resolved_as_failed",
        applied_at=now if any(item.result is Written.WRITTEN for item in objects) else None,
        finished_at=now,
    )


def _result(planned: PlannedObject, state: State, *, shown: bool) -> Written:
    """What the cluster shows stands; the person's word is for the objects that show nothing."""
    if planned.action is Action.NO_OP:
        return Written.UNCHANGED
    return Written.WRITTEN if shown or state is State.APPLIED else Written.NOT_TRIED
