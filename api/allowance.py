"""What one subject may still ask this replica for: so often, and so much at a time.

Both are shared by all replicas, in Redis, and taken from there a few at once, so that most requests
ask nobody. Without Redis nobody is refused for the rate, since what costs anything needs Redis
anyway, and the number at a time is this replica's own.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final, Literal

from shared.errors import RedisUnavailable
from shared.stores.mcp_shares import LEASE_S, McpShareStore, Taken

AHEAD_S: Final = 1.0
"""Tokens that were taken ahead are forgotten after this."""
MOST_AHEAD: Final = 10
"""A busy subject's tokens are taken so many at once: one question to Redis for all of them."""
FULL_S: Final = 0.5
"""So long nobody asks for a place again after other replicas had them all."""
PAUSE_S: Final = 5.0
"""After Redis failed it is not asked for this long, so that nobody waits for its time-outs."""
KEEP_S: Final = 2.0
"""Between two looks at which places are held: leases are renewed, and places given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TooMuch:
    """What a subject has too much of, and after how many seconds it is worth trying again."""

    what: Literal["rate", "at_a_time"]
    wait_s: float


@dataclass(slots=True)
class _Share:
    """One subject's at this replica. Times are the event loop's."""

    tokens: int = 0
    used: int = 0
    """Requests since tokens were last forgotten."""
    forgotten_at: float = 0.0
    dry_until: float = 0.0
    """There was no token left; before this there is none either."""
    under_way: int = 0
    places: int = 0
    leased_until: float = 0.0
    full_until: float = 0.0
    entering: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of the subject's is here."""
        return self.under_way == 0 and self.entering == 0

    def covers(self, *, place: bool, now: float) -> bool:
        """Whether one more request needs no question."""
        room = self.under_way < self.places and now < self.leased_until
        return self.tokens > 0 and (room or not place)

    def is_exhausted(self, *, place: bool, now: float) -> bool:
        """Whether a question would be answered with no."""
        full = self.under_way >= self.places and now < self.full_until
        return now < self.dry_until or (place and full)

    def note(self, taken: Taken, *, now: float) -> None:
        """Takes what a question at `now` brought."""
        self.tokens += taken.tokens
        self.places, self.leased_until = taken.places, now + LEASE_S


class Allowance:
    """Whether a subject may send one more request now; places are counted until it `leave`s."""

    def __init__(self, store: McpShareStore) -> None:
        self._store = store
        self._spare = min(4, store.at_a_time // 16)
        """Places that are held beside those in use; few, so that other replicas have the rest."""
        self._shares: dict[str, _Share] = {}
        self._asked_again_at = 0.0

    async def enter(self, subject: str, *, place: bool) -> TooMuch | None:
        """Counts one more request, in a `place` if it takes one; or says what is too much."""
        loop = asyncio.get_running_loop()
        share = self._share(subject, loop.time())
        share.used += 1
        share.entering += 1
        try:
            known = share.covers(place=place, now=loop.time())
            known = known or await self._ask(subject, share, place=place)
        finally:
            share.entering -= 1
        refused = self._refusal(share, place=place, alone=not known, now=loop.time())
        if refused is None:
            share.tokens = max(0, share.tokens - 1)
            share.under_way += place
        return refused

    def leave(self, subject: str) -> None:
        """Frees the place of a request that was answered."""
        self._shares[subject].under_way -= 1

    async def keep_up(self) -> None:
        """Renews leases and gives places back, until it is cancelled."""
        while True:
            await asyncio.sleep(KEEP_S)
            await self.keep()

    async def keep(self) -> None:
        """Renews the leases that are in use, gives back what is not, and forgets who left."""
        now = asyncio.get_running_loop().time()
        for subject, share in list(self._shares.items()):
            spare = self._spare if share.under_way else 0
            too_many = share.places - share.under_way - spare
            due = share.under_way > 0 and share.leased_until - now < LEASE_S / 2
            if due or too_many > self._store.at_a_time // 8:  # a few end with their lease
                await self._hold(subject, share, spare)
            if share.is_idle and now >= max(share.forgotten_at, share.dry_until):
                del self._shares[subject]

    async def _hold(self, subject: str, share: _Share, spare: int) -> None:
        async with share.asking:
            places = share.under_way + spare
            share.places = min(share.places, places)  # whoever comes meanwhile asks for more
            await self._take(subject, share, tokens=0, places=places)

    async def _ask(self, subject: str, share: _Share, *, place: bool) -> bool:
        """Asks Redis for what is missing, one question at a time for each subject.

        Returns whether it is known now what there is.
        """
        async with share.asking:
            now = asyncio.get_running_loop().time()
            if share.covers(place=place, now=now) or share.is_exhausted(place=place, now=now):
                return True
            tokens = max(0, min(MOST_AHEAD, share.used) - share.tokens)
            places = share.under_way + place + self._spare
            if not await self._take(subject, share, tokens=tokens, places=places):
                return False
            if place and share.places <= share.under_way:
                share.full_until = now + FULL_S
            return True

    async def _take(self, subject: str, share: _Share, *, tokens: int, places: int) -> bool:
        """Returns whether Redis answered."""
        clock = asyncio.get_running_loop().time
        now = clock()
        if now < self._asked_again_at:
            return False
        try:
            taken = await self._store.take(
                subject, tokens=tokens, places=places, used=share.under_way
            )
        except RedisUnavailable:
            self._asked_again_at = clock() + PAUSE_S  # it may have taken longer than that to fail
            return False
        share.note(taken, now=now)
        if tokens > 0 and taken.tokens == 0:
            share.dry_until = now + taken.next_in_s
        return True

    def _refusal(self, share: _Share, *, place: bool, alone: bool, now: float) -> TooMuch | None:
        places = self._store.at_a_time if alone else share.places
        if place and share.under_way >= places:
            return TooMuch(what="at_a_time", wait_s=1.0)
        if share.tokens == 0 and not alone:
            return TooMuch(what="rate", wait_s=share.dry_until - now)
        return None

    def _share(self, subject: str, now: float) -> _Share:
        share = self._shares.setdefault(subject, _Share())
        if now >= share.forgotten_at:
            share.tokens, share.used, share.forgotten_at = 0, 0, now + AHEAD_S
        return share
