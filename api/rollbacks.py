"""Undoing an applied plan from its page, and having what was approved there applied.

A rollback is a plan that a planner makes; a person approves it like any other. It has no agent that
applies it, so the pages ask: the applier believes its own receipt, not who asks.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from api.reviewed import Reviewed
from api.sources import Dispatcher
from shared.errors import Fault, Refusal
from shared.manifests import JSON
from shared.messages import ApplyCall, RollbackCall
from shared.outcomes import Outcome, Written
from shared.plans import Identity, Plan, State
from shared.rollbacks import WRITTEN
from shared.subjects import subject_of

PLAN_TIMEOUT_S: Final = 40.0
"""As for an agent's request: a plan of 20 documents makes 40 calls to the API server."""
APPLY_TIMEOUT_S: Final = 60.0
"""Until when an apply is begun and its rollout watched; the page looks at the plan, not at it."""

_DONE: Final = frozenset({Written.WRITTEN, Written.UNKNOWN})


def may_be_undone(state: State, outcome: Outcome | None) -> bool:
    """Says whether a plan in this state wrote something that could be undone."""
    if state not in WRITTEN:
        return False
    return outcome is None or any(one.result in _DONE for one in outcome.objects)


async def requested(
    plan: Plan, approver: Identity, groups: frozenset[str], dispatch: Dispatcher
) -> str | Refusal:
    """Returns the id of a plan that undoes `plan`, or why there is none.

    Raises:
        Fault: nobody answered in time; a plan may have been made, and will expire.
    """
    answer = await dispatch.call(
        plan.cluster.name,
        RollbackCall(plan_id=plan.id, approver=approver, groups=tuple(sorted(groups))),
        timeout_s=PLAN_TIMEOUT_S,
        subject=subject_of(approver),
    )
    if isinstance(answer, Refusal):
        return answer
    made = answer.get("plan_id") if isinstance(answer, dict) else None
    if not isinstance(made, str):
        raise Fault("A worker answered nonsense.")
    return made


async def have_applied(plan: Plan, dispatch: Dispatcher) -> None:
    """Asks the applier for an approved plan, and does not wait.

    Raises:
        Fault: nobody was asked.
    """
    await dispatch.send(plan.cluster.name, ApplyCall(plan_id=plan.id), timeout_s=APPLY_TIMEOUT_S)


async def go_on(plan: Plan, proved: JSON | Refusal, dispatch: Dispatcher) -> None:
    """Asks for a rollback that was just approved; if nobody can be asked, its page offers it."""
    approved = isinstance(proved, dict) and proved.get("state") == State.APPROVED.value
    if plan.undoes and approved:
        with suppress(Fault):
            await have_applied(plan, dispatch)


def linked(undone: Reviewed, by: Reviewed | Refusal) -> Reviewed:
    """Returns a plan with the one that undoes it, if that one's seal says so."""
    if isinstance(by, Refusal) or by.plan.undoes != undone.plan.id:
        return replace(undone, undone_by="")
    return undone
