"""The guardrails where planner and applier ask them: the same rules, twice, on the same values.

The rules themselves are pure and live in `shared.guardrails`; what they need to know of the cluster
is gathered by `worker.surroundings`.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from shared import guardrails
from shared.diffs import diff
from shared.documents import (
    Manifest,
)
from shared.errors import Refusal
from shared.guardrails import Effect, Policy, Violation
from shared.json_patches import keys_of
from shared.manifests import (
    JSON,
    Kind,
    Object,
    ObjectRef,
    mapping_at,
    normalized,
)
from shared.messages import PlanCall
from shared.plans import Action, Intent, Note, Operation, Plan, PlannedObject, RiskNote
from worker import surroundings
from worker.context import Context
from worker.intents import Wanted

MAX_SHOWN: Final = 10
"""Violations named in one refusal; an agent mends these first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What the approver is told beside the diff."""

    findings: tuple[Note, ...]
    risk: RiskNote
    touched: tuple[Note, ...]


def request_refusal(
    wanted: Wanted, call: PlanCall, live: Object | None, context: Context
) -> Refusal | None:
    """Returns what the rules say of one object as it was asked for."""
    policy = _policy(call.namespace, context)
    if call.operation is Operation.DELETE:
        return _refusal(wanted, guardrails.check_delete(wanted.ref, live), context)
    if wanted.manifest is not None:
        return _refusal(wanted, guardrails.check_write(wanted.manifest, live, policy), context)
    if wanted.given is not None:
        return _refusal(wanted, _patch_violations(wanted.given.intent, live, policy), context)
    if call.operation is Operation.SCALE:
        return _refusal(wanted, guardrails.check_scale(call.replicas or 0, policy), context)
    if call.operation is Operation.SET_IMAGE:
        return _refusal(wanted, guardrails.check_image(call.image or "", policy), context)
    return None


def result_refusal(
    wanted: Wanted,
    asked: tuple[Operation, str],
    live: Object | None,
    result: Object | None,
    context: Context,
) -> Refusal | None:
    """Returns what the rules say of one object as the API server would make it.

    `asked` are the plan's operation and namespace.
    """
    operation, namespace = asked
    if result is None or _quiet(operation, live, result):
        return None
    policy = _policy(namespace, context)
    violations = guardrails.check_predicted(wanted.kind, result, live, policy)
    return _refusal(wanted, violations, context)


def plan_refusal(plan: Plan, live: tuple[Object | None, ...], context: Context) -> Refusal | None:
    """Returns what today's rules say of a plan that was made earlier, perhaps by another policy."""
    if plan.namespace not in context.namespaces:
        return Refusal(
            code="namespace_not_allowed",
            message=f"Namespace '{plan.namespace}' is no longer allowed.",
        )
    policy = _policy(plan.namespace, context)
    for planned, current in zip(plan.objects, live, strict=True):
        wanted = _named(planned, plan)
        violations = _planned_violations(planned, wanted, current, policy)
        refusal = _refusal(wanted, violations, context)
        if refusal is not None:
            return refusal
    return None


def results_refusal(
    plan: Plan,
    live: tuple[Object | None, ...],
    results: tuple[Object | None, ...],
    context: Context,
) -> Refusal | None:
    """Returns what today's rules say of a plan's objects as the API server would make them now."""
    for planned, current, result in zip(plan.objects, live, results, strict=True):
        asked = plan.operation, plan.namespace
        refusal = result_refusal(_named(planned, plan), asked, current, result, context)
        if refusal is not None:
            return refusal
    return None


def review(
    call: PlanCall, effects: tuple[Effect, ...], found: surroundings.Found, context: Context
) -> Review:
    """Returns findings, risk and reach of a plan; what cannot be looked up is left out."""
    facts = surroundings.of(call, effects, found, context.cluster)
    risk = guardrails.assess(call.operation, effects, facts)
    findings = tuple(
        Note(code=found.code, severity=found.severity, message=found.message)
        for effect in effects
        if effect.result is not None
        for found in guardrails.find_in_plan(effect.kind, effect.result)
    )
    reasons = tuple(
        Note(code=reason.code, message=reason.message, severity=_SEVERITY[reason.level])
        for reason in risk.reasons
    )
    touched = tuple(
        Note(code=reached.code, message=reached.message, severity="info")
        for reached in guardrails.reach(call.operation, effects, facts)
    )
    return Review(
        findings=findings, risk=RiskNote(level=risk.level, reasons=reasons), touched=touched
    )


