"""What surrounds every answer: the Host check, and the headers that browsers obey."""

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    # No form-action: Chromium applies it to every redirect after a form, and a login ends at the
    # client's own address, which may send the browser on to places that nobody here can know.
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not no-referrer: with it browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Fence:
    """Refuses foreign `Host` values (DNS rebinding) and adds the security headers."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], issuer: str) -> None:
        self._app = app
        self._hosts = hosts
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app = self._app if self._knows_host(scope) else self._misdirected
        await app(scope, receive, send_with_headers)

    def _knows_host(self, scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return len(hosts) == 1 and hosts[0].lower() in self._hosts

    @property
    def _misdirected(self) -> ASGIApp:
        return PlainTextResponse(f"This issuer answers at {self._issuer} only.\n", 421)
