"""Parameters as they come in: bounded bodies, forms and queries in which nothing appears twice."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from shared.errors import Refusal
from shared.foreign_json import foreign_json

MAX_BODY = 32_768
"""Bytes of a request body."""
_MAX_FIELDS = 64

Params = dict[str, str]


async def read_body(request: Request, limit: int = MAX_BODY) -> bytes | Refusal:
    """The body, read no further than `limit` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return Refusal(code="request_too_large", message=f"the body exceeds {limit} bytes")
    return bytes(body)


async def read_form(request: Request) -> Params | Refusal:
    """The fields of an `application/x-www-form-urlencoded` body."""
    if not has_type(request, "application/x-www-form-urlencoded"):
        return _refused("the body must be application/x-www-form-urlencoded")
    body = await read_body(request)
    if isinstance(body, Refusal):
        return body
    return parse(body.decode("latin-1"))


async def read_json_body(request: Request, limit: int) -> object | Refusal:
    """The JSON value of the body."""
    if not has_type(request, "application/json"):
        return _refused("the body must be application/json")
    body = await read_body(request, limit)
    if isinstance(body, Refusal):
        return body
    try:
        value: object = foreign_json(body)
    except ValueError:
        return _refused("the body is not JSON")
    return value


def parse(text: str) -> Params | Refusal:
    """Query or form fields; a field without a value counts as absent (RFC 6749 §3.1).

    Refused when a field appears twice, since two readers might then see two requests.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        return _refused("the parameters cannot be read")
    if len({name for name, _ in pairs}) != len(pairs):
        return _refused("a parameter appears more than once")
    return {name: value for name, value in pairs if value}


def query(request: Request) -> Params | Refusal:
    return parse(request.url.query)


def has_type(request: Request, media_type: str) -> bool:
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == media_type


def _refused(why: str) -> Refusal:
    return Refusal(code="invalid_request", message=why)
