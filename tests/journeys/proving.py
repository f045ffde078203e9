"""A client with a key: its token is bound to it at the issuer, each request proves it."""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from dev.issuer.clients import CLI_CLIENT
from dev.login_driver import sign_in
from tests.journeys.live import Live
from tests.shared.jose_tokens import b64
from tests.shared.proof_keys import ProofKey

REDIRECT = "http://127.0.0.1:4711/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"


def tokens(live: Live, key: ProofKey, subject: str = "dev-requester") -> dict[str, Any]:
    """The answer of the token endpoint after a login of `subject`, beside a proof of `key`."""
    request = {
        "response_type": "code",
        "client_id": CLI_CLIENT,
        "redirect_uri": REDIRECT,
        "scope": "mcp:tools",
        "resource": live.mcp,
        "code_challenge": b64(hashlib.sha256(VERIFIER.encode()).digest()),
        "code_challenge_method": "S256",
    }
    back = sign_in(f"{live.record.issuer}/authorize?{urlencode(request)}", subject)
    (code,) = parse_qs(urlsplit(back).query)["code"]
    form = {
        "grant_type": "authorization_code",
        "client_id": CLI_CLIENT,
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return redeemed(live, key, form)


def redeemed(live: Live, key: ProofKey, form: dict[str, str]) -> dict[str, Any]:
    """What the token endpoint gives for a form beside a proof of `key`."""
    endpoint = f"{live.record.issuer}/token"
    proof = {"dpop": key.proof("POST", endpoint)}
    answer = httpx2.post(endpoint, data=form, headers=proof, trust_env=False)
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


@dataclass(slots=True)
class WithProofs(httpx2.Auth):
    """Shows a token that is bound to `key`, with a proof of its own for each request."""

    key: ProofKey
    token: str
    resource: str
    """The address that proofs name: the gateway's, not that of what stands before it."""

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["authorization"] = f"DPoP {self.token}"
        request.headers["dpop"] = self.key.proof(request.method, self.resource, token=self.token)
        yield request
