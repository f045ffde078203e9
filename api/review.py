"""What a person may do with plans: list them, look at one, approve, deny, take an approval back.

Only sealed bytes are shown, after the seal was checked. Nothing is decided here: the applier says
who may approve and whether a login proves it; this module carries its questions and answers.
"""

from functools import partial
from typing import Final

from anyio.to_thread import run_sync as in_thread

from api import rollbacks
from api.board import Board
from api.freshness import rechecked
from api.reviewed import (
    Reviewed,
    Unshown,
    checked,
    concerning,
    may_look,
    no_such_plan,
    viewed_by,
)
from api.sources import Sources
from api.statements import statement_about
from shared.approvals import SignedStatement
from shared.errors import NoWorker, Refusal
from shared.manifests import JSON
from shared.messages import Announcement, Call, ChallengeCall, DenyCall, ProofCall
from shared.passkeys import Assertion
from shared.plans import MAX_REASON_LENGTH, Identity, Plan, State
from shared.seals import encrypt_proof, proof_key_from_text
from shared.subjects import subject_of

DECISION_TIMEOUT_S: Final = 15.0
"""The applier checks a proof in milliseconds, and fetches the provider's keys at most once."""
MAX_ID_TOKEN_BYTES: Final = 16 * 1024


class Review:
    """The approvers' desk."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._dispatch = sources.dispatch
        self._board = Board(sources)

    async def inbox(
        self, viewer: Identity, groups: frozenset[str]
    ) -> tuple[Reviewed | Unshown, ...]:
        """Returns the newest plans that `viewer` may look at, newest first.

        Raises:
            RedisUnavailable: they cannot be read.
        """
        listing = await self._board.newest()
        return tuple(
            one if isinstance(one, Unshown) else viewed_by(viewer, groups, one, listing.workers)
            for one in listing.plans
            if isinstance(one, Unshown) or may_look(viewer, groups, one.plan, listing.workers)
        )

    async def look(
        self, plan_id: str, viewer: Identity, groups: frozenset[str]
    ) -> Reviewed | Refusal:
        """Returns one plan to its requester or to one of its approvers, or why it is not shown.

        Raises:
            RedisUnavailable: it cannot be read.
            NoWorker: no worker lives to say who may look, or from which to learn the seal's key.
        """
        workers = await self._dispatch.workers()
        found = concerning(viewer, groups, await self._found(plan_id, workers), workers)
        return await self._linked(found, workers)

    async def glance(
        self, plan_id: str, viewer: Identity, groups: frozenset[str]
    ) -> Reviewed | Refusal:
        """Returns a plan as `look` does, but without its objects, as lists show it.

        Raises:
            Fault: as `look`.
        """
        workers = await self._dispatch.workers()
        found = concerning(viewer, groups, await self._board.one(plan_id, workers), workers)
        return await self._linked(found, workers)

    async def approvals_of(self, viewer: Identity, *, since: int) -> int:
        """Counts the plans that `viewer` approved since then (epoch seconds), by their receipts.

        Raises:
            RedisUnavailable: they cannot be read.
        """
        listing = await self._board.newest()
        return sum(
            one is not None and one.receipt.approver == viewer and one.receipt.verified_at >= since
            for plan in listing.plans
            if isinstance(plan, Reviewed)
            for one in (plan.receipt, *plan.co_receipts)
        )

    async def look_closely(
        self, plan_id: str, viewer: Identity, groups: frozenset[str]
    ) -> Reviewed | Refusal:
        """Returns a plan as `look` does, after asking whether the cluster still is as planned on.

        Raises:
            Fault: as `look`.
        """
        return await self._rechecked(await self.look(plan_id, viewer, groups), viewer)

    async def glance_closely(
        self, plan_id: str, viewer: Identity, groups: frozenset[str]
    ) -> Reviewed | Refusal:
        """Returns a plan as `glance` does, after asking the same.

        Raises:
            Fault: as `look`.
        """
        return await self._rechecked(await self.glance(plan_id, viewer, groups), viewer)

    async def _linked(
        self, found: Reviewed | Refusal, workers: tuple[Announcement, ...]
    ) -> Reviewed | Refusal:
        if isinstance(found, Refusal) or not found.undone_by:
            return found
        return rollbacks.linked(found, await self._board.one(found.undone_by, workers))

    async def _rechecked(self, found: Reviewed | Refusal, viewer: Identity) -> Reviewed | Refusal:
        if isinstance(found, Refusal):
            return found
        return await rechecked(found, self._dispatch, viewer)

    async def _found(
        self, plan_id: str, workers: tuple[Announcement, ...] | None = None
    ) -> Reviewed | Refusal:
        """Returns one plan whole, or why it cannot be shown.

        Raises:
            RedisUnavailable: it cannot be read.
            NoWorker: no planner lives from which the seal's key could be learnt.
        """
        stored = await self._sources.plans.load(plan_id)
        if stored is None:
            return no_such_plan()
        if workers is None:
            workers = await self._dispatch.workers()
        now = self._sources.now()
        return await in_thread(partial(checked, stored, workers, self._sources.pins, now=now))

    async def challenge(
        self, plan_id: str, *, digest: str, approver: Identity
    ) -> SignedStatement | Refusal:
        """Returns the applier's statement that `approver`'s next login is to commit to.

        `digest` is that of the plan on the page where Approve was pressed.

        Raises:
            Fault: Redis, the worker or the dispatcher did not work.
        """
        shown = await self._as_shown(plan_id, digest)
        if isinstance(shown, Refusal):
            return shown
        call = ChallengeCall(plan_id=plan_id, approver=approver)
        answer = await self._call(shown.plan, call, approver)
        if isinstance(answer, Refusal):
            return answer
        return statement_about(shown, approver, answer)

    async def sealed_proof(self, signed: SignedStatement, token: str) -> str | Refusal:
        """Returns the ID token of a fresh login, readable for the applier alone.

        Raises:
            Fault: Redis or the dispatcher did not work.
        """
        statement = signed.statement
        shown = await self._as_shown(statement.plan_id, statement.plan_digest)
        if isinstance(shown, Refusal):
            return shown
        if len(token) > MAX_ID_TOKEN_BYTES:
            return Refusal(code="proof_size", message="The sign-in's proof is too long.")
        return encrypt_proof(
            proof_key_from_text(await self._proof_key(shown.plan.cluster.name)),
            token,
            statement=statement.document(),
        )

    async def carry(
        self, signed: SignedStatement, sealed_token: str, assertion: Assertion | None = None
    ) -> JSON | Refusal:
        """Brings the applier a proof that is encrypted to it already, and a passkey's answer.

        Returns what the applier says.

        Raises:
            Fault: Redis, the worker or the dispatcher did not work.
        """
        statement = signed.statement
        shown = await self._as_shown(statement.plan_id, statement.plan_digest)
        if isinstance(shown, Refusal):
            return shown
        call = ProofCall(
            plan_id=statement.plan_id,
            signed=signed,
            sealed_token=sealed_token,
            assertion=assertion,
        )
        answer = await self._call(shown.plan, call, statement.approver)
        await rollbacks.go_on(shown.plan, answer, self._dispatch)
        return answer

    async def deny(
        self, plan_id: str, *, reason: str, approver: Identity, groups: frozenset[str]
    ) -> Refusal | None:
        """Denies a plan or takes its approval back; None when that is done.

        Raises:
            Fault: Redis, the worker or the dispatcher did not work.
        """
        if len(reason) > MAX_REASON_LENGTH:
            return Refusal(
                code="reason_too_long",
                message=f"A reason has at most {MAX_REASON_LENGTH} characters.",
            )
        shown = await self._found(plan_id)
        if isinstance(shown, Refusal):
            return shown
        call = DenyCall(
            plan_id=plan_id, approver=approver, groups=tuple(sorted(groups)), reason=reason
        )
        answer = await self._call(shown.plan, call, approver)
        return answer if isinstance(answer, Refusal) else None

    async def rollback(
        self, plan_id: str, approver: Identity, groups: frozenset[str]
    ) -> str | Refusal:
        """Returns the id of a plan that undoes this one, which needs an approval of its own.

        Raises:
            Fault: Redis, the worker or the dispatcher did not work.
        """
        shown = await self._found(plan_id)
        if isinstance(shown, Refusal):
            return shown
        return await rollbacks.requested(shown.plan, approver, groups, self._dispatch)

    async def apply(self, plan_id: str, viewer: Identity, groups: frozenset[str]) -> Refusal | None:
        """Asks the applier for an approved rollback, which has no agent; None when it is asked.

        Raises:
            Fault: Redis or the dispatcher did not work.
        """
        found = await self.glance(plan_id, viewer, groups)
        if isinstance(found, Refusal):
            return found
        if not found.plan.undoes or found.state is not State.APPROVED:
            return Refusal(
                code="already_decided", message="This is no rollback that waits to be applied."
            )
        await rollbacks.have_applied(found.plan, self._dispatch)
        return None

    async def _as_shown(self, plan_id: str, digest: str) -> Reviewed | Refusal:
        """The plan, if it is still the one that the person saw."""
        shown = await self._found(plan_id)
        if isinstance(shown, Reviewed) and shown.digest != digest:
            return Refusal(code="plan_changed", message="This is not the plan that you were shown.")
        return shown

    async def _call(self, plan: Plan, call: Call, approver: Identity) -> JSON | Refusal:
        return await self._dispatch.call(
            plan.cluster.name,
            call,
            timeout_s=DECISION_TIMEOUT_S,
            subject=subject_of(approver),
        )

    async def _proof_key(self, cluster: str) -> str:
        if self._sources.pins.proof_key:
            return self._sources.pins.proof_key
        workers = await self._dispatch.workers() if self._sources.pins.learn else ()
        learnt = [w.proof_key for w in workers if w.cluster == cluster and w.proof_key]
        if not learnt:
            raise NoWorker("No applier is running, so nothing can be approved.")
        return learnt[0]
