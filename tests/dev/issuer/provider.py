"""The issuer in process, with a clock to turn, and the moves that a client and a browser make."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from jwt.algorithms import ECAlgorithm
from starlette.testclient import TestClient

from dev.issuer.app import create_app
from dev.issuer.assertions import ASSERTION_TYPE
from dev.issuer.clients import APPROVAL_CLIENT
from dev.issuer.settings import DEFAULT_APPROVAL_REDIRECT, DEFAULT_RESOURCE, Settings
from dev.login_driver import forms, sign_in

ISSUER = "http://127.0.0.1:3011"
REDIRECT = "http://127.0.0.1:4711/callback"
VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
START = 1_790_000_000.0

Json = dict[str, Any]


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is turned."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += seconds


@dataclass(slots=True, kw_only=True)
class ClientKey:
    """The key of a confidential client, and the assertions it signs."""

    client_id: str
    clock: Clock
    kid: str = "k1"
    private: EllipticCurvePrivateKey = field(
        default_factory=lambda: generate_private_key(SECP256R1())
    )
    _count: int = 0

    @property
    def jwk(self) -> dict[str, str]:
        public = json.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        return {**public, "kid": self.kid, "use": "sig", "alg": "ES256"}

    def claims(self, **changes: object) -> Json:
        self._count += 1
        now = int(self.clock())
        claims: Json = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": f"jti-{self._count}",
        }
        changed = {**claims, **changes}
        return {name: value for name, value in changed.items() if value is not None}

    def assertion(self, **changes: object) -> str:
        """A good assertion, but for `changes` to its claims; None removes one."""
        claims = self.claims(**changes)
        return jwt.encode(claims, self.private, algorithm="ES256", headers={"kid": self.kid})

    def proof(self, **changes: object) -> dict[str, str]:
        """The form fields of client authentication."""
        return with_assertion(self.assertion(**changes))


def with_assertion(assertion: str) -> dict[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


class Provider:
    """One issuer on one state folder, and one browser."""

    def __init__(self, state: Path, *, clock: Clock, approval_jwks: Path | None = None) -> None:
        self.clock = clock
        self.settings = Settings(state=state, clock=clock, approval_jwks=approval_jwks)
        self.app = create_app(self.settings)
        self.browser = self.new_browser()

    def new_browser(self) -> TestClient:
        return TestClient(
            self.app, base_url=ISSUER, follow_redirects=False, client=("127.0.0.1", 50_000)
        )

    def register(self, **metadata: object) -> Json:
        wish = {"redirect_uris": [REDIRECT], "client_name": "Test client"} | metadata
        wish.setdefault("grant_types", ["authorization_code", "refresh_token"])
        answer = self.browser.post("/register", json=wish)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def request(self, client_id: str, /, **changes: str | None) -> dict[str, str]:
        """The parameters of a good authorization request, but for `changes`; None removes one."""
        params: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": REDIRECT,
            "scope": "openid mcp:tools",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": DEFAULT_RESOURCE,
        }
        return {name: value for name, value in (params | changes).items() if value is not None}

    def authorize(self, client_id: str, /, **changes: str | None) -> httpx2.Response:
        return self.browser.get("/authorize", params=self.request(client_id, **changes))

    def sign_in(
        self, client_id: str, subject: str = "dev-requester", /, **changes: str | None
    ) -> Json:
        """What the client's callback gets after a login as `subject`."""
        url = f"{ISSUER}/authorize?{httpx2.QueryParams(self.request(client_id, **changes))}"
        return callback(sign_in(url, subject, client=self.browser))

    def code(self, client_id: str, /, **changes: str | None) -> str:
        return str(self.sign_in(client_id, "dev-requester", **changes)["code"])

    def token(self, client_id: str | None, code: str, /, **changes: str | None) -> httpx2.Response:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        return self.post("/token", **(form | changes))

    def refresh(self, client_id: str, token: str, /, **changes: str | None) -> httpx2.Response:
        form: dict[str, str | None] = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "refresh_token": token,
        }
        return self.post("/token", **(form | changes))

    def tokens(self, client_id: str, /, **changes: str | None) -> Json:
        """The token answer of a whole login."""
        answer = self.token(client_id, self.code(client_id, **changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def post(self, path: str, /, **form: str | None) -> httpx2.Response:
        return self.browser.post(path, data={k: v for k, v in form.items() if v is not None})

    def claims(self, token: str) -> Json:
        """The claims of a token, its signature checked against the published keys."""
        keys = jwt.PyJWKSet.from_dict(self.browser.get("/jwks").json())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        unchecked: Json = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
        return dict(jwt.decode(token, key, algorithms=["RS256"], options=unchecked))  # type: ignore[arg-type]  # a TypedDict by content


class ApprovalClient:
    """The approval pages' client at a provider that knows its key."""

    def __init__(self, provider: Provider, key: ClientKey) -> None:
        self.provider = provider
        self.key = key

    def push(self, **changes: str | None) -> httpx2.Response:
        wish: dict[str, str | None] = {
            "redirect_uri": DEFAULT_APPROVAL_REDIRECT,
            "scope": "openid",
            "resource": None,
            "prompt": "login",
            "max_age": "0",
        }
        request = self.provider.request(APPROVAL_CLIENT, **(wish | changes))
        return self.provider.post("/par", **(self.key.proof() | request))

    def arrive(self, pushed: httpx2.Response, **changes: str | None) -> httpx2.Response:
        return self.provider.browser.get("/authorize", params=self.link(pushed, **changes))

    def link(self, pushed: httpx2.Response, **changes: str | None) -> dict[str, str]:
        link = {"client_id": APPROVAL_CLIENT, "request_uri": pushed.json()["request_uri"]}
        return {k: v for k, v in (link | changes).items() if v is not None}

    def sign_in(self, subject: str = "dev-approver", **changes: str | None) -> Json:
        link = self.link(self.push(**changes))
        url = f"{ISSUER}/authorize?{httpx2.QueryParams(link)}"
        return callback(sign_in(url, subject, client=self.provider.browser))

    def id_token(self, subject: str = "dev-approver", **changes: str | None) -> Json:
        code = self.sign_in(subject, **changes)["code"]
        proof = self.key.proof() | {"redirect_uri": DEFAULT_APPROVAL_REDIRECT}
        answer = self.provider.token(None, code, **proof)
        assert answer.status_code == 200, answer.text
        return self.provider.claims(answer.json()["id_token"])


def callback(url: str) -> Json:
    """The parameters of a callback URL, `at` being the URL without them."""
    return {"at": url.partition("?")[0]} | dict(parse_qsl(urlsplit(url).query))


def returned(answer: httpx2.Response) -> Json:
    """What a redirect tells the client."""
    assert answer.status_code == 303, answer.text
    return callback(answer.headers["location"])


def login_form(page: httpx2.Response) -> dict[str, str]:
    """The fields of the login page, sent as the requester."""
    assert page.status_code == 200, page.text
    (form,) = forms(page)
    return form.filled("dev-requester")
