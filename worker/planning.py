"""Making a plan: from a request to sealed bytes that a person can approve. Writes nothing.

The steps, in this order; if any fails there is no plan, and the answer says which and why:

 (1) read     the request is complete, the manifest is strict, the namespace is served here
 (2) live     every object is read as it is now
 (3) rules    guardrails on what was asked, seen against what is there
 (4) preview  a server-side dry-run of every write: the API server's own word for the result
 (5) rules    guardrails on that result: defaults and other managers' fields count too
 (6) review   diff, warnings, findings, owners, risk
 (7) seal     canonical bytes, Ed25519 over digest and expiry
 (8) store    audit record on disk, then Redis
"""

import secrets
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Final

from shared.digests import base64url
from shared.errors import BadConfiguration, Refusal
from shared.manifests import JSON, mappings_at, text_at
from shared.messages import PlanCall
from shared.plans import (
    MAX_PLAN_BYTES,
    PLAN_LIFETIME_S,
    Action,
    ClusterRef,
    Note,
    Operation,
    Plan,
    SealedPlan,
)
from shared.requests import request_refusal
from shared.seals import seal_plan
from shared.tracing import current, span, step
from worker import errands, guarding, loading, summaries, surroundings
from worker.cluster import together
from worker.context import Context
from worker.intents import Wanted
from worker.notices import Event, Notice
from worker.previewing import Previewed, planned_object, previewed

AT_A_TIME: Final = 4
"""Objects of one plan that are previewed at once; others' calls need the API server, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a plan is to be made of: the request, and the objects that it is about."""

    call: PlanCall
    wanted: tuple[Wanted, ...]
    undoes: str | None = None
    """Id of the plan that this one is to undo."""
    touched: tuple[Note, ...] = ()
    """What the approver is told beside what the review finds."""


def make_plan(call: PlanCall, context: Context) -> JSON | Refusal:
    """Returns `{"plan_id": …}`, or `{"no_change": […]}` when nothing would change.

    Raises:
        Fault: Redis, the cluster or the audit log did not answer, or nobody waits any more; no plan
            was made.
    """
    # (1) read
    wanted = _wanted(call, context)
    return plan_for(
        wanted if isinstance(wanted, Refusal) else Draft(call=call, wanted=wanted), call, context
    )


def plan_for(draft: Draft | Refusal, call: PlanCall, context: Context) -> JSON | Refusal:
    """Makes the plan of a draft as `make_plan` does; steps (2) to (8).

    Raises:
        Fault: as `make_plan`.
    """
    planned = draft if isinstance(draft, Refusal) else _planned(draft, context)
    if isinstance(planned, Refusal):
        context.audit.record(
            "plan.refused",
            operation=call.operation.value,
            namespace=call.namespace[:63],
            code=planned.code,
            iss=call.requester.iss,
            sub=call.requester.sub,
        )
        return planned
    plan, document = planned
    if all(item.action is Action.NO_OP for item in plan.objects):
        return {"no_change": [f"{item.kind}/{item.name}" for item in plan.objects]}

    current().note(plan=plan.id, namespace=plan.namespace)
    # (7) seal, if somebody still wants it
    errands.current().require_wanted()
    unsealed = SealedPlan(document=document, seal="")
    if context.keys.seal is None:
        raise BadConfiguration("This worker has no seal key; it is not a planner.")
    seal = seal_plan(context.keys.seal, unsealed.digest, plan.expires_at)

    # (8) store
    context.audit.record(
        "plan.created",
        plan=plan.id,
        digest=unsealed.digest,
        operation=plan.operation.value,
        namespace=plan.namespace,
        iss=plan.requester.iss,
        sub=plan.requester.sub,
        policy=plan.policy_sha256,
        **({"undoes": plan.undoes} if plan.undoes else {}),
    )
    with span("plan store"):
        context.plans.add(plan, SealedPlan(document=document, seal=seal))
    context.notices.tell(Notice.of(Event.WAITS, plan, unsealed.digest, at=plan.created_at))
    return {"plan_id": plan.id}


def _planned(draft: Draft, context: Context) -> tuple[Plan, bytes] | Refusal:
    """The plan with its canonical bytes."""
    previews, found = _asked(draft, context)
    if isinstance(previews, Refusal):
        return previews
    # (6) review
    plan = _plan(draft, previews, found, context)
    document = plan.document()
    return _size_refusal(document) or (plan, document)