_SEVERITY: Final = {"low": "info", "medium": "warning", "high": "critical"}


_FROM_ELSEWHERE: Final = Violation(
    rule_id="IG-FIELD-UNKNOWN",
    message="a patch takes a value from elsewhere in the object, where no rule sees it.",
    path="",
    way_out="Ask for the change anew.",
)

_QUIET_FIELDS: Final = {
    Operation.SCALE: "spec.replicas",
    Operation.RESTART: "spec.template.metadata.annotations",
}
"""What these operations change is a number or a timestamp, whatever else is in the workload."""


def _quiet(operation: Operation, live: Object | None, result: Object) -> bool:
    field = _QUIET_FIELDS.get(operation)
    if field is None or live is None:
        return False
    return all(one.path.startswith(field) for one in diff(normalized(live), result))


def _named(planned: PlannedObject, plan: Plan) -> Wanted:
    kind = Kind(planned.kind)
    return Wanted(ref=ObjectRef.of(kind, plan.namespace, planned.name), kind=kind)


def _planned_violations(
    planned: PlannedObject, wanted: Wanted, live: Object | None, policy: Policy
) -> tuple[Violation, ...]:
    body = planned.intent.body
    if planned.action is Action.DELETE:
        return guardrails.check_delete(wanted.ref, live)
    if planned.intent.verb in {"create", "apply"} and isinstance(body, dict):
        manifest = Manifest(document=1, kind=wanted.kind, ref=wanted.ref, body=body)
        return guardrails.check_write(manifest, live, policy)
    return _patch_violations(planned.intent, live, policy)


def _patch_violations(intent: Intent, live: Object | None, policy: Policy) -> tuple[Violation, ...]:
    return tuple(
        violation
        for operation in (intent.body if isinstance(intent.body, list) else [])
        if isinstance(operation, dict)
        for violation in _patched_violations(operation, live, policy)
    )


def _patched_violations(
    operation: Object, live: Object | None, policy: Policy
) -> tuple[Violation, ...]:
    path, value = str(operation.get("path")), operation.get("value")
    if operation.get("op") in {"copy", "move"}:
        return () if _in_a_list(operation) else (_FROM_ELSEWHERE,)
    if path == "/spec/replicas" and isinstance(value, int):
        return guardrails.check_scale(value, policy)
    if path.endswith("/image") and isinstance(value, str):
        return guardrails.check_image(value, policy)
    if operation.get("op") in {"remove", "test"}:
        return ()
    given: JSON = operation.get("value", "")
    for key in reversed(keys_of(path)):
        given = {key: given}
    return tuple(guardrails.check_metadata(mapping_at(given), live, policy))


def _in_a_list(operation: Object) -> bool:
    """Whether an item only changes its place in its list, as our own patches have it."""
    places = [str(operation.get(end)).rpartition("/") for end in ("from", "path")]
    moves = operation.get("op") == "move" and places[0][0] == places[1][0]
    return moves and all(index.isdigit() for _, _, index in places)


def _refusal(wanted: Wanted, violations: tuple[Violation, ...], context: Context) -> Refusal | None:
    if not violations:
        return None
    context.metrics.refused(Counter(violation.rule_id for violation in violations))
    where = f"{wanted.ref.kind} '{wanted.ref.name}'"
    details = {"object": f"{wanted.ref.kind}/{wanted.ref.name}"}
    if wanted.manifest is not None:
        where = f"Document {wanted.manifest.document} ({where})"
        details["document"] = str(wanted.manifest.document)
    lines = "\n".join(f"- {violation}" for violation in violations[:MAX_SHOWN])
    more = len(violations) - MAX_SHOWN
    rest = f"\n… and {more} more." if more > 0 else ""
    details |= {"rule": violations[0].rule_id, "path": violations[0].path}
    return Refusal(
        code="guardrail", message=f"{where} is not allowed:\n{lines}{rest}", details=details
    )


def _policy(namespace: str, context: Context) -> Policy:
    return context.policy.guardrails.for_namespace(namespace)
