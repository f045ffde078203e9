"""What the pages show of a checked plan: rows, objects, changed lines, times; no HTML here.

Nothing is left out. Making deceptive characters visible is the template environment's business, for
every string at once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from api.changed_lines import ShownChange, change
from api.outline import outline
from api.reviewed import Reviewed
from shared.outcomes import ObjectOutcome, Outcome, Verdict, Written
from shared.plans import Action, Identity, PlannedObject, State

Tone = Literal["wait", "good", "bad", "off"]

_STATES: Final[dict[State, tuple[str, Tone]]] = {
    State.PENDING: ("Waiting for a decision", "wait"),
    State.APPROVED: ("Approved, not applied yet", "good"),
    State.APPLYING: ("Being applied", "wait"),
    State.APPLIED: ("Applied", "good"),
    State.FAILED: ("Failed", "bad"),
    State.OUTCOME_UNKNOWN: ("Outcome unknown", "bad"),
    State.DENIED: ("Denied", "bad"),
    State.CANCELLED: ("Cancelled by the requester", "off"),
    State.EXPIRED: ("Expired", "off"),
    State.REVOKED: ("Approval taken back", "bad"),
    State.STALE: ("Stale: the cluster changed", "off"),
    State.SUPERSEDED: ("Replaced by a newer plan", "off"),
}
_EXPLAINED: Final[dict[State, str]] = {
    State.PENDING: "Nothing happens to the cluster unless you approve.",
    State.APPROVED: "The agent may apply exactly this plan, once. You can still take it back.",
    State.APPLYING: "The worker is writing to the cluster. Reload to see the outcome.",
    State.APPLIED: "The cluster has taken the change; how it went stands below.",
    State.FAILED: "The worker stopped; what was and was not written stands below.",
    State.OUTCOME_UNKNOWN: "The worker was interrupted. It never writes twice; check the objects.",
    State.DENIED: "Nothing was changed, and this plan can never be applied.",
    State.CANCELLED: "Nothing was changed, and this plan can never be applied.",
    State.EXPIRED: "Nobody acted in time. Nothing was changed.",
    State.REVOKED: "The approval was taken back before anything was changed.",
    State.STALE: "The objects changed after the plan was made, so it was not applied.",
    State.SUPERSEDED: "The agent asked for another plan in its place.",
}
_ROLLOUTS: Final[dict[Verdict, tuple[str, Tone]]] = {
    Verdict.FAILED: ("Applied, but the rollout failed", "bad"),
    Verdict.PROGRESSING: ("Applied, the rollout goes on", "wait"),
}
_DONE: Final[dict[Action, str]] = {
    Action.CREATE: "created",
    Action.UPDATE: "changed",
    Action.DELETE: "deleted",
    Action.NO_OP: "unchanged",
}
_DECIDED: Final[dict[State, str]] = {State.DENIED: "Denied", State.REVOKED: "Taken back"}
_WRITTEN: Final[dict[Written, tuple[str, Tone]]] = {
    Written.WRITTEN: ("written", "good"),
    Written.UNCHANGED: ("unchanged", "off"),
    Written.NOT_TRIED: ("not tried", "off"),
    Written.REFUSED: ("refused", "bad"),
    Written.UNKNOWN: ("unknown", "bad"),
}
_VERDICTS: Final[dict[Verdict, Tone]] = {
    Verdict.COMPLETE: "good",
    Verdict.PROGRESSING: "wait",
    Verdict.FAILED: "bad",
    Verdict.NONE: "off",
}
_ACTIONS: Final[dict[Action, str]] = {
    Action.CREATE: "create",
    Action.UPDATE: "change",
    Action.DELETE: "delete",
    Action.NO_OP: "no change",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time for people: how far away, and exactly."""

    iso: str
    absolute: str
    relative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownObject:
    """One object of a plan."""

    kind: str
    name: str
    api_version: str
    action: str
    effect: str
    uid: str | None
    changes: tuple[ShownChange, ...]
    verb: str
    write: tuple[str, ...]
    """The exact request body, line by line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one object or rollout."""

    what: str
    label: str
    tone: Tone
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One plan in the inbox."""

    reviewed: Reviewed
    label: str
    tone: Tone
    created: Moment
    expires: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Everything that the page of one plan shows."""

    reviewed: Reviewed
    label: str
    tone: Tone
    explained: str
    created: Moment
    expires: Moment
    apply_before: Moment | None
    decided_by: Identity | None
    decided_at: Moment | None
    decided_how: str
    objects: tuple[ShownObject, ...]
    outcome: Outcome | None
    results: tuple[Result, ...]
    finished: Moment | None

    @property
    def waiting(self) -> bool:
        """Says whether somebody can still decide."""
        return self.reviewed.state is State.PENDING

    @property
    def revocable(self) -> bool:
        """Says whether the approval can still be taken back."""
        return self.reviewed.state is State.APPROVED

    @property
    def may_approve(self) -> bool:
        """Says whether an approve button would be of use to the viewer."""
        return self.reviewed.viewer_refusal is None

    @property
    def may_deny(self) -> bool:
        """Says whether a deny button would be; an approver who asked may always say no."""
        refusal = self.reviewed.viewer_refusal
        return refusal is None or refusal.code == "four_eyes"

    @property
    def high(self) -> bool:
        """Says whether the plan asks for more than a glance."""
        return self.reviewed.plan.risk.level == "high"


