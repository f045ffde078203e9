"""One real login at the identity provider: which promises of an approval hold there.

A public client with a loopback redirect (RFC 8252), PKCE, a nonce, prompt=login and max_age=0.
Nothing is stored; the tokens are dropped when the report is made.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from shared import approvals, jose
from shared.digests import base64url
from shared.errors import Refusal
from shared.settings import WorkerSettings
from worker.ops.diagnosis import Diagnosis, failed, fine, judged, warning
from worker.ops.provider_checks import key_set, metadata
from worker.outbound import NoAnswer, ask

ABOUT: Final = "login"
CLIENT: Final = "infragate-cli"
PATH: Final = "/callback"
WAIT_S: Final = 300.0
MAX_TARGET: Final = 8192

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One login that is under way; `began` is epoch seconds, the secrets are for one use."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    began: float

    def url(self, endpoint: str) -> str:
        """Returns what the person opens."""
        challenge = base64url(hashlib.sha256(self.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": "0",
            "claims": json.dumps({"id_token": {"auth_time": {"essential": True}}}),
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


def check(
    settings: WorkerSettings,
    clock: Callable[[], float],
    show: Show,
    *,
    client_id: str = CLIENT,
    wait_s: float = WAIT_S,
) -> Iterator[Diagnosis]:
    """Shows the address to open, waits for the login and yields what it proves."""
    found = metadata(settings)
    if isinstance(found, Diagnosis):
        yield found
        return
    document = found.document()
    endpoint, tokens = (document.get(f"{name}_endpoint") for name in ("authorization", "token"))
    if not isinstance(endpoint, str) or not isinstance(tokens, str):
        yield failed(ABOUT, "the metadata lack an endpoint", "see the lines about the provider")
        return
    with _Callback(("127.0.0.1", 0), _Page) as server:
        attempt = _attempt(client_id, server.server_port, clock())
        show(attempt.url(endpoint))
        answer = server.wait(attempt.state, clock, wait_s)
    if isinstance(answer, Diagnosis):
        yield answer
        return
    yield _issuer(answer, document)
    yield from _proofs(attempt, answer, tokens, document, clock)


def _attempt(client_id: str, port: int, now: float) -> Attempt:
    return Attempt(
        client_id=client_id,
        redirect_uri=f"http://127.0.0.1:{port}{PATH}",
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        began=now,
    )


class _Callback(HTTPServer):
    """Waits for the one redirect that carries our state; everything else is answered 404."""

    expected = ""
    answer: Mapping[str, str] | None = None

    def wait(
        self, state: str, clock: Callable[[], float], wait_s: float
    ) -> Mapping[str, str] | Diagnosis:
        """Returns the parameters of the redirect, or that none came or that it was refused."""
        self.expected, self.timeout = state, 1.0
        deadline = clock() + wait_s
        while self.answer is None:
            if clock() > deadline:
                return failed(ABOUT, f"nobody signed in within {wait_s:g} s", "try again")
            self.handle_request()
        if "error" in self.answer or "code" not in self.answer:
            said = f"the provider refused: {self.answer.get('error', 'no code')}"[:200]
            return failed(ABOUT, said, f"register {PATH} on 127.0.0.1 as redirect of the client")
        return self.answer


class _Page(BaseHTTPRequestHandler):
    """What the browser sees at the end."""

    server: _Callback
    timeout = 5

    def do_GET(self) -> None:
        """Takes the redirect, once."""
        parts = urlsplit(self.path[:MAX_TARGET])
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        ours = secrets.compare_digest(
            given.get("state", "").encode(), self.server.expected.encode()
        )
        if parts.path != PATH or not ours:
            self._say(404, "This is not the sign-in that is waited for.")
            return
        self.server.answer = given
        self._say(200, "Thank you. The terminal has the report; this page can be closed.")

    def _say(self, status: int, words: str) -> None:
        body = words.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the address holds the code."""


def _issuer(answer: Mapping[str, str], document: Mapping[str, object]) -> Diagnosis:
    named = answer.get("iss")
    if named is None:
        return warning(
            ABOUT, "the response does not name its issuer", "turn RFC 9207 on at the provider"
        )
    return judged(
        named == document.get("issuer"),
        ABOUT,
        "the response names its issuer (RFC 9207)",
        "the response names another issuer",
        "do not use this provider: logins could be mixed up",
    )


def _proofs(
    attempt: Attempt,
    answer: Mapping[str, str],
    endpoint: str,
    document: Mapping[str, object],
    clock: Callable[[], float],
) -> Iterator[Diagnosis]:
    token = _redeemed(attempt, answer["code"], endpoint)
    if isinstance(token, Diagnosis):
        yield token
        return
    keys = key_set(document)
    if isinstance(keys, str):
        yield failed(ABOUT, keys, "see the lines about the provider")
        return
    verified = jose.verify(token, keys)
    if isinstance(verified, Refusal):
        yield failed(ABOUT, verified.message, "let the provider sign ID tokens as its keys say")
        return
    yield fine(ABOUT, "the ID token's signature holds")
    yield from _claims(attempt, verified.claims, str(document.get("issuer")), int(clock()))


def _redeemed(attempt: Attempt, code: str, endpoint: str) -> str | Diagnosis:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": attempt.redirect_uri,
        "client_id": attempt.client_id,
        "code_verifier": attempt.verifier,
    }
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    try:
        reply = ask(endpoint, body=urlencode(form).encode(), headers=headers)
    except NoAnswer as fault:
        return failed(ABOUT, f"the token endpoint: {fault}", "check DNS and firewall")
    token = reply.document().get("id_token")
    if isinstance(token, str):
        return token
    said = f"no ID token for the code (HTTP {reply.status})"
    return failed(ABOUT, said, f"make {attempt.client_id} a public client with scope openid")


def _claims(
    attempt: Attempt, claims: Mapping[str, object], issuer: str, now: int
) -> Iterator[Diagnosis]:
    refusal = approvals.check_id_token_claims(
        claims, issuer=issuer, client_id=attempt.client_id, now=now
    )
    if refusal is not None:
        yield failed(ABOUT, refusal.message, "see docs/operations.md, The identity provider")
    else:
        yield fine(ABOUT, "issuer, audience and times of the ID token hold")
    yield judged(
        claims.get("nonce") == attempt.nonce,
        ABOUT,
        "nonce holds: a login can commit to a plan",
        "the ID token lacks our nonce: no login can commit to a plan",
        "use a provider that returns nonce",
    )
    signed_in = jose.numeric_date(claims.get("auth_time"))
    yield judged(
        signed_in is not None and signed_in >= attempt.began - approvals.AUTH_TIME_SKEW_S,
        ABOUT,
        "auth_time is of this login: an approval is fresh",
        "auth_time is missing" if signed_in is None else "auth_time is older than this login",
        "map auth_time into ID tokens, make the provider honor prompt=login, synchronize clocks",
    )
