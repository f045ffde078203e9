"""After the write: how the changed Deployments roll, and what is wrong with those that do not."""

import json
from contextlib import suppress

from shared.errors import Fault, RedisUnavailable, Refusal
from shared.manifests import JSON, Kind
from shared.outcomes import Outcome, Rollout, Verdict, Written
from shared.plans import Action, Note, Plan, State
from shared.questions import DeploymentQuestion
from shared.results import FindingRow
from shared.tracing import span
from worker.context import Context, Report
from worker.reading import deployment_diagnostics
from worker.rollouts import Seen, watch


def follow(result: JSON | Refusal, plan: Plan, context: Context, report: Report) -> JSON | Refusal:
    """Adds rollouts and findings to the answer of an applied plan; other answers pass unchanged.

    A rollout that was still progressing at the last call is looked at again.
    """
    if not isinstance(result, dict) or result["state"] != State.APPLIED.value:
        return result
    if result["outcome"] is None:  # only if Redis lost or garbled it
        return result
    outcome = Outcome.model_validate_json(json.dumps(result["outcome"]))
    verdicts = {item.verdict for item in outcome.rollouts}
    if verdicts and Verdict.PROGRESSING not in verdicts:
        return result
    with span("apply rollout"):
        rollouts = watch(
            context.cluster,
            plan.namespace,
            _rolling(plan, outcome),
            timeout_s=context.settings.rollout_timeout_s,
            seen=_teller(plan, outcome, context, report),
        )
    followed = outcome.model_copy(
        update={"rollouts": rollouts, "findings": _findings(rollouts, plan, context)}
    )
    context.plans.note(plan.id, {"outcome": followed.model_dump_json()})
    return {**result, "outcome": followed.model_dump(mode="json")}


def _teller(plan: Plan, outcome: Outcome, context: Context, report: Report) -> Seen:
    """Tells the caller and everybody who has the plan's page open how far the rollouts are."""
    noted: tuple[Rollout, ...] = ()

    def seen(rollouts: tuple[Rollout, ...]) -> None:
        nonlocal noted
        if rollouts != noted:
            noted = rollouts
            # The write is done and on record: that Redis does not take this ends nothing.
            with suppress(RedisUnavailable):
                so_far = outcome.model_copy(update={"rollouts": rollouts})
                context.plans.note(plan.id, {"outcome": so_far.model_dump_json()})
        rolling = [one for one in rollouts if one.verdict is Verdict.PROGRESSING]
        if rolling:
            available = sum(one.available for one in rollouts)
            desired = sum(one.desired for one in rollouts)
            texts = (f"{one.deployment}: {one.message}" for one in rolling)
            report(available, max(desired, 1), " ".join(texts))

    return seen


def _rolling(plan: Plan, outcome: Outcome) -> list[str]:
    written = {item.name for item in outcome.objects if item.result is Written.WRITTEN}
    return [
        item.name
        for item in plan.objects
        if item.kind == Kind.DEPLOYMENT
        and item.action is not Action.DELETE
        and item.name in written
    ]


def _findings(rollouts: tuple[Rollout, ...], plan: Plan, context: Context) -> tuple[Note, ...]:
    notes: list[Note] = []
    for rollout in rollouts:
        if rollout.verdict is Verdict.COMPLETE:
            continue
        try:
            question = DeploymentQuestion(namespace=plan.namespace, name=rollout.deployment)
            found = deployment_diagnostics(context.cluster, question)
        except Fault:
            continue
        if not isinstance(found, Refusal):
            notes += [_note(row) for row in found.findings]
    return tuple(notes)


def _note(row: FindingRow) -> Note:
    return Note.model_validate({"code": row.code, "message": row.message, "severity": row.severity})
