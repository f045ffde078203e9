"""Plans as people may see them: sealed, the seal checked, and only for whom they concern.

Values and pure checks; who asks, and what is then done, is in `api.review`.
"""

import hashlib
import json
from dataclasses import dataclass, replace

from pydantic import ValidationError

from api.sources import Pins
from shared.approvals import SignedReceipt, read_signed_receipt, read_signed_receipts
from shared.approver_rules import ApproverRule, approver_refusal
from shared.closings import Closing
from shared.digests import base64url, words
from shared.errors import NoWorker, Refusal
from shared.messages import Announcement
from shared.outcomes import Check, Outcome
from shared.plans import Identity, Plan, State, state_at
from shared.seals import plan_seal_holds, signing_key_from_text
from shared.stores.plan_records import ListedPlan, PlanRecord, StoredPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A plan whose seal holds, and what Redis records about it."""

    plan: Plan
    digest: str
    seal: str
    state: State
    simulated: bool
    cluster_live: bool
    """False when no worker serves the plan's cluster at the moment."""
    receipt: SignedReceipt | None = None
    co_receipts: tuple[SignedReceipt, ...] = ()
    """The earlier approvals of a plan that needs several, as Redis says."""
    outcome: Outcome | None = None
    decided_by: Identity | None = None
    decided_reason: str = ""
    decided_at: int | None = None
    undone_by: str = ""
    """Id of the plan that was last asked for to undo this one; empty where there is none."""
    check: Check | None = None
    """Whether the cluster still is as planned on; None: nobody could tell just now."""
    viewer_refusal: Refusal | None = None
    """Why the viewer could not approve it, as far as workers announce the policy; a hint only."""

    @property
    def words(self) -> str:
        """The digest in six words."""
        return words(self.digest)

    @property
    def ends_at(self) -> int | None:
        """When time alone ends it, epoch seconds; None where it no longer can."""
        if self.state is State.PENDING:
            return self.plan.expires_at
        if self.state is State.APPROVED and self.receipt is not None:
            return min(self.plan.expires_at, self.receipt.receipt.apply_before)
        return None

    @property
    def mark(self) -> tuple[object, ...]:
        """Everything here that can change while a page shows it: not the sealed plan itself."""
        return (
            self.digest,
            self.state.value,
            self.cluster_live,
            self.simulated,
            self.receipt and self.receipt.signature,
            [one.signature for one in self.co_receipts],
            self.check and self.check.changed,
            self.outcome and self.outcome.model_dump(mode="json"),
            self.decided_at,
            self.undone_by,
            self.viewer_refusal and self.viewer_refusal.code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshown:
    """A plan in the list whose seal does not hold or cannot be checked: nothing of it is shown."""

    id: str
    why: str

    @property
    def mark(self) -> tuple[object, ...]:
        """Everything here."""
        return (self.id, self.why)


def stamp_of(*seen: Reviewed | Unshown) -> str:
    """Returns what is the same as long as nothing changed of all that is seen."""
    marks = json.dumps([one.mark for one in seen], sort_keys=True)
    return base64url(hashlib.sha256(marks.encode()).digest()[:12])


def checked(
    stored: StoredPlan, workers: tuple[Announcement, ...], pins: Pins, *, now: int
) -> Reviewed | Refusal:
    """Returns a stored plan if its seal holds, else that nothing of it is to be shown.

    Raises:
        NoWorker: no planner lives from which the seal's key could be learnt.
    """
    return _sealed(stored, stored.plan(), workers, pins, now=now)


def checked_head(
    stored: StoredPlan, workers: tuple[Announcement, ...], pins: Pins, *, now: int
) -> Reviewed | Refusal:
    """Returns as much of a stored plan as lists show, as `checked` does.

    Raises:
        NoWorker: as `checked`.
    """
    return _sealed(stored, stored.head(), workers, pins, now=now)


def recognised(
    listed: ListedPlan, head: Plan, workers: tuple[Announcement, ...], *, now: int
) -> Reviewed:
    """Returns a listed plan whose digest and seal are those with which `head` was checked."""
    return _reviewed(listed, head, listed.digest, listed.seal, _serving(head, workers), now=now)


def may_look(
    viewer: Identity,
    groups: frozenset[str],
    plan: Plan | Closing,
    workers: tuple[Announcement, ...],
) -> bool:
    """Says whether `viewer` is the requester or an approver.

    A ConfigMap's values are nobody else's business.
    """
    if (plan.requester.iss, plan.requester.sub) == (viewer.iss, viewer.sub):
        return True
    rules = rules_for(plan, workers)
    return any(rule.covers(plan) and rule.names(viewer, groups) for rule in rules)


def viewed_by(
    viewer: Identity, groups: frozenset[str], seen: Reviewed, workers: tuple[Announcement, ...]
) -> Reviewed:
    """What is seen, with whether the viewer could approve it."""
    rules = rules_for(seen.plan, workers)
    refusal = approver_refusal(rules, seen.plan, viewer, groups=groups)
    return replace(seen, viewer_refusal=refusal)


def concerning(
    viewer: Identity,
    groups: frozenset[str],
    found: Reviewed | Refusal,
    workers: tuple[Announcement, ...],
) -> Reviewed | Refusal:
    """What was found, for its requester and its approvers alone.

    Raises:
        NoWorker: no worker lives to say who may look.
    """
    if isinstance(found, Refusal):
        return found
    if may_look(viewer, groups, found.plan, workers):
        return viewed_by(viewer, groups, found, workers) if found.cluster_live else found
    if not found.cluster_live:
        raise NoWorker("No worker is running to say who may look at this plan.")
    return Refusal(
        code="not_an_approver",
        message="You are neither the requester of this plan nor one of its approvers.",
    )


def rules_for(plan: Plan | Closing, workers: tuple[Announcement, ...]) -> tuple[ApproverRule, ...]:
    """Returns the approver rules of the plan's cluster, as its workers announce them."""
    return tuple(
        rule
        for worker in workers
        if worker.cluster == plan.cluster.name
        for rule in worker.approvers
    )


def _sealed(
    stored: StoredPlan,
    plan: Plan | Refusal,
    workers: tuple[Announcement, ...],
    pins: Pins,
    *,
    now: int,
) -> Reviewed | Refusal:
    if isinstance(plan, Refusal):
        return _broken()
    serving = _serving(plan, workers)
    keys = tuple(signing_key_from_text(text) for text in pins.seals_of(serving))
    digest, seal = stored.sealed.digest, stored.sealed.seal
    if not plan_seal_holds(keys, digest, plan.expires_at, seal) or plan.id != stored.id:
        return _broken()
    return _reviewed(stored, plan, digest, seal, serving, now=now)


def _serving(plan: Plan, workers: tuple[Announcement, ...]) -> tuple[Announcement, ...]:
    return tuple(worker for worker in workers if worker.cluster == plan.cluster.name)


def _reviewed(
    record: PlanRecord,
    plan: Plan,
    digest: str,
    seal: str,
    serving: tuple[Announcement, ...],
    *,
    now: int,
) -> Reviewed:
    receipt = None if record.receipt is None else read_signed_receipt(record.receipt)
    if isinstance(receipt, Refusal) or (receipt and receipt.receipt.plan_digest != digest):
        receipt = None
    return Reviewed(
        plan=plan,
        digest=digest,
        seal=seal,
        state=state_at(
            record.state,
            now=now,
            expires_at=plan.expires_at,
            apply_before=receipt.receipt.apply_before if receipt else None,
        ),
        simulated=any(worker.simulated for worker in serving),
        cluster_live=bool(serving),
        receipt=receipt,
        co_receipts=_co_receipts(record.co_receipts),
        outcome=_outcome(record.outcome),
        decided_by=_identity(record.decided_by),
        decided_reason=record.decided_reason or "",
        decided_at=record.decided_at,
        undone_by=record.undone_by or "",
    )


def _co_receipts(document: str | None) -> tuple[SignedReceipt, ...]:
    receipts = () if document is None else read_signed_receipts(document)
    return () if isinstance(receipts, Refusal) else receipts


def _outcome(document: str | None) -> Outcome | None:
    try:
        return None if document is None else Outcome.model_validate_json(document)
    except ValidationError:
        return None


def _identity(document: str | None) -> Identity | None:
    try:
        return None if document is None else Identity.model_validate_json(document)
    except ValidationError:
        return None


def no_such_plan() -> Refusal:
    """Returns that there is none."""
    return Refusal(
        code="no_such_plan", message="There is no such plan, or it ended more than a day ago."
    )


def _broken() -> Refusal:
    return Refusal(
        code="seal_broken",
        message="The stored plan does not carry the planner's seal, so nothing of it is shown.",
    )
