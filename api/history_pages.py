"""The pages of what is over: decided plans with search, and one plan's story from the audit log."""

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.frame import Frame, plan_id_of
from api.login import Person
from api.past import Memory
from api.past_rows import history, moment_in, timeline
from api.paths import HISTORY, HOME, plan_path
from api.review import Review
from api.seeking import Sought
from shared.closings import Closing
from shared.errors import NoWorker, Refusal
from shared.plans import Plan

_NO_PLAN: Final = "no_such_plan"


class HistoryPages:
    """History and timelines. `now` answers epoch seconds."""

    def __init__(
        self, *, frame: Frame, review: Review, memory: Memory, now: Callable[[], int]
    ) -> None:
        self._frame = frame
        self._review = review
        self._memory = memory
        self._now = now

    def add_to(self, router: APIRouter) -> None:
        """Adds the routes; to be called before the address of a plan is."""
        self._frame.add(router, "GET", HISTORY, self.history)
        self._frame.add(router, "GET", plan_path("{plan_id}", "timeline"), self.timeline)

    async def history(self, request: Request) -> Response:
        """Decided plans of the last 30 days that the visitor may look at."""
        person = await self._frame.visitor(request, HISTORY)
        if isinstance(person, Response):
            return person
        sought = Sought.of(request.query_params)
        before = moment_in(request.query_params.get("before", ""))
        past = await self._memory.past(person.identity, person.groups, sought, before)
        values = {"history": history(past, sought, before=before, now=self._now())}
        return self._frame.html("history.html", values, person=person)

    async def timeline(self, request: Request) -> Response:
        """What workers recorded about one plan."""
        plan_id = plan_id_of(request)
        person = await self._frame.visitor(request, plan_path(plan_id))
        if isinstance(person, Response):
            return person
        about = await self._about(plan_id, person)
        if isinstance(about, Refusal):
            return self._frame.refused(about, person)
        story = await self._memory.story(plan_id)
        values = {
            "about": about,
            "plan_id": plan_id,
            "there": isinstance(about, Plan),
            "story": timeline(story, now=self._now()),
            "home": HOME,
        }
        return self._frame.html("timeline.html", values, person=person)

    async def _about(self, plan_id: str, person: Person) -> Plan | Closing | Refusal:
        """The plan, or what is remembered of it, for whom it concerns."""
        try:
            seen = await self._review.glance(plan_id, person.identity, person.groups)
        except NoWorker as fault:
            seen = Refusal(code=_NO_PLAN, message=str(fault))
        if not isinstance(seen, Refusal):
            return seen.plan
        remembered = await self._memory.closing(plan_id, person.identity, person.groups)
        return remembered or seen
