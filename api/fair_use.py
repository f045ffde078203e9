"""Refuses requests of a subject who sends too many, or has too many answered at a time.

What is too many is known to `api.allowance`. Nobody has read the body yet.
"""

from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.allowance import Allowance, TooMuch
from api.callers import Caller
from api.metrics import Metrics
from api.replies import not_now
from shared.subjects import subject_of

_WHY: Final = {
    "rate": "You send more requests than are answered.",
    "at_a_time": "Too many requests of yours are being answered.",
}


class FairUse:
    """Answers 429 and when to come back. A stream takes no place: each session has one."""

    def __init__(
        self, app: ASGIApp, *, allowance: Allowance, metrics: Metrics | None = None
    ) -> None:
        self._app = app
        self._metrics = metrics or Metrics()
        self._allowance = allowance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller = scope["state"]["caller"]
        subject = subject_of(caller)
        place = scope["method"] == "POST"
        refused = await self._allowance.enter(subject, place=place)
        if isinstance(refused, TooMuch):
            self._metrics.limited(refused.what)
            why, status = _WHY[refused.what], HTTPStatus.TOO_MANY_REQUESTS
            await not_now(send, status, why, code="too_many_requests", wait_s=refused.wait_s)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            if place:
                self._allowance.leave(subject)