def row(reviewed: Reviewed, *, now: int) -> Row:
    """Returns one line of the inbox."""
    label, tone = _state(reviewed)
    return Row(
        reviewed=reviewed,
        label=label,
        tone=tone,
        created=moment(reviewed.plan.created_at, now=now),
        expires=moment(reviewed.plan.expires_at, now=now),
    )


def sheet(reviewed: Reviewed, *, now: int) -> Sheet:
    """Returns what the page of one plan shows."""
    label, tone = _state(reviewed)
    plan, receipt = reviewed.plan, reviewed.receipt
    decided_by, decided_at = _decision(reviewed)
    return Sheet(
        reviewed=reviewed,
        label=label,
        tone=tone,
        explained=_EXPLAINED[reviewed.state],
        created=moment(plan.created_at, now=now),
        expires=moment(plan.expires_at, now=now),
        apply_before=moment(receipt.receipt.apply_before, now=now) if receipt else None,
        decided_by=decided_by,
        decided_at=None if decided_at is None else moment(decided_at, now=now),
        decided_how=_DECIDED.get(reviewed.state, "Approved" if receipt else "Decided"),
        objects=tuple(_object(one, open_all=plan.risk.level == "high") for one in plan.objects),
        outcome=reviewed.outcome,
        results=_results(reviewed.outcome),
        finished=_finished(reviewed.outcome, now=now),
    )


def moment(at: int, *, now: int) -> Moment:
    """Returns epoch seconds `at` as people read it; always UTC, and it says so."""
    try:
        exact = datetime.fromtimestamp(at, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return Moment(iso="", absolute=f"{at} s", relative="at an impossible time")
    return Moment(
        iso=exact.strftime("%Y-%m-%dT%H:%M:%SZ"),
        absolute=exact.strftime("%d %b %Y, %H:%M:%S UTC").lstrip("0"),
        relative=_relative(at - now),
    )


def _state(reviewed: Reviewed) -> tuple[str, Tone]:
    """The state in words; a rollout that failed is no success, whatever was written."""
    verdicts = [one.verdict for one in reviewed.outcome.rollouts] if reviewed.outcome else []
    if reviewed.state is State.APPLIED:
        for verdict, told in _ROLLOUTS.items():
            if verdict in verdicts:
                return told
    return _STATES[reviewed.state]


def _results(outcome: Outcome | None) -> tuple[Result, ...]:
    if outcome is None:
        return ()
    objects = (_written(one) for one in outcome.objects)
    rollouts = (
        Result(
            what=f"Rollout of {one.deployment}",
            label=one.verdict.value,
            tone=_VERDICTS[one.verdict],
            message=f"{one.updated} of {one.desired} updated, {one.available} available. "
            f"{one.message}".rstrip(),
        )
        for one in outcome.rollouts
        if one.verdict is not Verdict.NONE
    )
    return (*objects, *rollouts)


def _written(one: ObjectOutcome) -> Result:
    label, tone = _WRITTEN[one.result]
    if one.result is Written.WRITTEN:
        label = _DONE[one.action]
    return Result(what=f"{one.kind} {one.name}", label=label, tone=tone, message=one.message)


def _finished(outcome: Outcome | None, *, now: int) -> Moment | None:
    at = outcome.finished_at or outcome.applied_at if outcome else None
    return None if at is None else moment(at, now=now)


def _object(planned: PlannedObject, *, open_all: bool) -> ShownObject:
    return ShownObject(
        kind=planned.kind,
        name=planned.name,
        api_version=planned.api_version,
        action=planned.action.value,
        effect=_ACTIONS[planned.action],
        uid=planned.uid,
        changes=tuple(change(one, open_all=open_all) for one in planned.changes),
        verb=planned.intent.verb,
        write=tuple(outline(planned.intent.body)),
    )


def _decision(reviewed: Reviewed) -> tuple[Identity | None, int | None]:
    """Who decided, and when; a decision against counts more than one for."""
    if reviewed.decided_by is None and reviewed.receipt is not None:
        receipt = reviewed.receipt.receipt
        return receipt.approver, receipt.verified_at
    return reviewed.decided_by, reviewed.decided_at


def _relative(seconds: int) -> str:
    size = abs(seconds)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if size >= 2 * length or (unit == "second" and size > 0):
            count = size // length
            amount = f"{count} {unit}{'s' if count != 1 else ''}"
            return f"in {amount}" if seconds > 0 else f"{amount} ago"
    return "now"
