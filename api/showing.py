"""What the pages show of a checked plan: rows, objects, changed lines, times; no HTML here.

Nothing is left out: long values are folded, and unfolded where the risk is high. Making deceptive
characters visible is the template environment's business, for every string at once.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from api.outline import outline
from api.review import Reviewed
from shared.manifests import JSON
from shared.outcomes import ObjectOutcome, Outcome
from shared.plans import Action, Identity, PlannedChange, PlannedObject, State

FOLD_LINES: Final = 16
FOLD_CHARACTERS: Final = 1200
MAX_COMPARED_LINES: Final = 2000
"""Comparing line by line is quadratic at worst; longer texts are shown whole, old above new."""

Sign = Literal["-", "+", " "]
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
class Line:
    """One line of a change: taken away, added, or there before and after."""

    sign: Sign
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """One changed path as lines; `folded` means that it is closed until somebody opens it."""

    path: str
    op: str
    lines: tuple[Line, ...]
    folded: bool
    size: str


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
    outcome: ObjectOutcome | None


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
    objects: tuple[ShownObject, ...]
    outcome: Outcome | None

    @property
    def waiting(self) -> bool:
        """Says whether somebody can still decide."""
        return self.reviewed.state is State.PENDING

    @property
    def revocable(self) -> bool:
        """Says whether the approval can still be taken back."""
        return self.reviewed.state is State.APPROVED

    @property
    def high(self) -> bool:
        """Says whether the plan asks for more than a glance."""
        return self.reviewed.plan.risk.level == "high"


def row(reviewed: Reviewed, *, now: int) -> Row:
    """Returns one line of the inbox."""
    label, tone = _STATES[reviewed.state]
    return Row(
        reviewed=reviewed,
        label=label,
        tone=tone,
        created=moment(reviewed.plan.created_at, now=now),
        expires=moment(reviewed.plan.expires_at, now=now),
    )


def sheet(reviewed: Reviewed, *, now: int) -> Sheet:
    """Returns what the page of one plan shows."""
    label, tone = _STATES[reviewed.state]
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
        objects=tuple(
            _object(one, reviewed.outcome, open_all=plan.risk.level == "high")
            for one in plan.objects
        ),
        outcome=reviewed.outcome,
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


def change(planned: PlannedChange, *, open_all: bool) -> ShownChange:
    """Returns one changed path as lines with signs."""
    lines = _lines(planned)
    length = sum(len(line.text) for line in lines)
    long = len(lines) > FOLD_LINES or length > FOLD_CHARACTERS
    return ShownChange(
        path=planned.path or "(whole object)",
        op=planned.op,
        lines=lines,
        folded=long and not open_all,
        size=f"{len(lines):,} lines, {length:,} characters" if long else "",
    )


def _object(planned: PlannedObject, outcome: Outcome | None, *, open_all: bool) -> ShownObject:
    results = outcome.objects if outcome else ()
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
        outcome=next(
            (one for one in results if (one.kind, one.name) == (planned.kind, planned.name)), None
        ),
    )


def _lines(planned: PlannedChange) -> tuple[Line, ...]:
    old = [] if planned.op == "add" else _written(planned.old)
    new = [] if planned.op == "remove" else _written(planned.new)
    if not old or not new or len(old) + len(new) > MAX_COMPARED_LINES:
        return (*_signed("-", old), *_signed("+", new))
    return _compared(old, new)


def _compared(old: list[str], new: list[str]) -> tuple[Line, ...]:
    lines: list[Line] = []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag == "equal":
            lines += _signed(" ", old[old_from:old_to])
        else:
            lines += _signed("-", old[old_from:old_to])
            lines += _signed("+", new[new_from:new_to])
    return tuple(lines)


def _signed(sign: Sign, texts: Sequence[str]) -> list[Line]:
    return [Line(sign=sign, text=text) for text in texts]


def _written(value: JSON) -> list[str]:
    return list(outline(value))


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
