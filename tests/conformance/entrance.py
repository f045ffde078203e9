"""The one address of several replicas: the suite has no option for a token, so this adds it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.journeys.round_robin import Proxy

STOP_S: Final = 10.0


class WithToken:
    """Adds a bearer token to every request; whitespace around values goes (RFC 9110, 5.5)."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._authorization = (b"authorization", b"Bearer " + token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value.strip()) for name, value in scope["headers"]]
        scope = {**scope, "headers": [*headers, self._authorization]}
        await self._app(scope, receive, send)


@contextmanager
def entrance(port: int, targets: Sequence[str], token: str) -> Iterator[Proxy]:
    """Serves 127.0.0.1:`port`, request by request from the next of the targets."""
    proxy = Proxy()
    proxy.targets.extend(targets)
    config = uvicorn.Config(
        WithToken(proxy, token), port=port, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="entrance")
    thread.start()
    try:
        yield proxy
    finally:
        server.should_exit = server.force_exit = True
        thread.join(STOP_S)
