"""Says with the HTTP status that a call found no place in its queue, while nothing was said of it.

Proxies, load balancers and clients' libraries understand 429, 503 and `Retry-After`; a tool error
with status 200 says it to the model alone. An answer that has begun, as a stream of a call that
told of its progress, keeps its status: there it is the tool error.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.callers import Caller
from api.metrics import Metrics
from api.replies import not_now
from shared.errors import QueueFull, ShareFull

ASKED = "infragate.asked"
"""The scope's key for the JSON-RPC message."""

Room: TypeAlias = Callable[[object, Caller], Awaitable[QueueFull | None]]
"""Says of a message and its caller why there is no place, as far as that is known by then."""


@dataclass(slots=True)
class _Turned:
    """What became of one request's call."""

    away: QueueFull | None = None


_current: ContextVar[_Turned | None] = ContextVar("infragate_turned_away", default=None)


def turn_away(full: QueueFull) -> None:
    """Has the request that is being served answered with `full`, if nothing was said of it yet."""
    turned = _current.get()
    if turned is not None:
        turned.away = full


class TurningAway:
    """Answers 429 where a subject's own calls fill its share of a queue, 503 where all do.

    With a `room` it does so at once where that is known before anybody works on the request.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, room: Room | None = None) -> None:
        self._app = app
        self._room = room
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._room is not None:
            full = await self._room(scope[ASKED], scope["state"]["caller"])
            if full is not None:
                await self._say(full, scope, send)
                return
        with _serving() as turned:
            await self._app(scope, receive, self._unless(turned, scope, send))

    def _unless(self, turned: _Turned, scope: Scope, send: Send) -> Send:
        """A `send` for an application that knows nothing of being turned away."""
        said_instead = False

        async def say(message: Message) -> None:
            nonlocal said_instead
            if message["type"] == "http.response.start" and turned.away is not None:
                said_instead = True
                await self._say(turned.away, scope, send)
            elif not said_instead:
                await send(message)

        return say

    async def _say(self, full: QueueFull, scope: Scope, send: Send) -> None:
        own = isinstance(full, ShareFull)
        self._metrics.limited("share_of_queue" if own else "queue")
        await not_now(
            send,
            HTTPStatus.TOO_MANY_REQUESTS if own else HTTPStatus.SERVICE_UNAVAILABLE,
            str(full),
            code=full.code,
            wait_s=full.retry_after or 1,
            request_id=_id_of(scope.get(ASKED)),
        )


def _id_of(message: object) -> str | int | None:
    shown = message.get("id") if isinstance(message, dict) else None
    return shown if isinstance(shown, str | int) else None


@contextmanager
def _serving() -> Iterator[_Turned]:
    turned = _Turned()
    token = _current.set(turned)
    try:
        yield turned
    finally:
        _current.reset(token)
