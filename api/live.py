"""Live pages: a stream tells an open page that something changed, and the page fetches itself anew.

An event carries a stamp and nothing else. The page carries the stamp of what it shows, so whatever
happened in between, on whatever replica, a stamp that differs means: look again. What may be seen
is decided where the page is made, not here.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import AbstractContextManager, aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import anyio
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from api.login import Login, Person
from shared.errors import Fault, Refusal
from shared.plans import Identity

LOOK_S: Final = 10.0
"""Between two looks, and two events, when nothing is heard."""
GAP_S: Final = 0.5
"""Between two events, however much happens: a page is not fetched more often than that."""
LONGEST_S: Final = 15 * 60
"""Then the browser connects anew, perhaps to another replica."""
MAX_STREAMS: Final = 500
"""Of one process."""
MAX_OF_PERSON: Final = 12
"""Of one person, at one process. A page that nobody sees closes its stream."""
RETRY_S: Final = 30
SEND_S: Final = 30.0
"""A browser that takes nothing for that long is gone."""

Look = Callable[[], Awaitable["Shown | Refusal"]]
"""Answers what a page would show now, or that there is nothing to be shown any more.

Raises a fault when nobody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page shows. `until`: when time alone changes it, epoch seconds; None: never."""

    stamp: str
    until: int | None = None


class Heard(Protocol):
    """What one waiter hears of plans."""

    async def wait(self, within_s: float) -> bool:
        """Returns when there is something to look at, at the latest after a while."""


class Ear(Protocol):
    """This replica's ear on what happens to plans anywhere; what is heard is a hint."""

    def hearing(self, plan_ids: Collection[str] | None) -> AbstractContextManager[Heard]:
        """While this lasts, what happens to these plans is heard; to all of them with None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What an open page needs to know: where its events come from, and the stamp of what it shows.

    The template `live.html` puts it on the page.
    """

    events: str
    stamp: str


class Streams:
    """The open streams of this process. `now` answers epoch seconds."""

    def __init__(self, *, login: Login, ear: Ear, now: Callable[[], int]) -> None:
        self._login = login
        self._ear = ear
        self._now = now
        self._open: Counter[Identity] = Counter()

    @property
    def open(self) -> int:
        """Returns how many streams are open."""
        return self._open.total()

    async def of(
        self, request: Request, plan_ids: Collection[str] | None, look: Callable[[Person], Look]
    ) -> Response:
        """Returns the stream of one page, for who is signed in; or why there is none.

        Raises:
            RedisUnavailable: nobody can tell who is signed in.
        """
        person = await self._login.person(request.cookies, idle=True)
        if person is None:
            return PlainTextResponse("Sign in.", HTTPStatus.UNAUTHORIZED)
        if self.open >= MAX_STREAMS or self._open[person.identity] >= MAX_OF_PERSON:
            headers = {"Retry-After": str(RETRY_S)}
            return PlainTextResponse("Too many pages.", HTTPStatus.TOO_MANY_REQUESTS, headers)
        told = self._told(person, request.cookies, plan_ids, look(person))
        return _Stream(told, self._open, person.identity)

    async def _told(
        self,
        person: Person,
        cookies: dict[str, str],
        plan_ids: Collection[str] | None,
        look: Look,
    ) -> AsyncGenerator[dict[str, str]]:
        """Ends with the sign-in, with what is shown, and when nobody can tell: pages come back."""
        until = anyio.current_time() + LONGEST_S
        with self._ear.hearing(plan_ids) as heard:
            while anyio.current_time() < until:
                try:
                    now = await self._login.person(cookies, idle=True)
                    if now is None or now.identity != person.identity:
                        return
                    shown = await look()
                except Fault:
                    return
                if isinstance(shown, Refusal):
                    return
                yield {"data": shown.stamp}
                await anyio.sleep(GAP_S)
                await heard.wait(self._patience(shown))

    def _patience(self, shown: Shown) -> float:
        """Seconds to the next look: nobody says that a plan has expired."""
        left = LOOK_S if shown.until is None else shown.until - self._now()
        return max(0.0, min(LOOK_S, left))


class _Stream(EventSourceResponse):
    """Takes a place among the open streams for as long as it lasts; also when nobody reads it."""

    def __init__(
        self, events: AsyncGenerator[dict[str, str]], places: Counter[Identity], who: Identity
    ) -> None:
        headers = {"Cache-Control": "no-store, no-transform"}
        super().__init__(events, headers=headers, ping=0, send_timeout=SEND_S)
        self._events = events
        self._places = places
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._places[self._who] += 1
        try:
            async with aclosing(self._events):
                with suppress(SendTimeoutError):
                    await super().__call__(scope, receive, send)
        finally:
            self._places[self._who] -= 1
            if not self._places[self._who]:
                del self._places[self._who]
