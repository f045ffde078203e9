"""Whether the cluster still is what a waiting plan was made on: asked before the click.

A hint for people. Whatever it says, the applier looks again before it writes.
"""

from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from api.reviewed import Reviewed
from api.sources import Dispatcher
from shared.errors import Fault, Refusal
from shared.messages import RecheckCall
from shared.outcomes import Check
from shared.plans import Identity, State
from shared.subjects import subject_of

TIMEOUT_S: Final = 2.0
"""A page does not wait longer for it."""


async def rechecked(found: Reviewed, dispatch: Dispatcher, viewer: Identity) -> Reviewed:
    """Returns a plan with what an applier says of its objects now; as it was if none can tell."""
    if found.state not in {State.PENDING, State.APPROVED} or not found.cluster_live:
        return found
    try:
        answer = await dispatch.call(
            found.plan.cluster.name,
            RecheckCall(plan_id=found.plan.id),
            timeout_s=TIMEOUT_S,
            subject=subject_of(viewer),
        )
        if isinstance(answer, Refusal):
            return found
        return replace(found, check=Check.model_validate(answer))
    except (Fault, ValidationError):
        return replace(found, check=None)


def stale_refusal(found: Reviewed) -> Refusal | None:
    """Returns why a plan is not worth an approval any more, as far as anybody has looked."""
    if found.check is None or not found.check.changed:
        return None
    return Refusal(
        code="plan_stale",
        message=f"The cluster has changed since the plan was made: {found.check.changed[0]}.",
    )
