"""The newest plans, checked, as all who look at lists share them.

A list shows little of each plan. What was checked once is kept without its objects, by the digest
of its bytes, so that a list of many large plans costs no more than one of small ones.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio

from api.reviewed import Dispatcher, Pins, Reviewed, Unshown, checked
from shared.errors import NoWorker, Refusal
from shared.messages import Announcement
from shared.plans import Plan
from shared.stores.plans import PlanView, StoredPlan

LISTED: Final = 300
"""Plans in lists; older ones are found by their address."""
KEPT: Final = 1000
"""Checked plans that are kept, about a kilobyte each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The newest plans, newest first, and the workers of that moment."""

    plans: tuple[Reviewed | Unshown, ...]
    workers: tuple[Announcement, ...]


class Board:
    """Reads the newest plans. `now` answers epoch seconds."""

    def __init__(
        self, *, plans: PlanView, dispatch: Dispatcher, pins: Pins, now: Callable[[], int]
    ) -> None:
        self._plans = plans
        self._dispatch = dispatch
        self._pins = pins
        self._now = now
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

    async def _listing(self) -> Listing:
        stored = await self._plans.newest(LISTED)
        workers = await self._dispatch.workers() if stored else ()
        return Listing(plans=tuple(self._listed(one, workers) for one in stored), workers=workers)

    def _listed(self, stored: StoredPlan, workers: tuple[Announcement, ...]) -> Reviewed | Unshown:
        key = (stored.id, stored.sealed.digest, stored.sealed.seal, *self._keys(workers))
        known = self._known.get(key)
        try:
            found = checked(stored, workers, self._pins, now=self._now(), known=known)
        except NoWorker as fault:
            return Unshown(id=stored.id, why=str(fault))
        if isinstance(found, Refusal):
            return Unshown(id=stored.id, why=found.message)
        self._keep(key, found.plan)
        return found

    def _keys(self, workers: tuple[Announcement, ...]) -> tuple[str, ...]:
        """By which keys a plan is believed: another set, and everything is checked anew."""
        learnt = [f"{one.cluster} {one.seal_key}" for one in workers if self._pins.learn]
        return (*self._pins.seal_keys, *sorted(set(learnt)))

    def _keep(self, key: tuple[str, ...], plan: Plan) -> None:
        if key not in self._known:
            nothing: dict[str, object] = {"objects": (), "findings": (), "warnings": ()}
            self._known[key] = plan.model_copy(update=nothing)
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
