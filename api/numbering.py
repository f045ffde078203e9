"""Every request gets an id, which leads through gateway, queue and worker, and one line in the log.

The id is always ours. A client's own `X-Request-Id` is shown beside it in that line and nowhere
else, if it is short and plain: if it counted, two requests could be made to look like one.
"""

import re
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.replies import headers_named
from shared import request_ids
from shared.logs import Log

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: no line for these."""

_CLIENTS_OWN: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_log = Log("api.numbering")


class Numbering:
    """Gives a request its id, tells it to the client as `X-Request-Id`, and logs how it ended."""

    def __init__(self, app: ASGIApp, make_id: Callable[[], str] = lambda: uuid4().hex) -> None:
        self._app = app
        self._make_id = make_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, status, began = self._make_id(), 0, time.monotonic()

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        with request_ids.serving(request_id):
            try:
                await self._app(scope, receive, told)
            finally:
                _say(scope, status, time.monotonic() - began)


def _say(scope: Scope, status: int, seconds: float) -> None:
    """One line; status 0 is a request whose client left before there was an answer."""
    if scope["path"] in PROBES:
        return
    _log.info(
        "request.answered",
        method=scope["method"],
        path=scope["path"],
        status=status,
        ms=round(seconds * 1000),
        **_clients_own(scope),
    )


def _clients_own(scope: Scope) -> dict[str, str]:
    sent = headers_named(scope, b"x-request-id")
    if len(sent) != 1 or not _CLIENTS_OWN.fullmatch(sent[0]):
        return {}
    return {"client_request": sent[0].decode()}
