"""Answers a stateless `tools/list` (2026-07-28) with the bytes of before, and the request's own id.

The list is the same for everybody (`api.same_list`), so two requests that differ only in their id
and in who sends them get the same answer. What the SDK would say is never guessed: only a request
that it has answered before, every header that could matter and every field alike, is answered here.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.replies import headers_named
from api.turning_away import ASKED

MOST_KNOWN: Final = 64
"""Kinds of request: one for each version of each client, in life."""

_METHOD: Final = "tools/list"
_REVISIONS: Final = frozenset(version.encode() for version in MODERN_PROTOCOL_VERSIONS)
_WHO_AND_WHICH: Final = frozenset(
    {b"authorization", b"dpop", b"content-length", b"user-agent", b"x-request-id"}
    | {b"traceparent", b"tracestate", b"x-forwarded-for", b"forwarded"}
)
"""Headers that say who asks, and which request this is; the layers in front have read them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One request for the list: its id as JSON, and what it is beside that."""

    id: bytes
    digest: bytes

    @property
    def opening(self) -> bytes:
        """How the SDK begins the answer."""
        return b'{"jsonrpc":"2.0","id":' + self.id + b',"result":'


class SameBytes:
    """A layer below those that know callers and limits."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        if asked is None:
            await self._app(scope, receive, send)
        elif (rest := self._known.get(asked.digest)) is not None:
            self._known.move_to_end(asked.digest)
            await _answer(send, asked.opening + rest)
        else:
            await self._app(scope, receive, self._noting(asked, send))

    def _noting(self, asked: _Asked, send: Send) -> Send:
        """A `send` that keeps a good answer which came in one piece."""
        is_plain = False

        async def said(message: Message) -> None:
            nonlocal is_plain
            if message["type"] == "http.response.start":
                kinds = [value for name, value in message["headers"] if name == b"content-type"]
                is_plain = message["status"] == HTTPStatus.OK and kinds == [b"application/json"]
            elif message.get("more_body", False):
                is_plain = False
            elif is_plain:
                self._note(asked, message.get("body", b""))
            await send(message)

        return said

    def _note(self, asked: _Asked, body: bytes) -> None:
        if not body.startswith(asked.opening):  # an error, or not as the SDK writes it
            return
        self._known[asked.digest] = body[len(asked.opening) :]
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _asked(scope: Scope) -> _Asked | None:
    """The request, if its answer can depend on nothing but what is in its digest."""
    message = scope.get(ASKED)
    if scope["method"] != "POST" or not isinstance(message, dict) or "id" not in message:
        return None
    versions = headers_named(scope, b"mcp-protocol-version")
    if message.get("method") != _METHOD or len(versions) != 1 or versions[0] not in _REVISIONS:
        return None
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name not in _WHO_AND_WHICH
    ]
    fields = {name: value for name, value in message.items() if name != "id"}
    told = json.dumps([headers, fields], sort_keys=True).encode()
    return _Asked(id=json.dumps(message["id"]).encode(), digest=hashlib.sha256(told).digest())


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
    await send({"type": "http.response.body", "body": body})
