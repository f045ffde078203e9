"""The newest plans, checked, as all who look at lists share them.

A list shows little of each plan. What was checked once is kept without its objects, by the digest
of its bytes; after that, not even Redis is asked for them. So a list of many large plans costs no
more than one of small ones.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio
from anyio.to_thread import run_sync as in_thread

from api.reviewed import Reviewed, Unshown, checked_head, no_such_plan, recognised
from api.sources import Sources
from shared.errors import NoWorker, Refusal
from shared.messages import Announcement
from shared.plans import Plan
from shared.stores.plan_records import ListedPlan

LISTED: Final = 300
"""Plans in lists; older ones are found by their address."""
KEPT: Final = 1000
"""Checked plans that are kept, about a kilobyte each."""

_Workers = tuple[Announcement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The newest plans, newest first, and the workers of that moment."""

    plans: tuple[Reviewed | Unshown, ...]
    workers: _Workers


class Board:
    """Reads plans as lists show them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: OrderedDict[tuple[str, ...], Plan] = OrderedDict()
        self._reading = anyio.Lock()
        self._asked = 0
        self._read: tuple[int, Listing] | None = None

    async def newest(self) -> Listing:
        """Returns the newest plans as they are now.

        Whoever asks while they are being read waits, and shares the next reading with all others
        who do: each gets one that began after they asked.

        Raises:
            RedisUnavailable: they cannot be read.
        """
        self._asked += 1
        asked = self._asked
        async with self._reading:
            if self._read is None or self._read[0] < asked:
                latest = self._asked
                self._read = (latest, await self._listing())
            return self._read[1]

    async def one(self, plan_id: str, workers: _Workers) -> Reviewed | Refusal:
        """Returns one plan as it is now, or why it is not shown.

        Raises:
            RedisUnavailable: it cannot be read.
            NoWorker: no planner lives from which the seal's key could be learnt.
        """
        listed = await self._sources.plans.listed(plan_id)
        return no_such_plan() if listed is None else await self._seen(listed, workers)

    async def _listing(self) -> Listing:
        listed = await self._sources.plans.newest(LISTED)
        workers = await self._sources.dispatch.workers() if listed else ()
        plans = [await self._row(one, workers) for one in listed]
        return Listing(plans=tuple(plans), workers=workers)

    async def _row(self, listed: ListedPlan, workers: _Workers) -> Reviewed | Unshown:
        try:
            seen = await self._seen(listed, workers)
        except NoWorker as fault:
            return Unshown(id=listed.id, why=str(fault))
        return Unshown(id=listed.id, why=seen.message) if isinstance(seen, Refusal) else seen

    async def _seen(self, listed: ListedPlan, workers: _Workers) -> Reviewed | Refusal:
        """Digest and seal are as Redis says, so they find only what was checked to have them."""
        believed = self._keys(workers)
        known = self._known.get((listed.id, listed.digest, listed.seal, *believed))
        now = self._sources.now()
        if known is not None:
            return recognised(listed, known, workers, now=now)
        stored = await self._sources.plans.load(listed.id)
        if stored is None:
            return no_such_plan()
        check = partial(checked_head, stored, workers, self._sources.pins, now=now)
        found = await in_thread(check)
        if isinstance(found, Reviewed):
            self._keep((stored.id, found.digest, found.seal, *believed), found.plan)
        return found

    def _keys(self, workers: _Workers) -> tuple[str, ...]:
        """By which keys a plan is believed: another set, and everything is checked anew."""
        pins = self._sources.pins
        learnt = [f"{one.cluster} {one.seal_key}" for one in workers if pins.learn]
        return (*pins.seal_keys, *sorted(set(learnt)))

    def _keep(self, key: tuple[str, ...], head: Plan) -> None:
        self._known[key] = head
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
