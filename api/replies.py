"""Looking at raw ASGI requests and answering with a little JSON, for code below any framework."""

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.types import Message, Receive, Scope, Send

NOT_NOW: Final = -32010
"""Of the codes that MCP leaves to implementations: the same request is worth sending again."""


def headers_named(scope: Scope, name: bytes) -> list[bytes]:
    """Every value of a header, in order; `name` in lower case. More than one is often an attack."""
    return [value for key, value in scope["headers"] if key == name]


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that begins with a body that was read already."""
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


def error(code: str, description: str) -> dict[str, object]:
    """The body of a refusal in the form OAuth gives it (RFC 6749 §5.2)."""
    return {"error": code, "error_description": description}


def rpc_error(code: int, message: str) -> dict[str, object]:
    """The body of a refusal in the form of JSON-RPC, when no request id is known."""
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}


async def not_now(
    send: Send,
    status: HTTPStatus,
    why: str,
    *,
    code: str,
    wait_s: float,
    request_id: str | int | None = None,
) -> None:
    """Refuses a request before anything was done, and says when it is worth sending again.

    Programs find that in `Retry-After` and in the error's data; models in its message, which is all
    that some clients show.
    """
    after_s = max(1, math.ceil(wait_s))
    told: dict[str, object] = {
        "code": NOT_NOW,
        "message": f"{why} Try again in {after_s} s.",
        "data": {"code": code, "retryAfter": after_s},
    }
    body = {"jsonrpc": "2.0", "id": request_id, "error": told}
    await reply(send, status, body, retry_after=str(after_s))


async def reply(send: Send, status: HTTPStatus, body: Mapping[str, object], **headers: str) -> None:
    """Send one complete JSON response; underscores in header names become hyphens."""
    content = json.dumps(body).encode()
    extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send(
        {
            "type": "http.response.start",
            "status": status.value,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                (b"cache-control", b"no-store"),
                *extra,
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
