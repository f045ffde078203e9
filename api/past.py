"""Decided plans and their stories as people may see them: signed, and for whom they concern."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.reviewed import may_look
from api.seeking import PER_PAGE, Facts, Sought
from api.sources import Dispatcher, Pins
from shared.closings import Closing, SignedClosing, read_signed_closing
from shared.errors import NoWorker, Refusal
from shared.messages import Announcement
from shared.plans import Identity
from shared.seals import signing_key_from_text
from shared.stores.history import HistoryView
from shared.stories import Told, read_told

LOOKED_AT: Final = 2000
"""Closings that one page looks at; who seeks something older goes on from there."""
_BATCH: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One page of decided plans, newest first."""

    closings: tuple[Closing, ...]
    forged: int
    """Records that fit but that no applier signed: nothing of them is shown."""
    older: float | None
    """Where the next page begins; None when there is nothing older."""
    believed: bool
    """False when no applier's key is known, so that nothing can be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What befell one plan, oldest first."""

    records: tuple[Told, ...]
    forged: int
    """Copies that no worker signed: nothing of them is shown."""


class Memory:
    """Reads what is remembered of decided plans."""

    def __init__(self, *, history: HistoryView, dispatch: Dispatcher, pins: Pins) -> None:
        self._history = history
        self._dispatch = dispatch
        self._pins = pins

    async def past(
        self, viewer: Identity, groups: frozenset[str], sought: Sought, before: float | None
    ) -> Past:
        """Returns the newest decided plans that fit and that the viewer may look at.

        Raises:
            RedisUnavailable: they cannot be read.
        """
        workers = await self._dispatch.workers()
        keys = _keys(self._pins.receipts_of(workers))
        shown: list[Closing] = []
        forged = looked = 0
        while looked < LOOKED_AT:
            batch = await self._history.before(before, _BATCH)
            for plan_id, document, at in batch:
                looked, before = looked + 1, at
                signed = _fitting(plan_id, document, sought)
                if signed is None or not may_look(viewer, groups, signed.closing, workers):
                    continue
                if not signed.holds(keys):
                    forged += 1
                    continue
                shown.append(signed.closing)
                if len(shown) == PER_PAGE:
                    break
            if len(batch) < _BATCH or len(shown) == PER_PAGE:
                break
        ended = len(shown) < PER_PAGE and looked < LOOKED_AT
        return Past(
            closings=tuple(shown),
            forged=forged,
            older=None if ended else before,
            believed=bool(keys),
        )

    async def closing(
        self, plan_id: str, viewer: Identity, groups: frozenset[str]
    ) -> Closing | None:
        """Returns what is remembered of one plan, for whom it concerns.

        Raises:
            RedisUnavailable: it cannot be read.
        """
        document = await self._history.closing(plan_id)
        signed = None if document is None else read_signed_closing(document)
        if signed is None or isinstance(signed, Refusal) or signed.closing.plan_id != plan_id:
            return None
        workers = await self._dispatch.workers()
        if not signed.holds(_keys(self._pins.receipts_of(workers))):
            return None
        return signed.closing if may_look(viewer, groups, signed.closing, workers) else None

    async def story(self, plan_id: str) -> Story:
        """Returns what workers recorded about a plan; who may see it is the caller's to ask.

        Raises:
            RedisUnavailable: it cannot be read.
        """
        workers = await self._dispatch.workers()
        keys = _keys((*self._pins.receipts_of(workers), *self._planners(workers)))
        copies = [read_told(document) for document in await self._history.story(plan_id)]
        good = [one for one in copies if one is not None and one.holds(plan_id, keys)]
        once = {one.signature: one for one in good}.values()  # a copy may have been put back
        ordered = sorted(once, key=lambda one: str(one.record.get("time", "")))
        return Story(records=tuple(ordered), forged=len(copies) - len(good))

    def _planners(self, workers: tuple[Announcement, ...]) -> tuple[str, ...]:
        try:
            return self._pins.seals_of(workers)
        except NoWorker:
            return ()


def _keys(texts: Iterable[str]) -> tuple[Ed25519PublicKey, ...]:
    return tuple(signing_key_from_text(text) for text in texts)


def _fitting(plan_id: str, document: bytes, sought: Sought) -> SignedClosing | None:
    """A record that is what is sought; its signature is not checked yet."""
    signed = read_signed_closing(document)
    if isinstance(signed, Refusal) or signed.closing.plan_id != plan_id:
        return None
    closing = signed.closing
    people = (*closing.approvers, *((closing.decided_by,) if closing.decided_by else ()))
    facts = Facts(
        namespace=closing.namespace,
        operation=closing.operation.value,
        risk=closing.risk,
        state=closing.state.value,
        texts=(
            closing.summary,
            closing.namespace,
            closing.cluster.name,
            closing.requester.sub,
            closing.requester.client_id,
            closing.reason,
            closing.plan_id,
            *(person.sub for person in people),
        ),
    )
    return signed if sought.fits(facts) else None
