"""How answers look on the wire: JSON, OAuth errors and redirects back to clients."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.responses import JSONResponse, RedirectResponse

from dev.issuer.requests import Destination
from shared.errors import Refusal

_STATUS = {"invalid_client": 401, "request_too_large": 413, "invalid_token": 401}


def status_of(refusal: Refusal) -> int:
    return _STATUS.get(refusal.code, 400)


def oauth_error(refusal: Refusal) -> JSONResponse:
    """An error answer (RFC 6749 §5.2)."""
    code = "invalid_request" if refusal.code == "request_too_large" else refusal.code
    body = {"error": code, "error_description": refusal.message}
    return JSONResponse(body, status_of(refusal))


def back(to: Destination, issuer: str, outcome: Mapping[str, str]) -> RedirectResponse:
    """Sends the browser back to the client with `outcome`, `state` and `iss` (RFC 9207)."""
    answer = {**outcome, **({"state": to.state} if to.state is not None else {}), "iss": issuer}
    parts = urlsplit(to.redirect_uri)
    query = "&".join(filter(None, [parts.query, urlencode(answer)]))
    return RedirectResponse(urlunsplit(parts._replace(query=query)), 303)


def back_with_error(to: Destination, issuer: str, refusal: Refusal) -> RedirectResponse:
    """Tells the client why there is no code (RFC 6749 §4.1.2.1)."""
    return back(to, issuer, {"error": refusal.code, "error_description": refusal.message})
