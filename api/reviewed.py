"""Plans as people may see them: sealed, the seal checked, and only for whom they concern.

Values and pure checks; who asks, and what is then done, is in `api.review`.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from shared.approvals import SignedReceipt, read_signed_receipt, read_signed_receipts
from shared.approver_rules import ApproverRule
from shared.closings import Closing
from shared.digests import base64url, words
from shared.errors import NoWorker, Refusal
from shared.manifests import JSON
from shared.messages import Announcement, Call, Progress
from shared.outcomes import Check, Outcome
from shared.plans import Identity, Plan, State, state_at
from shared.seals import plan_seal_holds, signing_key_from_text
from shared.settings import GatewaySettings
from shared.stores.plans import StoredPlan


class Dispatcher(Protocol):
    """Carries calls to the workers; `api.dispatch` does it."""

    async def call(
        self,
        cluster: str,
        call: Call,
        *,
        timeout_s: float,
        subject: str,
        on_progress: Callable[[Progress], Awaitable[None]] | None = None,
    ) -> JSON | Refusal:
        """Returns the body of a worker's answer, or its refusal; raises faults."""

    async def workers(self) -> tuple[Announcement, ...]:
        """Returns the live workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The public keys of planners and appliers, base64url. Empty: learnt from the workers."""

    seal_keys: tuple[str, ...] = ()
    receipt_keys: tuple[str, ...] = ()
    proof_key: str | None = None
    learn: bool = False
    """Development only: believe the keys that workers announce in Redis."""

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> "Pins":
        """Returns what the gateway's settings pin."""
        return cls(
            seal_keys=settings.seal_public_keys,
            receipt_keys=settings.receipt_public_keys,
            proof_key=settings.proof_public_key,
            learn=not settings.production,
        )

    def receipts_of(self, workers: tuple[Announcement, ...]) -> tuple[str, ...]:
        """Returns the keys by which an applier's word is believed; none where none is known."""
        if self.receipt_keys or not self.learn:
            return self.receipt_keys
        return tuple(sorted({worker.receipt_key for worker in workers if worker.receipt_key}))

    def seals_of(self, workers: tuple[Announcement, ...]) -> tuple[str, ...]:
        """Returns the keys by which a plan may be sealed that these workers' cluster made.

        Raises:
            NoWorker: no planner lives from which they could be learnt.
        """
        if self.seal_keys or not self.learn:
            return self.seal_keys
        learnt = {worker.seal_key for worker in workers if worker.seal_key}
        if not learnt:
            raise NoWorker("No planner is running, so the plan's seal cannot be checked.")
        return tuple(sorted(learnt))


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
    check: Check | None = None
    """Whether the cluster still is as planned on; None: nobody could tell just now."""
    viewer_refusal: Refusal | None = None
    """Why the viewer could not approve it, as far as workers announce the policy; a hint only."""

    @property
    def words(self) -> str:
        """The digest in six words."""
        return words(self.digest)

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
    stored: StoredPlan,
    workers: tuple[Announcement, ...],
    pins: Pins,
    *,
    now: int,
    known: Plan | None = None,
) -> Reviewed | Refusal:
    """Returns a stored plan if its seal holds, else that nothing of it is to be shown.

    `known` is what the same bytes, seal and keys were found to be before.

    Raises:
        NoWorker: no planner lives from which the seal's key could be learnt.
    """
    plan = known or stored.plan()
    if isinstance(plan, Refusal):
        return _broken()
    local = tuple(worker for worker in workers if worker.cluster == plan.cluster.name)
    if known is not None:
        return _reviewed(stored, known, local, now=now)
    keys = tuple(signing_key_from_text(text) for text in pins.seals_of(local))
    sealed = plan_seal_holds(keys, stored.sealed.digest, plan.expires_at, stored.sealed.seal)
    if not sealed or plan.id != stored.id:
        return _broken()
    return _reviewed(stored, plan, local, now=now)


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


def rules_for(plan: Plan | Closing, workers: tuple[Announcement, ...]) -> tuple[ApproverRule, ...]:
    """Returns the approver rules of the plan's cluster, as its workers announce them."""
    return tuple(
        rule
        for worker in workers
        if worker.cluster == plan.cluster.name
        for rule in worker.approvers
    )


def _reviewed(
    stored: StoredPlan, plan: Plan, workers: tuple[Announcement, ...], *, now: int
) -> Reviewed:
    receipt = None if stored.receipt is None else read_signed_receipt(stored.receipt)
    if isinstance(receipt, Refusal) or (
        receipt and receipt.receipt.plan_digest != stored.sealed.digest
    ):
        receipt = None
    return Reviewed(
        plan=plan,
        digest=stored.sealed.digest,
        seal=stored.sealed.seal,
        state=state_at(
            stored.state,
            now=now,
            expires_at=plan.expires_at,
            apply_before=receipt.receipt.apply_before if receipt else None,
        ),
        simulated=any(worker.simulated for worker in workers),
        cluster_live=bool(workers),
        receipt=receipt,
        co_receipts=_co_receipts(stored.co_receipts),
        outcome=_outcome(stored.outcome),
        decided_by=_identity(stored.decided_by),
        decided_reason=stored.decided_reason or "",
        decided_at=stored.decided_at,
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


def _broken() -> Refusal:
    return Refusal(
        code="seal_broken",
        message="The stored plan does not carry the planner's seal, so nothing of it is shown.",
    )
