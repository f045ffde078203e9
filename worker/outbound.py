"""One HTTP request to an address outside cluster and Redis; what it is for is the caller's.

Bounded in time and size, no redirects (they would carry a signed body elsewhere), certificates
always checked. Proxies are those of the environment, except for addresses of this machine.
"""

import email.utils
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from shared.errors import Fault
from shared.foreign_json import foreign_object
from shared.settings import is_loopback

TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 64 * 1024


class NoAnswer(Fault):
    """There was no answer; the text names the kind of trouble, never the address."""

    code = "no_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of any status. `date` is the server's clock in epoch seconds, if it told."""

    status: int
    body: bytes
    date: float | None = None
    retry_after_s: float | None = None

    def document(self) -> dict[str, object]:
        """Returns the JSON object of the body; an empty one if there is none."""
        return foreign_object(self.body)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def ask(url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """GETs, or POSTs `body`; returns the answer whatever its status.

    Raises:
        NoAnswer: the address is not http(s), cannot be reached, or did not answer in 5 s.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise NoAnswer("The address is not http or https.")
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))  # noqa: S310 - the line above
    try:
        with _opener(url).open(request, timeout=TIMEOUT_S) as response:
            return _reply(response.status, response)
    except urllib.error.HTTPError as error:
        with error:
            return _reply(error.code, error)
    except urllib.error.URLError as error:
        raise NoAnswer(_cause(error.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(_cause(error)) from None


def host_of(url: str) -> str:
    """Returns the host alone: paths of webhooks are secrets."""
    return urlsplit(url).hostname or "unknown"


def _opener(url: str) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [
        _NoRedirects(),
        urllib.request.HTTPSHandler(context=_trusting()),
    ]
    if is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


@cache
def _trusting() -> ssl.SSLContext:
    """The system's authorities; reading them takes longer than a request."""
    return ssl.create_default_context()


def _reply(status: int, response: http.client.HTTPResponse | urllib.error.HTTPError) -> Reply:
    wait = response.headers.get("Retry-After") or ""
    return Reply(
        status=status,
        body=_body(response),
        date=epoch_of(response.headers.get("Date")),
        retry_after_s=float(wait) if wait.isascii() and wait.isdigit() else None,
    )


def _body(response: http.client.HTTPResponse | urllib.error.HTTPError) -> bytes:
    """The first `MAX_BYTES`; a server that drips is not waited for."""
    body, deadline = b"", time.monotonic() + TIMEOUT_S
    try:
        while len(body) < MAX_BYTES and (chunk := response.read1(MAX_BYTES - len(body))):
            body += chunk
            if time.monotonic() > deadline:
                raise NoAnswer("the answer comes too slowly")
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(_cause(error)) from None
    return body


def epoch_of(date: str | None) -> float | None:
    """Returns the epoch seconds of an HTTP date (RFC 9110, 5.6.7), or None if it is none."""
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError):
        return None


def _cause(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(reason, ConnectionRefusedError):
        return "nobody listens there"
    return f"no connection ({type(reason).__name__})"
