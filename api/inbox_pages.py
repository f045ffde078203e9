"""The pages that list plans, and the streams that keep open pages fresh; deciding is elsewhere."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import showing
from api.frame import Frame, plan_id_of
from api.live import Stamp, Streams, Watched
from api.login import Person
from api.paths import EVENTS, HOME, plan_path
from api.review import Review
from api.reviewed import Reviewed, stamp_of
from shared.errors import Refusal
from shared.plans import State


class InboxPages:
    """The lists. `now` answers epoch seconds."""

    def __init__(
        self, *, frame: Frame, review: Review, streams: Streams, now: Callable[[], int]
    ) -> None:
        self._frame = frame
        self._review = review
        self._streams = streams
        self._now = now

    def add_to(self, router: APIRouter) -> None:
        """Adds the routes; to be called before the address of a plan is."""
        for path, page in (
            (HOME, self.inbox),
            (EVENTS, self.inbox_events),
            (plan_path("{plan_id}", "events"), self.plan_events),
        ):
            self._frame.add(router, "GET", path, page)

    async def inbox(self, request: Request) -> Response:
        """The plans that wait, and those of the last day."""
        person = await self._frame.visitor(request, HOME)
        if isinstance(person, Response):
            return person
        now = self._now()
        listed = await self._review.inbox(person.identity, person.groups)
        rows = [showing.row(one, now=now) for one in listed if isinstance(one, Reviewed)]
        values = {
            "waiting": [row for row in rows if row.reviewed.state is State.PENDING],
            "recent": [row for row in rows if row.reviewed.state is not State.PENDING],
            "unshown": [one for one in listed if not isinstance(one, Reviewed)],
            "live": Watched(events=EVENTS, stamp=stamp_of(*listed)),
        }
        return self._frame.html("inbox.html", values, person=person)

    async def inbox_events(self, request: Request) -> Response:
        """Says when the inbox of who is signed in has changed."""

        def stamps(person: Person) -> Stamp:
            async def stamp() -> str:
                return stamp_of(*await self._review.inbox(person.identity, person.groups))

            return stamp

        return await self._streams.of(request, None, stamps)

    async def plan_events(self, request: Request) -> Response:
        """Says when one plan has changed."""
        plan_id = plan_id_of(request)

        def stamps(person: Person) -> Stamp:
            async def stamp() -> str | Refusal:
                seen = await self._review.look(plan_id, person.identity, person.groups)
                return seen if isinstance(seen, Refusal) else stamp_of(seen)

            return stamp

        return await self._streams.of(request, [plan_id], stamps)