def _asked(
    draft: Draft, context: Context
) -> tuple[tuple[Previewed, ...] | Refusal, surroundings.Found]:
    """Steps (2) to (5) for all objects, some at a time, and at once what lies around them.

    Of several refusals it is the one of the first document.
    """
    lanes = [draft.wanted[n::AT_A_TIME] for n in range(min(AT_A_TIME, len(draft.wanted)))]
    kinds = frozenset(item.kind for item in draft.wanted)
    looks = surroundings.looks(draft.call, kinds, context.cluster)
    previewing = [partial(_in_turn, lane, draft.call, context) for lane in lanes]
    answers = together(*previewing, *looks.values())
    done, seen = answers[: len(lanes)], answers[len(lanes) :]
    found = {kind: one for kind, one in zip(looks, seen, strict=True) if one is not None}
    in_order: list[Previewed] = []
    for row in zip_longest(*done):
        for preview in row:
            if isinstance(preview, Refusal):
                return preview, found
            if preview is not None:
                in_order.append(preview)
    return tuple(in_order), found


def _in_turn(
    lane: tuple[Wanted, ...], call: PlanCall, context: Context
) -> list[Previewed | Refusal]:
    """Previews one object after the other, up to the first that is refused."""
    done: list[Previewed | Refusal] = []
    for item in lane:
        done.append(previewed(item, call, context))
        if isinstance(done[-1], Refusal):
            break
    return done


@step("plan read")
def _wanted(call: PlanCall, context: Context) -> tuple[Wanted, ...] | Refusal:
    refusal = request_refusal(call, context.namespaces)
    if refusal is not None:
        return refusal
    if call.operation in {Operation.APPLY, Operation.DELETE}:
        manifests = loading.load(call.manifest or "", namespace=call.namespace)
        if isinstance(manifests, Refusal):
            return manifests
        return tuple(Wanted.of(manifest) for manifest in manifests)
    return (Wanted.deployment(call.namespace, call.name or ""),)


@step("plan review")
def _plan(
    draft: Draft,
    previews: tuple[Previewed, ...],
    found: surroundings.Found,
    context: Context,
) -> Plan:
    call = draft.call
    identity = context.cluster.identity
    now = int(context.clock())
    objects = tuple(planned_object(preview) for preview in previews)
    effects = tuple(item.effect for item in previews if item.action is not Action.NO_OP)
    review = guarding.review(call, effects, found, context)
    return Plan(
        id=_fresh_id(),
        salt=base64url(secrets.token_bytes(16)),
        cluster=ClusterRef(name=identity.name, id=identity.uid, ca_sha256=identity.ca_sha256),
        namespace=call.namespace,
        operation=call.operation,
        summary=("Rollback: " if draft.undoes else "")
        + summaries.of(call, _actions(previews), previews[0].live),
        objects=objects,
        findings=review.findings,
        warnings=tuple(dict.fromkeys(text for item in previews for text in item.warnings)),
        managers=_managers(previews),
        requester=call.requester,
        reason=call.reason,
        risk=review.risk,
        touched=(*draft.touched, *review.touched),
        undoes=draft.undoes,
        policy_sha256=context.policy.sha256,
        created_at=now,
        expires_at=now + PLAN_LIFETIME_S,
    )


def _size_refusal(document: bytes) -> Refusal | None:
    if len(document) <= MAX_PLAN_BYTES:
        return None
    return Refusal(
        code="plan_too_large",
        message=f"The plan would hold more than {MAX_PLAN_BYTES // 1024} KiB, live objects "
        "included; nobody can review that. Split it.",
    )


def _fresh_id() -> str:
    """128 random bits that are no option to a command line, where people type them."""
    while (fresh := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return fresh


def _managers(previews: tuple[Previewed, ...]) -> tuple[str, ...]:
    """Names who else writes to these objects, so that the approver knows whom it concerns."""
    names = {
        text_at(entry, "manager")
        for preview in previews
        if preview.live is not None
        for _, entry in mappings_at(preview.live, "metadata", "managedFields")
    }
    return tuple(sorted(names - {"infragate", ""}))


def _actions(previews: tuple[Previewed, ...]) -> list[tuple[Action, str, str]]:
    return [(item.action, item.wanted.ref.kind, item.wanted.ref.name) for item in previews]
