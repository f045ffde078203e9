"""What every request passes before anybody reads it: plain ASGI, one layer per question.

Is this Host ours, is this Origin welcome, is the body small, who is calling, do they call too
often, may they use this tool, is there room for the call, was this answered before, is there a
session to speak in? `at_edge` puts the layers in that order. The two that concern tokens are in
`api.gate`, the one that counts in `api.fair_use`, the one that knows of queues in
`api.turning_away`, the one that remembers in `api.same_bytes`.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import anyio
from mcp_types import INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

from api.gate import BODY, Authentication, ToolScopes
from api.metrics import Counted, Metrics
from api.numbering import Numbering
from api.oauth import Verifier
from api.protected_resource import ProtectedResource
from api.replies import error, headers_named, replayed, reply, rpc_error
from api.same_bytes import SameBytes
from api.traced import Traced
from api.turning_away import Room, TurningAway
from shared.tracing import Tracer

MCP_PATH: Final = "/mcp"
MAX_BODY_BYTES: Final = 1024 * 1024
"""Room for the largest manifest that a plan takes, with JSON's escapes."""
BODY_TIMEOUT_S: Final = 30.0
"""For the whole body: a client that drips holds a buffer no longer than this."""

_DECLARED = re.compile(rb"[0-9]{1,18}")
_HANDSHAKE_ERA = frozenset(version.encode() for version in HANDSHAKE_PROTOCOL_VERSIONS)


def at_edge(  # noqa: PLR0913 - one for each layer
    *,
    mcp: ASGIApp,
    other: ASGIApp,
    verifier: Verifier,
    resource: ProtectedResource,
    allowed_hosts: Sequence[str],
    allowed_origins: Sequence[str],
    max_body_bytes: int = MAX_BODY_BYTES,
    fair_use: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    room: Room | None = None,
    metrics: Metrics | None = None,
    tracer: Tracer | None = None,
) -> ASGIApp:
    """The whole gateway as one ASGI application.

    `mcp` is the SDK's session manager (`handle_request`) and must not be reachable by a route of
    `other`: a router's idea of a path (a trailing newline matches `$`) is not what protects it.
    `other` gets the lifespan and every other path. Hosts and origins are exact, or end in `:*` for
    any port. `fair_use` puts the layer that counts in front, see `api.fair_use`;
    `room` knows queues, see `api.queue_room`.
    """
    metrics = metrics or Metrics()
    app: ASGIApp = SameBytes(SessionRequired(mcp))
    app = TurningAway(app, metrics=metrics, room=room)
    app = ToolScopes(app, resource=resource)
    app = WholeBody(app, limit=max_body_bytes)
    app = Authentication(fair_use(app), verifier=verifier, resource=resource, metrics=metrics)
    app = DeclaredLength(app, limit=max_body_bytes)
    app = AllowedOrigins(app, allowed_origins)
    app = AllowedHosts(app, allowed_hosts)
    app = Counted(app, metrics, door="mcp")
    if tracer is not None:
        app = Traced(app, tracer)
    other = Counted(other, metrics, door="pages")
    return Numbering(Paths(mcp=app, well_known=WellKnown(resource), other=other))


class Paths:
    """Sends the MCP path, with or without its slash, through the layers; never a redirect.

    A redirect would lose the method and the token in several clients.
    """

    def __init__(self, *, mcp: ASGIApp, well_known: ASGIApp, other: ASGIApp) -> None:
        self._mcp = mcp
        self._well_known = well_known
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if path in (MCP_PATH, f"{MCP_PATH}/"):
            scope = {**scope, "path": MCP_PATH, "raw_path": MCP_PATH.encode()}
            await self._mcp(scope, receive, send)
        elif path.startswith("/.well-known/"):
            await self._well_known(scope, receive, send)
        else:
            await self._other(scope, receive, send)


class WellKnown:
    """Everything under /.well-known/: our metadata at its two places, else a JSON 404.

    Clients probe there for documents that we do not have; an HTML page would confuse them.
    """

    def __init__(self, resource: ProtectedResource) -> None:
        self._resource = resource

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] not in self._resource.metadata_paths:
            body = error("not_found", "There is no such document.")
            await reply(send, HTTPStatus.NOT_FOUND, body)
        elif scope["method"] not in ("GET", "HEAD"):
            body = error("method_not_allowed", "This document can only be read.")
            await reply(send, HTTPStatus.METHOD_NOT_ALLOWED, body, allow="GET, HEAD")
        else:
            await reply(send, HTTPStatus.OK, self._resource.metadata())


