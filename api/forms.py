"""Forms that people post: who may send them and what is in them; what they do is not here.

Three things must hold, and none of them is enough alone: the browser says that the form came from
our own page (`Origin`, `Sec-Fetch-Site`), and the form carries a token that only a page of this
session, for this very action, can know.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from shared.digests import base64url
from shared.errors import Refusal

MAX_FORM_BYTES: Final = 16 * 1024
MAX_FIELDS: Final = 16
TOKEN_FIELD: Final = "form_token"  # noqa: S105 - the name of a field
_DOMAIN: Final = b"infragate/form/v1\0"
_FORM: Final = "application/x-www-form-urlencoded"


def form_token(cookie: str, path: str) -> str:
    """Returns the token of the form that is posted to `path` from the session of `cookie`."""
    mac = hmac.new(cookie.encode(), _DOMAIN + path.encode(), hashlib.sha256)
    return base64url(mac.digest())


def sender_refusal(headers: Mapping[str, str], *, origin: str) -> Refusal | None:
    """Returns why a POST with these headers is not from our own page; None if it is.

    Every browser sends `Origin` with a POST; `Sec-Fetch-Site` is sent by those of today, on https
    and loopback, and no script can forge it.
    """
    if headers.get("origin") != origin or headers.get("sec-fetch-site", "same-origin") != (
        "same-origin"
    ):
        return Refusal(
            code="form_foreign",
            message="The request did not come from a page of this site, which is at "
            + origin
            + ".",
        )
    return None


def token_refusal(form: Mapping[str, str], *, cookie: str, path: str) -> Refusal | None:
    """Returns why a form is not from a page of this session; None if it is."""
    sent = form.get(TOKEN_FIELD, "").encode()
    if not hmac.compare_digest(sent, form_token(cookie, path).encode()):
        return Refusal(
            code="form_token",
            message="The page was opened in another session, so nothing was done.",
        )
    return None


async def read_form(request: Request) -> dict[str, str] | Refusal:
    """Returns the fields of a posted form: bounded, each name once."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _FORM:
        return _malformed()
    body = await _read_body(request)
    if body is None:
        return _malformed()
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        return _malformed()
    form = dict(pairs)
    return form if len(form) == len(pairs) else _malformed()


async def _read_body(request: Request) -> bytes | None:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                return None
    except ClientDisconnect:
        return None
    return bytes(body)


def _malformed() -> Refusal:
    return Refusal(code="form_malformed", message="The form cannot be read; nothing was done.")
