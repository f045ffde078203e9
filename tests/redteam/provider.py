"""Logins as attackers get them: with the approval client's key, with another client, or forged."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from api.client_key import ClientKey, read_client_key
from api.provider import ASSERTION_TYPE
from dev.issuer.keys import Keyring
from dev.login_driver import sign_in
from shared.approvals import AUTH_TIME_SKEW_S, SignedStatement
from shared.digests import base64url
from tests.cluster.conftest import eventually
from tests.redteam.stage import Stage

CLIENT = "infra-gate-approval-ui"
PUBLIC_CLIENT = "infragate-cli"
TERMINAL_CLIENT = "infra-gate-approval-cli"
LOOPBACK = "http://127.0.0.1:9/callback"
"""Where nobody listens: the address itself is what an attacker reads."""

OWN_KEY: RSAPrivateKey = generate_private_key(public_exponent=65537, key_size=2048)


def authorization(nonce: str, redirect: str, **changed: str) -> tuple[dict[str, str], str]:
    """The parameters of an authorization request, and the PKCE secret to redeem its code with."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64url(hashlib.sha256(verifier.encode()).digest())
    usual = {
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "nonce": nonce,
        "redirect_uri": redirect,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return {**usual, **changed}, verifier


def assertion(stage: Stage, key: ClientKey | RSAPrivateKey) -> dict[str, str]:
    """What proves to the provider that the approval client speaks, signed by a key."""
    now = int(time.time())
    claims = {
        "iss": CLIENT,
        "sub": CLIENT,
        "aud": stage.record.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(12),
    }
    signed = key.sign(claims) if isinstance(key, ClientKey) else jwt.encode(claims, key, "RS256")
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}


@dataclass(slots=True, kw_only=True)
class PagesOwner:
    """Whoever owns the approval pages' process: begins and ends logins as the approval client."""

    stage: Stage

    @property
    def key(self) -> ClientKey:
        path = self.stage.environment("approvals")["INFRA_GATE_APPROVAL_CLIENT_KEY_FILE"]
        return read_client_key(Path(path))

    def begin(self, nonce: str, **changed: str) -> tuple[str, str]:
        """Pushes an authorization request; returns where a browser must go, and the PKCE secret."""
        redirect = f"{self.stage.approvals}/approvals/callback"
        form, verifier = authorization(nonce, redirect, **changed)
        answer = self._post("/par", form)
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        query = urlencode({"client_id": CLIENT, "request_uri": answer.json()["request_uri"]})
        return f"{self.stage.record.issuer}/authorize?{query}", verifier

    def redeem(self, callback: str, verifier: str) -> str:
        """The ID token for the code that the browser was sent back with."""
        form = {
            "grant_type": "authorization_code",
            "code": code_in(callback),
            "redirect_uri": f"{self.stage.approvals}/approvals/callback",
            "code_verifier": verifier,
        }
        answer = self._post("/token", form)
        assert answer.status_code == httpx2.codes.OK, answer.text
        return str(answer.json()["id_token"])

    def login(self, nonce: str, browser: httpx2.Client, subject: str, **changed: str) -> str:
        """A whole login in somebody's browser; returns its ID token."""
        url, verifier = self.begin(nonce, **changed)
        return self.redeem(sign_in(url, subject, client=browser), verifier)

    def _post(self, path: str, form: Mapping[str, str]) -> httpx2.Response:
        given = {**form, "client_id": CLIENT, **assertion(self.stage, self.key)}
        return httpx2.post(f"{self.stage.record.issuer}{path}", data=given, trust_env=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The browser of an approver who signed in at the provider at `at`, to look at something."""

    browser: httpx2.Client
    at: float

    def until_long_ago(self) -> None:
        """Waits until that login is older than any difference of clocks that is allowed for."""
        eventually(lambda: time.time() > self.at + AUTH_TIME_SKEW_S + 2)


def code_in(callback: str) -> str:
    """The code in the address that a browser was sent back to."""
    return parse_qs(urlsplit(callback).query)["code"][0]


@dataclass(slots=True, kw_only=True)
class Forge:
    """ID tokens about one statement: by the provider's real key, or by one of our own."""

    stage: Stage
    signed: SignedStatement

    @property
    def provider(self) -> Keyring:
        path = next(self.stage.places.issuer.glob("*keys*.json"))
        return Keyring(path, clock=time.time)

    def claims(self, **changed: object) -> dict[str, object]:
        """The claims of an honest login for the statement, changed; None leaves one out."""
        now = int(time.time())
        honest: dict[str, object] = {
            "iss": self.stage.record.issuer,
            "sub": self.signed.statement.approver.sub,
            "aud": CLIENT,
            "azp": CLIENT,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": self.signed.statement.nonce(),
            "sid": secrets.token_urlsafe(8),
        }
        return {name: value for name, value in (honest | changed).items() if value is not None}

    def real(self, **changed: object) -> str:
        """A token that the provider itself signed: for another login, client or moment."""
        return self.provider.sign(self.claims(**changed), typ="JWT")

    def access_token(self) -> str:
        """An access token with everything that an ID token has."""
        return self.real(scope="openid", client_id=CLIENT)

    def own(self, key: object = OWN_KEY, alg: str = "RS256", **header: object) -> str:
        """A token that we signed ourselves, under the name of the provider's key."""
        headers = {"kid": self.kid, **header}
        return jwt.encode(self.claims(), key, algorithm=alg, headers=headers)  # type: ignore[arg-type]  # any key

    @property
    def kid(self) -> str:
        return str(self.provider.jwks()["keys"][0]["kid"])

    def unsigned(self) -> str:
        """`alg: none`."""
        header = base64url(json.dumps({"alg": "none", "kid": self.kid}).encode())
        return f"{header}.{base64url(json.dumps(self.claims()).encode())}."

    def hmac_of_public_key(self) -> str:
        """HS256 with the provider's published key as the secret."""
        header = base64url(json.dumps({"alg": "HS256", "kid": self.kid}).encode())
        content = f"{header}.{base64url(json.dumps(self.claims()).encode())}"
        secret = json.dumps(self.provider.jwks()["keys"][0]).encode()
        signature = hmac.new(secret, content.encode(), hashlib.sha256).digest()
        return f"{content}.{base64url(signature)}"

    def embedded(self) -> str:
        """Signed by our key, which comes along in the header."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OWN_KEY.public_key()))
        return self.own(jwk=public)

    def twice(self) -> str:
        """A token that the provider would never sign: one claim is there twice."""
        payload = json.dumps(self.claims())[:-1] + ', "sub": "dev-outsider"}'
        key = self.provider._keys[-1].private
        return jwt.api_jws.encode(payload.encode(), key, "RS256", headers={"kid": self.kid})

    def bent(self) -> str:
        """A real token whose claims were changed after signing."""
        header, _, signature = self.real(nonce="another").split(".")
        return f"{header}.{base64url(json.dumps(self.claims()).encode())}.{signature}"
