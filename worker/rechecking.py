"""Whether a waiting plan could still be applied: for the person who has its page open.

Step (4) of `worker.applying`, early and without consequence: nothing is written to the cluster and
no plan moves. However many pages are open, the objects of one plan are read every `KEPT_S` seconds.
"""

from pydantic import ValidationError

from shared.errors import Refusal
from shared.manifests import JSON
from shared.messages import RecheckCall
from shared.outcomes import Check
from shared.plans import State
from worker import drift, writes
from worker.context import Context
from worker.vault import open_plan

KEPT_S = 10
"""How long an answer counts, for all appliers together."""


def recheck(call: RecheckCall, context: Context) -> JSON | Refusal:
    """Returns a `Check` as JSON, or why nothing waits.

    Raises:
        Fault: Redis or the cluster did not answer; nobody knows.
    """
    opened = open_plan(call.plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    now = int(context.clock())
    if stored.state not in {State.PENDING, State.APPROVED} or now >= plan.expires_at:
        return Refusal(code="already_decided", message="The plan no longer waits.")
    last = _last(stored.check)
    if last is None or not 0 <= now - last.checked_at < KEPT_S:
        live = tuple(writes.read(context.cluster, plan.namespace, item) for item in plan.objects)
        last = Check(checked_at=now, changed=drift.drifted(plan, live))
        context.plans.note(plan.id, {"check": last.model_dump_json()})
    answer: JSON = last.model_dump(mode="json")
    return answer


def _last(text: str | None) -> Check | None:
    try:
        return Check.model_validate_json(text) if text else None
    except ValidationError:
        return None
