"""Who may pass to /mcp, and with which tool in hand: the OAuth layers of `api.edge`.

What a token means is decided in `api.oauth`, which tool needs which scope in `api.callers`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp_types import INVALID_REQUEST, PARSE_ERROR
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers import Caller, may, may_connect, scopes_to_ask_for, speaking_as
from api.metrics import Metrics
from api.oauth import Verifier, access_token
from api.possession import BEARER, DPOP, Shown
from api.protected_resource import ProtectedResource
from api.replies import error, headers_named, reply, rpc_error
from api.turning_away import ASKED
from shared.errors import Fault, Refusal
from shared.strict import (
    strict_json,
)

_SHOWN = re.compile(rb"(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)  # RFC 6750 §2.1
_SECRETS = frozenset({b"authorization", b"dpop"})
_UNREADABLE = Refusal(code="token_encoding", message="The Authorization header is not readable.")

BODY = "infragate.body"
"""The scope's key for the bytes that `api.edge.WholeBody` read."""


class Authentication:
    """Lets in those whose token is believed and has a scope of ours, and says who they are.

    Behind it the caller is `scope["state"]["caller"]` and `api.callers.current()`, and the SDK's
    own authentication context is set, to which it binds sessions. The token itself goes no further.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        verifier: Verifier,
        resource: ProtectedResource,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._resource = resource
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = _shown_token(scope)
        if shown is None:
            await self._ask_for_token(send)
            return
        try:
            caller = await self._caller(shown)
        except Fault as fault:
            await _unavailable(send, fault)
            return
        if isinstance(caller, Refusal):
            await self._refuse(send, caller, shown)
        elif not may_connect(caller, self._resource.full_scope):
            await _ask_for_scope(send, caller, self._resource, self._resource.full_scope)
        else:
            await self._let_in(caller, scope, receive, send)

    async def _caller(self, shown: Shown | Refusal) -> Caller | Refusal:
        return shown if isinstance(shown, Refusal) else await self._verifier.verify_shown(shown)

    async def _let_in(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        user = AuthenticatedUser(access_token(caller, self._resource.resource))
        inner = {
            **scope,
            "headers": [pair for pair in scope["headers"] if pair[0] not in _SECRETS],
            "state": {**scope.get("state", {}), "caller": caller},
            "user": user,
        }
        with speaking_as(caller), _known_to_the_sdk(user):
            await self._app(inner, receive, send)

    async def _ask_for_token(self, send: Send) -> None:
        body = error("missing_token", "A bearer token is required.")
        challenge = self._resource.ask_for_token()
        await reply(send, HTTPStatus.UNAUTHORIZED, body, www_authenticate=challenge)

    async def _refuse(self, send: Send, refusal: Refusal, shown: Shown | Refusal) -> None:
        self._metrics.token_refused(refusal.code)
        body = error("invalid_token", refusal.message) | {"code": refusal.code}
        scheme = shown.scheme if isinstance(shown, Shown) else BEARER
        challenge = self._resource.invalid_token(refusal, scheme)
        await reply(send, HTTPStatus.UNAUTHORIZED, body, www_authenticate=challenge)


class ToolScopes:
    """Refuses a call of a tool that the token's scopes do not cover, so that clients can step up.

    A body that our strict reader does not understand is answered here: passed on, another parser
    might find a tool call in it that we did not see. What is no JSON-RPC message is answered here
    as well: the SDK would say so at length, and repeat it.
    """

    def __init__(self, app: ASGIApp, *, resource: ProtectedResource) -> None:
        self._app = app
        self._resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {key: value for key, value in scope.items() if key != BODY}
        if scope["method"] != "POST":
            await self._app(inner, receive, send)
            return
        message = strict_json(scope[BODY])
        if message is None:
            await reply(send, HTTPStatus.BAD_REQUEST, rpc_error(PARSE_ERROR, "Parse error"))
            return
        caller: Caller = scope["state"]["caller"]
        called, full = _called_tools(message), self._resource.full_scope
        if not all(may(caller, tool, full) for tool in called):
            wanted = scopes_to_ask_for(caller, called, full)
            await _ask_for_scope(send, caller, self._resource, wanted)
        elif (fault := _malformed(message)) is not None:
            told = rpc_error(INVALID_REQUEST, f"Invalid Request: {fault}")
            await reply(send, HTTPStatus.BAD_REQUEST, told)
        else:
            await self._app({**inner, ASKED: message}, receive, send)


def _shown_token(scope: Scope) -> Shown | Refusal | None:
    """The token, None if there is no such header, a refusal if it could mean two things."""
    values = headers_named(scope, b"authorization")
    if len(values) > 1:
        return _UNREADABLE
    if not values or not values[0].lower().startswith((b"bearer", b"dpop")):
        return None
    match = _SHOWN.fullmatch(values[0])
    if match is None:
        return _UNREADABLE
    return Shown(
        scheme=DPOP if match[1].lower() == b"dpop" else BEARER,
        token=match[2].decode("ascii"),
        method=scope["method"],
        proofs=tuple(value.decode("latin-1") for value in headers_named(scope, b"dpop")),
    )


def _called_tools(message: object) -> frozenset[str]:
    """The names of the tools that a JSON-RPC message, or a batch of them, calls."""
    messages = message if isinstance(message, list) else [message]
    calls = [each for each in messages if isinstance(each, dict)]
    params = [each.get("params") for each in calls if each.get("method") == "tools/call"]
    names = [each.get("name") for each in params if isinstance(each, dict)]
    return frozenset(name for name in names if isinstance(name, str))


def _malformed(message: object) -> str | None:
    """Why it is no message of JSON-RPC 2.0 as MCP has it, or None."""
    if isinstance(message, list):
        return "batches are not taken; send one message per request."
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return 'a message is an object with "jsonrpc": "2.0".'
    if "id" in message and type(message["id"]) not in (str, int):  # strict: True is not an integer
        return "an id is a string or an integer."
    if not isinstance(message.get("params"), dict | None):
        return "params are an object."
    if not (isinstance(message.get("method"), str) or _is_reply(message)):
        return "it has neither a method nor, with an id, a result or an error."
    return None


def _is_reply(message: dict[str, object]) -> bool:
    result, told = message.get("result"), message.get("error")
    return "id" in message and (
        isinstance(result, dict)
        or (
            isinstance(told, dict)
            and type(told.get("code")) is int
            and isinstance(told.get("message"), str)
        )
    )


@contextmanager
def _known_to_the_sdk(user: AuthenticatedUser) -> Iterator[None]:
    """What the SDK's `AuthContextMiddleware` does, for servers that have their own layers."""
    token = auth_context_var.set(user)
    try:
        yield
    finally:
        auth_context_var.reset(token)


async def _ask_for_scope(
    send: Send, caller: Caller, resource: ProtectedResource, scope: str
) -> None:
    body = error("insufficient_scope", "The token lacks a scope that this call needs.")
    challenge = resource.insufficient_scope(scope, DPOP if caller.key_thumbprint else BEARER)
    await reply(send, HTTPStatus.FORBIDDEN, body | {"scope": scope}, www_authenticate=challenge)


async def _unavailable(send: Send, fault: Fault) -> None:
    body = error("temporarily_unavailable", str(fault)) | {"code": fault.code}
    retry_after = str(fault.retry_after or 5)
    await reply(send, HTTPStatus.SERVICE_UNAVAILABLE, body, retry_after=retry_after)
