"""What exists for development alone: a token without a browser, and key rotation on demand.

Whoever calls must be on this machine, be no browser, and know the secret that lies in the state
folder, readable by its owner only.
"""

import hmac
import secrets
from ipaddress import ip_address
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dev.issuer.answers import oauth_error
from dev.issuer.clients import CLI_CLIENT
from dev.issuer.files import write_text
from dev.issuer.forms import read_json_body
from dev.issuer.keys import Keyring
from dev.issuer.people import PEOPLE
from dev.issuer.settings import RESOURCE_SCOPES, Settings
from dev.issuer.tokens import ACCESS_LIFETIME, Tokens
from shared.errors import Refusal

SECRET_FILE = "dev-secret"  # noqa: S105 - a file's name
_MAX_BODY = 4096


class Shortcut:
    """POST /_dev/token and POST /_dev/rotate."""

    def __init__(self, settings: Settings, keys: Keyring, tokens: Tokens) -> None:
        self._resources = settings.resources
        self._keys = keys
        self._tokens = tokens
        self._secret = _secret(settings.state / SECRET_FILE)

    async def token(self, http: Request) -> Response:
        """An access token for a demo person: {subject, scope, resource} in, an OAuth answer out."""
        if not self._may(http):
            return _forbidden()
        wish = await read_json_body(http, _MAX_BODY)
        if isinstance(wish, Refusal) or not isinstance(wish, dict):
            return oauth_error(
                Refusal(code="invalid_request", message="the body must be an object")
            )
        subject, scope = str(wish.get("subject")), str(wish.get("scope", "")).split()
        resource = str(wish.get("resource") or self._resources[0])
        problem = self._problem(subject, scope, resource)
        if problem is not None:
            return oauth_error(problem)
        token = self._tokens.access_token(
            subject=subject, client_id=CLI_CLIENT, scope=scope, resource=resource
        )
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": ACCESS_LIFETIME}
        return JSONResponse(answer | {"scope": " ".join(scope)})

    async def rotate(self, http: Request) -> Response:
        if not self._may(http):
            return _forbidden()
        return JSONResponse({"kid": self._keys.rotate()})

    def _may(self, http: Request) -> bool:
        scheme, _, secret = http.headers.get("authorization", "").partition(" ")
        known = hmac.compare_digest(secret.encode(), self._secret.encode())
        browser = "origin" in http.headers or "sec-fetch-site" in http.headers
        return known and scheme.lower() == "bearer" and not browser and _is_local(http)

    def _problem(self, subject: str, scope: list[str], resource: str) -> Refusal | None:
        if subject not in PEOPLE:
            people = ", ".join(PEOPLE)
            return Refusal(code="invalid_request", message=f"subject must be one of {people}")
        if not scope or not set(scope) <= set(RESOURCE_SCOPES):
            scopes = " ".join(RESOURCE_SCOPES)
            return Refusal(code="invalid_scope", message=f"scope must be among {scopes}")
        if resource not in self._resources:
            known_resources = " ".join(self._resources)
            return Refusal(code="invalid_target", message=f"resource must be {known_resources}")
        return None


def _secret(path: Path) -> str:
    """The secret of this state folder, made on first start."""
    if path.exists():
        path.chmod(0o600)
        kept = path.read_text("ascii").strip()
        if kept:
            return kept
    secret = secrets.token_urlsafe(32)
    write_text(path, secret)
    return secret


def _is_local(http: Request) -> bool:
    try:
        return http.client is not None and ip_address(http.client.host).is_loopback
    except ValueError:
        return False


def _forbidden() -> Response:
    return JSONResponse({"error": "forbidden"}, 403)
