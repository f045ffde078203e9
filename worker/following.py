"""After the write: how the changed Deployments roll, and what is wrong with those that do not."""

import json
import time

from shared.errors import Fault, Refusal
from shared.manifests import JSON, Kind
from shared.outcomes import Outcome, Rollout, Verdict, Written
from shared.plans import Action, Note, Plan, State
from shared.questions import DeploymentQuestion
from shared.results import FindingRow
from worker.context import Context
from worker.reading import deployment_diagnostics
from worker.rollouts import Report, watch


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
    names = _rolling(plan, outcome)
    until = time.monotonic() + context.settings.rollout_timeout_s
    rollouts = tuple(
        watch(
            context.cluster,
            plan.namespace,
            name,
            timeout_s=max(0.0, until - time.monotonic()),
            report=report,
        )
        for name in names
    )
    followed = outcome.model_copy(
        update={"rollouts": rollouts, "findings": _findings(rollouts, plan, context)}
    )
    context.plans.note(plan.id, {"outcome": followed.model_dump_json()})
    return {**result, "outcome": followed.model_dump(mode="json")}


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
