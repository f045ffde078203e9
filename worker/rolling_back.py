"""A plan that undoes an applied one: asked for by a person on the approval pages. Writes nothing.

It is a plan like any other: guardrails, dry-run, seal, and a person who approves it. Only what it
asks for is not an agent's: it is computed from the sealed plan that it undoes and from the cluster
as it is now. What Redis says of that plan's fate is a hint; what is undone is what is seen.
"""

import threading
from typing import Final

from shared.approvals import SignedReceipt, read_signed_receipt
from shared.documents import Manifest
from shared.errors import Refusal
from shared.json_patches import patch_between
from shared.manifests import JSON, ObjectRef, list_at, mapping_at, normalized
from shared.messages import PlanCall, RollbackCall
from shared.plans import Intent, Note, Operation, Plan, Requester, State, state_at
from shared.questions import namespace_refusal
from shared.requests import request_refusal
from shared.rollbacks import WRITTEN, Back, ways_back
from shared.stores.plan_records import StoredPlan
from worker import intents, writes
from worker.context import Context
from worker.intents import Given, Wanted
from worker.planning import Draft, plan_for
from worker.vault import open_plan

CLIENT: Final = "approval pages"
"""Stands as the program that asked: no agent did."""

_WAITING: Final = frozenset({State.PENDING, State.APPROVED, State.APPLYING})

_one_at_a_time: Final = tuple(threading.Lock() for _ in range(64))
"""Whoever presses twice finds the plan of the first time: one lock for many plans, so that other
rollbacks hardly ever wait. Two planners may still make two: then the second that is applied is
found stale."""


def plan_rollback(call: RollbackCall, context: Context) -> JSON | Refusal:
    """Returns `{"plan_id": …}` of the plan that undoes another, a waiting one if there is one.

    Raises:
        Fault: Redis, the cluster or the audit log did not answer; no plan was made.
    """
    with _one_at_a_time[hash(call.plan_id) % len(_one_at_a_time)]:
        answer = _rollback(call, context)
    who = call.approver.model_dump(include={"iss", "sub"})
    if isinstance(answer, Refusal):
        context.audit.record("rollback.refused", plan=call.plan_id, code=answer.code, **who)
    return answer


def _rollback(call: RollbackCall, context: Context) -> JSON | Refusal:
    opened = _written_plan(call, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    waiting = None if stored.undone_by is None else _waiting(stored.undone_by, plan, context)
    if waiting is not None:
        return {"plan_id": waiting}
    requester = Requester(
        iss=call.approver.iss, sub=call.approver.sub, client_id=CLIENT, assurance="pages-asserted"
    )
    draft = _draft(plan, stored.sealed.digest, requester, context)
    if isinstance(draft, Refusal):
        return draft
    answer = plan_for(draft, draft.call, context)
    if isinstance(answer, dict) and "plan_id" in answer:
        context.audit.record(
            "rollback.requested",
            plan=plan.id,
            iss=requester.iss,
            sub=requester.sub,
            rollback=str(answer["plan_id"]),
        )
        return answer
    return answer if isinstance(answer, Refusal) else _nothing("It is as it was before.")


def _written_plan(call: RollbackCall, context: Context) -> tuple[StoredPlan, Plan] | Refusal:
    """The plan that is to be undone, if this person may ask for that."""
    opened = open_plan(call.plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    rules, groups = context.policy.approvers, frozenset(call.groups)
    if not any(rule.covers(plan) and rule.names(call.approver, groups) for rule in rules):
        return Refusal(code="not_an_approver", message="You may not decide about this plan.")
    if stored.state not in WRITTEN:
        return Refusal(
            code="rollback_too_early", message="Nothing of this plan was written to the cluster."
        )
    return opened


def _waiting(plan_id: str, undone: Plan, context: Context) -> str | None:
    """The plan that is to undo this one already, if somebody may still approve or apply it."""
    opened = open_plan(plan_id, context)
    if isinstance(opened, Refusal):
        return None
    stored, plan = opened
    receipt = read_signed_receipt(stored.receipt) if stored.receipt else None
    state = state_at(
        stored.state,
        now=int(context.clock()),
        expires_at=plan.expires_at,
        apply_before=receipt.receipt.apply_before if isinstance(receipt, SignedReceipt) else None,
    )
    return plan.id if plan.undoes == undone.id and state in _WAITING else None


def _draft(plan: Plan, digest: str, requester: Requester, context: Context) -> Draft | Refusal:
    refusal = namespace_refusal(plan.namespace, context.namespaces)
    if refusal is not None:
        return refusal
    if plan.operation is Operation.RESTART:
        return _nothing("A restart changes nothing that could be undone.")
    live = tuple(writes.read(context.cluster, plan.namespace, item) for item in plan.objects)
    ways = ways_back(plan, digest, live)
    if isinstance(ways, Refusal):
        return ways
    if plan.operation is Operation.APPLY and any(way.target is not None for way in ways):
        # What the plan created beside it stays: others may use it by now, and it does no harm.
        stays = tuple(way for way in ways if way.target is None)
        ways = tuple(way for way in ways if way.target is not None)
    else:
        stays = ()
    call = _call(plan, ways, requester)
    refusal = request_refusal(call, context.namespaces) if call.name else None
    return refusal or Draft(
        call=call,
        wanted=tuple(_wanted(way, plan.namespace) for way in ways),
        undoes=plan.id,
        touched=tuple(_stays(way) for way in stays),
    )


def _call(plan: Plan, ways: tuple[Back, ...], requester: Requester) -> PlanCall:
    """The request that an agent would have made of it, without its manifest."""
    call = PlanCall(operation=plan.operation, namespace=plan.namespace, requester=requester)
    first = ways[0]
    if plan.operation is Operation.SCALE:
        replicas = mapping_at(first.target, "spec").get("replicas")
        return call.model_copy(update={"name": first.name, "replicas": replicas})
    if plan.operation is Operation.SET_IMAGE:
        return call.model_copy(update={"name": first.name, **_image(first)})
    goes = first.target is None
    return call.model_copy(update={"operation": Operation.DELETE if goes else Operation.APPLY})


def _image(way: Back) -> dict[str, JSON]:
    """The one container whose image goes back, and to which."""
    path = ("spec", "template", "spec", "containers")
    images = {mapping_at(one).get("name"): one for one in list_at(way.live, *path)}
    for one in list_at(way.target, *path):
        then = mapping_at(one)
        if mapping_at(images.get(then.get("name"))).get("image") != then.get("image"):
            return {"container": then.get("name"), "image": then.get("image")}
    return {}


def _wanted(way: Back, namespace: str) -> Wanted:
    ref = ObjectRef.of(way.kind, namespace, way.name)
    if way.target is None:
        given = Given(live=way.live, intent=intents.deletion())
        return Wanted(ref=ref, kind=way.kind, given=given)
    if way.live is None:
        manifest = Manifest(document=1, kind=way.kind, ref=ref, body=way.target)
        given = Given(live=None, intent=Intent(verb="create", body=way.target))
        return Wanted(ref=ref, kind=way.kind, manifest=manifest, given=given)
    operations = patch_between(way.live, normalized(way.live), way.target)
    given = Given(live=way.live, intent=intents.of_operations(operations))
    return Wanted(ref=ref, kind=way.kind, given=given)


def _stays(way: Back) -> Note:
    message = f"{way.kind} {way.name} was created by the plan that is undone, and stays."
    return Note(code="rollback-leaves", message=message)


def _nothing(why: str) -> Refusal:
    return Refusal(code="rollback_nothing", message=why)