class AllowedHosts:
    """Refuses requests that were sent to another name: DNS rebinding (421, RFC 9110 §15.5.20)."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app = app
        self._is_allowed = _one_of(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = headers_named(scope, b"host")
        if len(hosts) == 1 and self._is_allowed(hosts[0]):
            await self._app(scope, receive, send)
            return
        body = error("invalid_host", "This gateway is not served under that Host.")
        await reply(send, HTTPStatus.MISDIRECTED_REQUEST, body)


class OwnHost:
    """Asks pages for our own Host (DNS rebinding); health checks may come by any name."""

    def __init__(self, pages: ASGIApp, health: ASGIApp, hosts: Sequence[str]) -> None:
        self._pages = AllowedHosts(pages, hosts)
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        free = scope["type"] != "http" or scope["path"] in {"/healthz", "/readyz"}
        await (self._health if free else self._pages)(scope, receive, send)


class AllowedOrigins:
    """Refuses requests that a foreign web page makes; programs other than browsers send none."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app = app
        self._is_allowed = _one_of(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if all(map(self._is_allowed, headers_named(scope, b"origin"))):
            await self._app(scope, receive, send)
            return
        body = error("invalid_origin", "Requests from that Origin are not accepted.")
        await reply(send, HTTPStatus.FORBIDDEN, body)


class DeclaredLength:
    """Refuses a body that says it is too large, before anybody is asked who they are."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lengths = headers_named(scope, b"content-length")
        if all(_DECLARED.fullmatch(each) and int(each) <= self._limit for each in lengths):
            await self._app(scope, receive, send)
        else:
            await _too_large(send, self._limit)


class WholeBody:
    """Reads the body once, bounded in size and time, and replays it to the layers behind.

    It comes after authentication: a stranger cannot make the gateway hold a megabyte.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with anyio.fail_after(BODY_TIMEOUT_S):
                body = await _read(receive, self._limit)
        except TimeoutError:
            late = error("request_timeout", "The request body did not arrive in time.")
            await reply(send, HTTPStatus.REQUEST_TIMEOUT, late)
        except _TooLarge:
            await _too_large(send, self._limit)
        except _Gone:
            return
        else:
            await self._app({**scope, BODY: body}, replayed(body, receive), send)


class SessionRequired:
    """Answers GET and DELETE of the handshake era without a session id, which mean nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        speaks_in_session = scope["method"] in ("GET", "DELETE") and _is_handshake_era(scope)
        if not speaks_in_session or headers_named(scope, b"mcp-session-id"):
            await self._app(scope, receive, send)
            return
        message = (
            "Bad Request: a session id is required. Send initialize first, then Mcp-Session-Id."
        )
        await reply(send, HTTPStatus.BAD_REQUEST, rpc_error(INVALID_REQUEST, message))


class _TooLarge(Exception):  # noqa: N818 - private, caught in this file
    pass


class _Gone(Exception):  # noqa: N818 - private, caught in this file
    """The client hung up while it was still sending."""


async def _read(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > limit:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _one_of(allowed: Sequence[str]) -> Callable[[bytes], bool]:
    """Whether a header is one of these, letter case aside; `name:*` allows any port."""
    exact = [re.escape(each.removesuffix(":*")) for each in allowed]
    ports = [r":[0-9]{1,5}" if each.endswith(":*") else "" for each in allowed]
    pattern = "|".join(name + port for name, port in zip(exact, ports, strict=True))
    compiled = re.compile(pattern.encode("ascii"), re.IGNORECASE)
    return lambda value: bool(value) and compiled.fullmatch(value) is not None


def _is_handshake_era(scope: Scope) -> bool:
    return all(
        version in _HANDSHAKE_ERA for version in headers_named(scope, b"mcp-protocol-version")
    )


async def _too_large(send: Send, limit: int) -> None:
    body = error("request_too_large", f"The request body is larger than {limit} bytes.")
    await reply(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, body)
