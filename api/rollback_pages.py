"""Two buttons of a plan's page: undo what was applied, and apply what no agent applies."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.frame import Frame, plan_id_of, see
from api.paths import HOME
from api.refusing import Refusals
from api.review import Review
from shared.errors import Refusal


class RollbackPages:
    """Requests rollbacks and has approved ones applied."""

    def __init__(self, *, frame: Frame, review: Review, refusals: Refusals) -> None:
        self._frame = frame
        self._review = review
        self._refusals = refusals

    def add_to(self, router: APIRouter) -> None:
        """Adds the routes."""
        self._frame.add(router, "POST", f"{HOME}/{{plan_id}}/rollback", self.rollback)
        self._frame.add(router, "POST", f"{HOME}/{{plan_id}}/apply", self.apply)

    async def rollback(self, request: Request) -> Response:
        """Asks for a plan that undoes this one, and leads to it."""
        plan_id = plan_id_of(request)
        posted = await self._frame.posted(request)
        if isinstance(posted, Response):
            return posted
        person, _ = posted
        made = await self._review.rollback(plan_id, person.identity, person.groups)
        if isinstance(made, Refusal):
            return await self._refusals.told(made, person, plan_id)
        return see(f"{HOME}/{made}")

    async def apply(self, request: Request) -> Response:
        """Asks the applier for an approved rollback."""
        plan_id = plan_id_of(request)
        posted = await self._frame.posted(request)
        if isinstance(posted, Response):
            return posted
        person, _ = posted
        refused = await self._review.apply(plan_id, person.identity, person.groups)
        if refused is not None:
            return await self._refusals.told(refused, person, plan_id)
        return see(f"{HOME}/{plan_id}")
