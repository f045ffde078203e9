"""Opening a stored plan: whatever Redis says, only bytes under a planner's seal are a plan."""

from shared.errors import Refusal
from shared.plans import Plan
from shared.seals import plan_seal_holds
from shared.stores.plan_records import StoredPlan
from shared.tracing import step
from worker.context import Context


@step("plan open")
def open_plan(plan_id: str, context: Context) -> tuple[StoredPlan, Plan] | Refusal:
    """Returns a stored plan whose seal, id and cluster are right, or why there is none.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    stored = context.plans.load(plan_id)
    if stored is None:
        return Refusal(code="no_such_plan", message=f"There is no plan '{plan_id}'.")
    plan = stored.plan()
    if isinstance(plan, Refusal):
        return plan
    if not plan_seal_holds(
        context.keys.seal_public, stored.sealed.digest, plan.expires_at, stored.sealed.seal
    ):
        return Refusal(
            code="plan_seal_broken",
            message="The stored plan was not sealed by our planner. Request it anew and tell the "
            "operator: somebody may have changed what lies in Redis.",
        )
    if plan.id != plan_id:
        return Refusal(code="plan_seal_broken", message="The stored plan is another plan.")
    if plan.cluster.id != context.cluster.identity.uid:
        return Refusal(code="plan_of_another_cluster", message="The plan is for another cluster.")
    return stored, plan
