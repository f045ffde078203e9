"""What the pages show of a checked plan: a row of the inbox, the sheet of one plan; no HTML here.

Nothing is left out. Making deceptive characters visible is the template environment's business, for
every string at once.
"""

from dataclasses import dataclass
from typing import Final

from api.moments import Moment, moment
from api.reviewed import Reviewed
from api.rollbacks import may_be_undone
from api.shown_objects import ShownObject, shown_object
from api.shown_outcomes import Result, Tone, explained, results, state_in_words
from shared.approvals import SignedReceipt
from shared.outcomes import Outcome
from shared.plans import Identity, State

_DECIDED: Final[dict[State, str]] = {State.DENIED: "Denied", State.REVOKED: "Taken back"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One plan in the inbox."""

    reviewed: Reviewed
    label: str
    tone: Tone
    created: Moment
    expires: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """What became of a plan that somebody wanted to decide, in short."""

    label: str
    tone: Tone
    explained: str
    how: str
    by: Identity | None
    at: Moment | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One approval's receipt, as Redis holds it."""

    signed: SignedReceipt
    signed_in: Moment
    verified: Moment


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
    proofs: tuple[Proof, ...]
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
    def stale(self) -> tuple[str, ...]:
        """What the cluster is known to have changed of the plan's objects; none while it waits."""
        check = self.reviewed.check
        return check.changed if check else ()

    @property
    def unchecked(self) -> bool:
        """Says whether nobody could tell just now if the cluster is as planned on."""
        return (self.waiting or self.revocable) and self.reviewed.check is None

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
    def undoable(self) -> bool:
        """Says whether a button that asks for a rollback would be of use to the viewer."""
        reviewed = self.reviewed
        written = may_be_undone(reviewed.state, reviewed.outcome)
        return written and reviewed.cluster_live and self.may_deny

    @property
    def went_wrong(self) -> bool:
        """Says whether what was applied did not come out well, so that undoing it is likely."""
        return self.tone == "bad"

    @property
    def high(self) -> bool:
        """Says whether the plan asks for more than a glance."""
        return self.reviewed.plan.risk.level == "high"


def row(reviewed: Reviewed, *, now: int) -> Row:
    """Returns one line of the inbox."""
    label, tone = state_in_words(reviewed)
    return Row(
        reviewed=reviewed,
        label=label,
        tone=tone,
        created=moment(reviewed.plan.created_at, now=now),
        expires=moment(reviewed.plan.expires_at, now=now),
    )


def became(reviewed: Reviewed, *, now: int) -> Became | None:
    """Returns what became of a plan; None while it waits."""
    if reviewed.state is State.PENDING:
        return None
    label, tone = state_in_words(reviewed)
    how, by, at = _decision(reviewed, now=now)
    return Became(
        label=label,
        tone=tone,
        explained=explained(reviewed.state, by_agent=not reviewed.plan.undoes),
        how=how,
        by=by,
        at=at,
        reason=reviewed.decided_reason,
    )


def sheet(reviewed: Reviewed, *, now: int) -> Sheet:
    """Returns what the page of one plan shows."""
    label, tone = state_in_words(reviewed)
    plan, receipt = reviewed.plan, reviewed.receipt
    decided_how, decided_by, decided_at = _decision(reviewed, now=now)
    high = plan.risk.level == "high"
    return Sheet(
        reviewed=reviewed,
        label=label,
        tone=tone,
        explained=explained(reviewed.state, by_agent=not plan.undoes),
        created=moment(plan.created_at, now=now),
        expires=moment(plan.expires_at, now=now),
        apply_before=moment(receipt.receipt.apply_before, now=now) if receipt else None,
        decided_by=decided_by,
        decided_at=decided_at,
        decided_how=decided_how,
        proofs=_proofs(reviewed, now=now),
        objects=tuple(shown_object(one, open_all=high) for one in plan.objects),
        outcome=reviewed.outcome,
        results=results(reviewed.outcome),
        finished=_finished(reviewed.outcome, now=now),
    )


def _proofs(reviewed: Reviewed, *, now: int) -> tuple[Proof, ...]:
    last = () if reviewed.receipt is None else (reviewed.receipt,)
    return tuple(
        Proof(
            signed=one,
            signed_in=moment(one.receipt.auth_time, now=now),
            verified=moment(one.receipt.verified_at, now=now),
        )
        for one in (*reviewed.co_receipts, *last)
    )


def _finished(outcome: Outcome | None, *, now: int) -> Moment | None:
    at = outcome.finished_at or outcome.applied_at if outcome else None
    return None if at is None else moment(at, now=now)


def _decision(reviewed: Reviewed, *, now: int) -> tuple[str, Identity | None, Moment | None]:
    """How it was decided, who did, and when; a decision against counts more than one for."""
    how = _DECIDED.get(reviewed.state, "Approved" if reviewed.receipt else "Decided")
    by, at = reviewed.decided_by, reviewed.decided_at
    if by is None and reviewed.receipt is not None:
        receipt = reviewed.receipt.receipt
        by, at = receipt.approver, receipt.verified_at
    return how, by, None if at is None else moment(at, now=now)
