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
from datetime import UTC, datetime

from shared.diffs import Change, diff, patched
from shared.digests import base64url, object_digest
from shared.documents import (
    Manifest,
)
from shared.errors import BadConfiguration, ClusterFault, Refusal, Unauthorized
from shared.guardrails import Effect
from shared.manifests import (
    JSON,
    Kind,
    Object,
    mappings_at,
    normalized,
    text_at,
)
from shared.messages import PlanCall
from shared.plans import (
    MAX_PLAN_BYTES,
    PLAN_LIFETIME_S,
    Action,
    ClusterRef,
    Intent,
    Operation,
    Plan,
    PlannedChange,
    PlannedObject,
    SealedPlan,
)
from shared.requests import request_refusal
from shared.seals import seal_plan
from shared.untouched import without_untouched
from worker import guarding, intents, loading, refusals, summaries, writes
from worker.context import Context
from worker.intents import Wanted
from worker.notices import Event, Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """One object of a plan in the making: as it is, what is written, what becomes of it."""

    wanted: Wanted
    live: Object | None
    intent: Intent
    result: Object | None
    """Normal form of the dry-run's result; None for a delete."""
    warnings: tuple[str, ...]

    @property
    def action(self) -> Action:
        """What the plan will say of this object."""
        if self.intent.verb == "delete":
            return Action.DELETE
        if self.live is None:
            return Action.CREATE
        return Action.NO_OP if self.changes == () else Action.UPDATE

    @property
    def effect(self) -> Effect:
        """This object's part in the plan as the rules see it."""
        name = self.wanted.ref.name
        return Effect(kind=self.wanted.kind, name=name, live=self.live, result=self.result)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What differs between live and result, in normal form."""
        return diff(None if self.live is None else normalized(self.live), self.result)


def make_plan(call: PlanCall, context: Context) -> JSON | Refusal:
    """Returns `{"plan_id": …}`, or `{"no_change": […]}` when nothing would change.

    Raises:
        Fault: Redis, the cluster or the audit log did not answer; no plan was made.
    """
    plan = _planned(call, context)
    if isinstance(plan, Refusal):
        context.audit.record(
            "plan.refused",
            operation=call.operation.value,
            namespace=call.namespace[:63],
            code=plan.code,
            iss=call.requester.iss,
            sub=call.requester.sub,
        )
        return plan
    if all(item.action is Action.NO_OP for item in plan.objects):
        return {"no_change": [f"{item.kind}/{item.name}" for item in plan.objects]}

    # (7) seal
    document = plan.document()
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
    )
    context.plans.add(plan, SealedPlan(document=document, seal=seal))
    context.notices.tell(Notice.of(Event.WAITS, plan, unsealed.digest, at=plan.created_at))
    return {"plan_id": plan.id}


def _planned(call: PlanCall, context: Context) -> Plan | Refusal:
    # (1) read
    wanted = _wanted(call, context)
    if isinstance(wanted, Refusal):
        return wanted
    previews: list[Previewed] = []
    for item in wanted:
        previewed = _previewed(item, call, context)
        if isinstance(previewed, Refusal):
            return previewed
        previews.append(previewed)
    # (6) review
    plan = _plan(call, tuple(previews), context)
    return _size_refusal(plan) or plan


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


def _previewed(wanted: Wanted, call: PlanCall, context: Context) -> Previewed | Refusal:
    """Steps (2) to (5) for one object."""
    # (2) live
    live = context.cluster.get(wanted.kind, wanted.ref.namespace, wanted.ref.name)
    intent = _intent(wanted, call, live, context)
    if isinstance(intent, Refusal):
        return intent

    # (3) rules
    refusal = guarding.request_refusal(wanted, call, live, context)
    if refusal is not None:
        return refusal

    # (4) preview
    try:
        sent = writes.send(
            context.cluster,
            (wanted.kind, wanted.ref.namespace, wanted.ref.name),
            intent,
            live=live,
            digest=None,
            dry_run=True,
        )
    except Unauthorized:
        raise
    except ClusterFault as fault:
        return refusals.of_preview(fault, wanted)
    result = None if sent.result is None else writes.predicted(intent, sent.result)

    # (5) rules
    refusal = guarding.result_refusal(wanted, call, live, result, context)
    return refusal or Previewed(
        wanted=wanted, live=live, intent=intent, result=result, warnings=sent.warnings
    )


def _intent(
    wanted: Wanted, call: PlanCall, live: Object | None, context: Context
) -> Intent | Refusal:
    if call.operation is Operation.DELETE:
        return intents.of_delete(wanted, live)
    if isinstance(wanted.manifest, Manifest):
        return intents.of_manifest(wanted.manifest, live)
    if live is None:
        return intents.missing(wanted.ref)
    if call.operation is Operation.SCALE:
        return intents.of_scale(call.replicas or 0)
    if call.operation is Operation.RESTART:
        at = datetime.fromtimestamp(int(context.clock()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return intents.of_restart(live, at=at)
    return intents.of_image(live, container=call.container or "", image=call.image or "")


def _plan(call: PlanCall, previews: tuple[Previewed, ...], context: Context) -> Plan:
    identity = context.cluster.identity
    now = int(context.clock())
    objects = tuple(_object(preview) for preview in previews)
    effects = tuple(item.effect for item in previews if item.action is not Action.NO_OP)
    review = guarding.review(call, effects, context)
    return Plan(
        id=_fresh_id(),
        salt=base64url(secrets.token_bytes(16)),
        cluster=ClusterRef(name=identity.name, id=identity.uid, ca_sha256=identity.ca_sha256),
        namespace=call.namespace,
        operation=call.operation,
        summary=summaries.of(call, _actions(previews), previews[0].live),
        objects=objects,
        findings=review.findings,
        warnings=tuple(dict.fromkeys(text for item in previews for text in item.warnings)),
        managers=_managers(previews),
        requester=call.requester,
        reason=call.reason,
        risk=review.risk,
        touched=review.touched,
        policy_sha256=context.policy.sha256,
        created_at=now,
        expires_at=now + PLAN_LIFETIME_S,
    )


def _size_refusal(plan: Plan) -> Refusal | None:
    if len(plan.document()) <= MAX_PLAN_BYTES:
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


def _object(preview: Previewed) -> PlannedObject:
    ref = preview.wanted.ref
    predicted = None if preview.result is None else object_digest(preview.result)
    return PlannedObject(
        api_version=ref.api_version,
        kind=ref.kind,
        name=ref.name,
        action=preview.action,
        uid=writes.uid_of(preview.live),
        base_digest=writes.base_digest(preview.live),
        predicted_digest=predicted,
        intent=preview.intent,
        changes=tuple(
            PlannedChange(path=change.path, op=change.op, old=change.old, new=change.new)
            for change in preview.changes
        ),
        before=_before(preview, predicted),
    )


def _before(preview: Previewed, predicted: str | None) -> dict[str, JSON] | None:
    """The object that is changed, without values that it keeps, if its changes lead to the result.

    They do but for lists whose items have names on one side only; those are shown path by path.
    """
    if preview.live is None or preview.action is not Action.UPDATE:
        return None
    before = normalized(preview.live)
    after = patched(before, ((one.path, one.op, one.new) for one in preview.changes))
    if after is None or object_digest(after) != predicted:
        return None
    return without_untouched(before, after, Kind(preview.wanted.ref.kind))


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
