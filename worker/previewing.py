"""One object of a plan in the making: steps (2) to (5) of `worker.planning`, and what is planned.

Nothing is written: every write is sent to the API server as a dry-run.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from shared.diffs import Change, diff, patched
from shared.digests import object_digest
from shared.documents import (
    Manifest,
)
from shared.errors import ClusterFault, Refusal, Unauthorized
from shared.guardrails import Effect
from shared.manifests import JSON, Kind, Object, normalized
from shared.messages import PlanCall
from shared.plans import Action, Intent, Operation, PlannedChange, PlannedObject
from shared.tracing import step
from shared.untouched import without_untouched
from worker import guarding, intents, refusals, writes
from worker.context import Context
from worker.intents import Given, Wanted


@dataclass(frozen=True, kw_only=True)
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

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What differs between live and result, in normal form."""
        return diff(None if self.live is None else normalized(self.live), self.result)


@step("plan preview")
def previewed(wanted: Wanted, call: PlanCall, context: Context) -> Previewed | Refusal:
    """Steps (2) to (5) for one object: what would become of it, or why it may not.

    Raises:
        ClusterFault: the API server did not answer, or refused for reasons of its own.
    """
    # (2) live
    given = wanted.given or _given(wanted, call, context)
    if isinstance(given, Refusal):
        return given
    live, intent = given.live, given.intent

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
    refusal = guarding.result_refusal(
        wanted, (call.operation, call.namespace), live, result, context
    )
    return refusal or Previewed(
        wanted=wanted, live=live, intent=intent, result=result, warnings=sent.warnings
    )


def _given(wanted: Wanted, call: PlanCall, context: Context) -> Given | Refusal:
    live = context.cluster.get(wanted.kind, wanted.ref.namespace, wanted.ref.name)
    intent = _intent(wanted, call, live, context)
    return intent if isinstance(intent, Refusal) else Given(live=live, intent=intent)


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


def planned_object(preview: Previewed) -> PlannedObject:
    """Returns what the plan holds of an object."""
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
    after = patched(before, preview.changes)
    if after is None or object_digest(after) != predicted:
        return None
    return without_untouched(before, after, Kind(preview.wanted.ref.kind))
