"""One login by a program on this machine (RFC 8252): its request, and the listener for its answer.

A public client, PKCE, and a listener on 127.0.0.1 that takes the one redirect with our state. The
code that it carries is delivered to this machine and to nobody else; redeeming it is the caller's.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from shared.digests import base64url

HOST: Final = "127.0.0.1"
PATH: Final = "/callback"
MAX_TARGET: Final = 8192
CONNECTION_S: Final = 2
"""Browsers open connections on suspicion and send nothing on them."""

_HEADERS: Final = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One login that is under way; `began` is epoch seconds, the secrets are for one use.

    `fresh` demands that the person signs in anew for it.
    """

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    began: float
    fresh: bool = True

    @classmethod
    def make(
        cls,
        client_id: str,
        redirect_uri: str,
        *,
        began: float,
        nonce: str | None = None,
        fresh: bool = True,
    ) -> Self:
        """Returns a login with secrets of its own; without `nonce` that is one of them."""
        return cls(
            client_id=client_id,
            redirect_uri=redirect_uri,
            state=secrets.token_urlsafe(32),
            nonce=nonce or secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            began=began,
            fresh=fresh,
        )

    def parameters(self) -> dict[str, str]:
        """Returns the authorization request, to be pushed (RFC 9126) or put into an address."""
        challenge = base64url(hashlib.sha256(self.verifier.encode()).digest())
        fresh = {"prompt": "login", "max_age": "0"} if self.fresh else {}
        return {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **fresh,
            "claims": json.dumps({"id_token": {"auth_time": {"essential": True}}}),
        }

    def url(self, endpoint: str) -> str:
        """Returns what the person opens where nothing was pushed."""
        return with_query(endpoint, self.parameters())

    def redemption(self, code: str) -> dict[str, str]:
        """Returns the form that redeems a code (RFC 6749, 4.1.3; RFC 7636, 4.5)."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.client_id,
            "code_verifier": self.verifier,
        }


def with_query(endpoint: str, parameters: Mapping[str, str]) -> str:
    """Returns an address with parameters behind those that it has."""
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(parameters)}"


class Listener(HTTPServer):
    """Waits for the one redirect that carries our state; everything else is answered 404."""

    def __init__(self) -> None:
        """Listens on a free port of this machine, reachable from nowhere else."""
        super().__init__((HOST, 0), _Page)
        self.timeout = 1.0
        self.expected = ""
        self.answer: Mapping[str, str] | None = None

    @property
    def redirect_uri(self) -> str:
        """Returns where the provider is to send the browser."""
        return f"http://{HOST}:{self.server_port}{PATH}"

    def wait(
        self, state: str, clock: Callable[[], float], wait_s: float
    ) -> Mapping[str, str] | None:
        """Returns the parameters of the redirect, or None when none came in time."""
        self.expected, self.answer = state, None
        deadline = clock() + wait_s
        while self.answer is None:
            if clock() > deadline:
                return None
            self.handle_request()
        return self.answer

    def handle_error(self, *_: object) -> None:
        """Says nothing: a browser that goes away early is no matter."""


class _Page(BaseHTTPRequestHandler):
    """What the browser sees at the end."""

    server: Listener
    timeout = CONNECTION_S

    def do_GET(self) -> None:
        """Takes the redirect, once."""
        parts = urlsplit(self.path[:MAX_TARGET])
        given = _single(parts.query)
        state = given.get("state", "").encode()
        ours = secrets.compare_digest(state, self.server.expected.encode())
        host = self.headers.get("Host") == f"{HOST}:{self.server.server_port}"
        waiting = self.server.answer is None and bool(self.server.expected)
        if parts.path != PATH or not (ours and host and waiting):
            self._say(404, "This is not the sign-in that is waited for.")
            return
        self.server.answer = given
        self._say(200, "Thank you. Go on in the terminal; this page can be closed.")

    def _say(self, status: int, words: str) -> None:
        body = words.encode()
        self.send_response_only(status)
        for name, value in {**_HEADERS, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the address holds the code."""


def _single(query: str) -> dict[str, str]:
    """The parameters, without what appears twice (RFC 6749, 3.1)."""
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}
