"""The pages that list plans, and the streams that keep open pages fresh; deciding is elsewhere."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.frame import Frame, plan_id_of
from api.inbox_rows import inbox
from api.live import Look, Shown, Streams, Watched
from api.login import Person
from api.paths import EVENTS, HOME, plan_path
from api.review import Review
from api.reviewed import Reviewed, Unshown, stamp_of
from api.seeking import Sought
from shared.errors import Refusal


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
        seen = await self._review.inbox(person.identity, person.groups)
        sought = Sought.of(request.query_params)
        values = {
            "inbox": inbox(seen, person.identity, sought, now=self._now()),
            "live": Watched(events=EVENTS, stamp=stamp_of(*seen)),
        }
        return self._frame.html("inbox.html", values, person=person)

    async def inbox_events(self, request: Request) -> Response:
        """Says when the inbox of who is signed in has changed."""

        def looks(person: Person) -> Look:
            async def look() -> Shown:
                return _shown(*await self._review.inbox(person.identity, person.groups))

            return look

        return await self._streams.of(request, None, looks)

    async def plan_events(self, request: Request) -> Response:
        """Says when one plan has changed."""
        plan_id = plan_id_of(request)

        def looks(person: Person) -> Look:
            async def look() -> Shown | Refusal:
                seen = await self._review.glance_closely(plan_id, person.identity, person.groups)
                return seen if isinstance(seen, Refusal) else _shown(seen)

            return look

        return await self._streams.of(request, [plan_id], looks)


def _shown(*seen: Reviewed | Unshown) -> Shown:
    ends = [one.ends_at for one in seen if isinstance(one, Reviewed) and one.ends_at is not None]
    return Shown(stamp=stamp_of(*seen), until=min(ends, default=None))
