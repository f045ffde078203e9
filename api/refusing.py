"""Telling a person that something was not done to a plan: with what became of it instead."""

from collections.abc import Callable

from starlette.responses import Response

from api.frame import Frame
from api.login import Person
from api.review import Review
from api.showing import became
from shared.errors import Fault, Refusal


class Refusals:
    """Pages that say why not. `now` answers epoch seconds."""

    def __init__(self, *, frame: Frame, review: Review, now: Callable[[], int]) -> None:
        self._frame = frame
        self._review = review
        self._now = now

    async def told(self, refusal: Refusal, person: Person, plan_id: str) -> Response:
        """Returns the page of a refusal: who decided the plan, when and how, if that is known."""
        try:
            seen = await self._review.glance(plan_id, person.identity, person.groups)
        except Fault:
            seen = refusal
        instead = None if isinstance(seen, Refusal) else became(seen, now=self._now())
        return self._frame.refused(refusal, person, plan_id, instead=instead)
