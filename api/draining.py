"""How a gateway stops: first it says so, then it takes nothing new, and calls in flight finish.

1. On SIGTERM `/readyz` is 503 at once, while the port stays open for `delay_s`, so that balancers
   notice before anybody is turned away. Every answer ends its connection: the next goes elsewhere.
2. Then the port closes, and calls in flight go on, for at most `drain_s` after the signal.
3. Then streams end: their clients connect anew, to another replica. A second signal leads here.
"""

import time
from types import FrameType
from typing import Final

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.replies import headers_named
from shared.logs import Log

LAST_S: Final = 4
"""For what is still open when streams have ended; orchestrators allow 10 s and more in all."""

_LISTENS: Final = b"subscriptions/listen"
"""The one POST that lasts as long as its client listens."""

_log = Log("api.draining")


class Draining:
    """Counts the calls that are being answered, and knows since when this process stops."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._since: float | None = None
        self.in_flight = 0

    @property
    def stops(self) -> bool:
        """Whether this process has been told to stop."""
        return self._since is not None

    @property
    def for_s(self) -> float:
        """Since how many seconds it stops; 0 while it does not."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def begin(self) -> None:
        """From now on nobody is invited any more."""
        self._since = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self.stops and scope["path"] == "/readyz":
            await JSONResponse({"status": "stopping"}, status_code=503)(scope, receive, send)
            return
        counts = _is_call(scope)
        self.in_flight += counts
        try:
            await self._app(scope, receive, self._parting(send))
        finally:
            self.in_flight -= counts

    def _parting(self, send: Send) -> Send:
        async def said(message: Message) -> None:
            if self.stops and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        return said


class DrainingServer(uvicorn.Server):
    """Uvicorn with the three steps."""

    def __init__(
        self, config: uvicorn.Config, draining: Draining, *, delay_s: float, drain_s: float
    ) -> None:
        super().__init__(config)
        self._draining = draining
        self._delay_s = delay_s
        self._drain_s = drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal handler. The first signal is not raised again at the end: that is exit 0."""
        if not self._draining.stops:
            self._draining.begin()
        elif not self.should_exit:
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Is asked every tenth of a second whether to end."""
        if self._draining.stops and not self.should_exit:
            self._go_on()
        return await super().on_tick(counter)

    def _go_on(self) -> None:
        waited_s = self._draining.for_s
        if waited_s < self._delay_s:
            return
        for listener in self.servers:
            listener.close()
        if not self._draining.in_flight or waited_s >= self._drain_s:
            _log.info("gateway.drained", left=self._draining.in_flight, seconds=round(waited_s, 1))
            self.should_exit = True


def _is_call(scope: Scope) -> bool:
    return scope["method"] == "POST" and _LISTENS not in headers_named(scope, b"mcp-method")
