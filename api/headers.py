"""The headers of every page for people; what a page says is in `api.pages`.

A page can load its own style sheet and icon, send its forms here and to the identity provider, and
nothing else. Two kinds of pages run a script, a file of ours: those that ask for a passkey, and
those that stay open and fetch themselves anew when something changed. No script on any page can
make HTML, styles or code out of text: there is no Trusted Types policy by which it could.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS: Final = ("/approvals",)

POLICY: Final = "Content-Security-Policy"
OWN_SCRIPT: Final = "script-src 'self'"
"""What a response sets as its policy to run our own script; it gets the whole policy with that."""
LIVE: Final = f"{OWN_SCRIPT}; connect-src 'self'"
"""What a page sets that fetches itself anew: its script may ask here, and nowhere else."""

_PASSKEYS: Final = "publickey-credentials-create={0}, publickey-credentials-get={0}"
_STATIC: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms (Fetch, "append a
    # request Origin header"), and the check of `Origin` would be lost. No other origin gets either.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HSTS: Final = "max-age=63072000; includeSubDomains"


def content_security_policy(form_targets: Iterable[str], wanted: str | None = None) -> str:
    """Returns the policy of a page; `form_targets` are origins that a form may lead to.

    `wanted` is what the page set as its policy: `OWN_SCRIPT`, `LIVE`, or anything, which is no more
    than nothing.

    A form's redirects count as its targets (CSP 3, 6.4.1), hence the identity provider's origin.
    """
    forms = " ".join(["'self'", *sorted(set(form_targets))])
    return "; ".join(
        [
            "default-src 'none'",
            *([wanted] if wanted in {OWN_SCRIPT, LIVE} else []),
            "style-src 'self'",
            "img-src 'self'",
            f"form-action {forms}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


class PageHeaders:
    """Middleware that puts the headers on every response below `paths`, errors included."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        form_targets: Callable[[], Iterable[str]],
        production: bool,
        paths: Sequence[str] = PATHS,
    ) -> None:
        self._app = app
        self._form_targets = form_targets
        self._production = production
        self._paths = tuple(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not self._is_page(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _is_page(self, path: str) -> bool:
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self._paths)

    def _add(self, headers: MutableHeaders) -> None:
        for name, value in _STATIC.items():
            headers.setdefault(name, value)
        wanted = headers.get(POLICY)
        headers[POLICY] = content_security_policy(self._form_targets(), wanted)
        allowed = _PASSKEYS.format("(self)" if wanted == OWN_SCRIPT else "()")
        headers["Permissions-Policy"] = (
            f"camera=(), geolocation=(), microphone=(), payment=(), usb=(), {allowed}"
        )
        if self._production:
            headers["Strict-Transport-Security"] = _HSTS
