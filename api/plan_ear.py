"""One replica's ear on plans: wakes whoever waits for something to happen to one, anywhere.

What is heard is a hint: whoever is woken reads the plan again and checks what it finds. A hint may
be lost and may be a lie, so nobody waits for one longer than `LOOK_S`, and nobody is woken more
often than every `GAP_S`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import anyio

from api.listening import listen
from shared.stores.connection import AsyncRedis
from shared.stores.plan_moves import moved
from shared.stores.plan_records import MOVED

LOOK_S: Final = 15.0
"""Between two looks at a plan of which nothing was heard."""
GAP_S: Final = 0.1
"""Between two looks at plans of which something is heard all the time."""


class Heard:
    """What one waiter hears of: nothing is kept but that there is something to look at."""

    def __init__(self) -> None:
        self.plan_ids: frozenset[str] | None = frozenset()
        """None: all plans."""
        self._news = asyncio.Event()
        self._again_at = 0.0

    def wake(self) -> None:
        """Says that there is something to look at."""
        self._news.set()

    async def wait(self, within_s: float) -> bool:
        """Returns when there is something to look at, at the latest after a while; says whether."""
        with anyio.move_on_after(within_s):
            await anyio.sleep_until(self._again_at)
            await self._news.wait()
        heard = self._news.is_set()
        self._news.clear()
        self._again_at = anyio.current_time() + GAP_S
        return heard


class PlanEar:
    """Tells those of this replica who wait for a plan that something happened to it."""

    def __init__(self) -> None:
        self._everything: set[Heard] = set()
        self._waiting: defaultdict[str, set[Heard]] = defaultdict(set)

    async def listen(self, redis: AsyncRedis) -> None:
        """Listens until it is cancelled; whenever it was deaf, everybody is told to look."""
        await listen(partial(moved, redis), self.hear, channel=MOVED)

    @contextmanager
    def hearing(self, plan_ids: Collection[str] | None) -> Iterator[Heard]:
        """While this lasts, what is heard of these plans is heard; of all of them with None.

        Begin before the plan is read: what happens in between is heard then.
        """
        heard = Heard()
        self.follow(heard, plan_ids)
        try:
            yield heard
        finally:
            self.follow(heard, ())

    def follow(self, heard: Heard, plan_ids: Collection[str] | None) -> None:
        """From now on `heard` is about these plans, and no others."""
        wanted = None if plan_ids is None else frozenset(plan_ids)
        if wanted == heard.plan_ids:
            return
        for plan_id in heard.plan_ids or ():
            self._waiting[plan_id].discard(heard)
            if not self._waiting[plan_id]:
                del self._waiting[plan_id]
        self._everything.discard(heard)
        if wanted is None:
            self._everything.add(heard)
        for plan_id in wanted or ():
            self._waiting[plan_id].add(heard)
        heard.plan_ids = wanted

    def hear(self, plan_id: str | None) -> None:
        """Wakes those who wait for this plan; with None everybody."""
        for heard in self._everything:
            heard.wake()
        concerned = self._waiting.values() if plan_id is None else [self._waiting.get(plan_id, ())]
        for each in concerned:
            for heard in each:
                heard.wake()
