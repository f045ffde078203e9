"""Requests of the handshake era as they come: one message, read strictly, and whose session it is.

Decides nothing about sessions; that is for `api.sessions`.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.streamable_http import check_accept_headers
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    InitializeRequestParams,
    JSONRPCMessage,
    JSONRPCRequest,
    jsonrpc_message_adapter,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Scope

from api.replies import headers_named
from shared.foreign_json import foreign_json
from shared.stores.mcp_sessions import McpSession, Owner

_SESSION_ID: Final = re.compile(rb"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A session in which a request speaks."""

    session_id: str
    session: McpSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """Why a request is turned away."""

    status: HTTPStatus
    message: str
    code: int = INVALID_REQUEST


NO_SESSION_ID: Final = Turned(
    status=HTTPStatus.BAD_REQUEST,
    message="Bad Request: a session id is required. Send initialize first, then Mcp-Session-Id.",
)
NO_SUCH_SESSION: Final = Turned(status=HTTPStatus.NOT_FOUND, message="Session not found")
WRONG_METHOD: Final = Turned(status=HTTPStatus.METHOD_NOT_ALLOWED, message="Method Not Allowed")
TOO_MUCH_SAID: Final = Turned(
    status=HTTPStatus.BAD_REQUEST, message="clientInfo and capabilities are too large"
)
UNKNOWN_EVENT: Final = Turned(status=HTTPStatus.BAD_REQUEST, message="Unknown event id")
STREAM_TAKEN: Final = Turned(
    status=HTTPStatus.CONFLICT, message="Conflict: Only one SSE stream is allowed per session"
)
NO_EVENTS: Final = Turned(
    status=HTTPStatus.NOT_ACCEPTABLE,
    message="Not Acceptable: Client must accept text/event-stream",
)
_NOT_BOTH: Final = Turned(
    status=HTTPStatus.NOT_ACCEPTABLE,
    message="Not Acceptable: Client must accept both application/json and text/event-stream",
)
_NOT_JSON: Final = Turned(
    status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    message="Unsupported Media Type: Content-Type must be application/json",
)
_NOT_A_MESSAGE: Final = Turned(
    status=HTTPStatus.BAD_REQUEST, message="Not a JSON-RPC request, notification or response"
)
_UNREADABLE: Final = Turned(status=HTTPStatus.BAD_REQUEST, message="Parse error", code=PARSE_ERROR)


def shown_session_id(scope: Scope) -> str | Turned | None:
    """The session id of a request, None if there is none, why not if it can be none of ours."""
    shown = headers_named(scope, b"mcp-session-id")
    if not shown:
        return None
    return (
        shown[0].decode()
        if len(shown) == 1 and _SESSION_ID.fullmatch(shown[0])
        else (NO_SUCH_SESSION)
    )


def owner_of(scope: Scope) -> Owner:
    """Who sends a request, as the layers in front have found out."""
    user = scope.get("user")
    if not isinstance(user, AuthenticatedUser):
        return Owner()
    known = authorization_context(user)
    return Owner(
        client_id=known["client_id"], iss=known["issuer"] or "", sub=known["subject"] or ""
    )


def message_of(request: Request, body: bytes) -> JSONRPCMessage | Turned:
    """The one JSON-RPC message of a POST."""
    if not all(check_accept_headers(request)):
        return _NOT_BOTH
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        return _NOT_JSON
    try:
        return jsonrpc_message_adapter.validate_python(foreign_json(body), by_name=False)
    except ValidationError:
        return _NOT_A_MESSAGE
    except ValueError:
        return _UNREADABLE


def session_from(message: JSONRPCRequest, owner: Owner) -> McpSession | None:
    """What `initialize` says, with the revision that the SDK will answer; None if malformed."""
    try:
        said = InitializeRequestParams.model_validate(message.params or {}, by_name=False)
    except ValidationError:
        return None
    wanted = said.protocol_version
    return McpSession(
        owner=owner,
        protocol_version=(
            wanted if wanted in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION
        ),
        client_info=said.client_info.model_dump(mode="json", by_alias=True, exclude_none=True),
        capabilities=said.capabilities.model_dump(mode="json", by_alias=True, exclude_none=True),
    )
