"""The identity provider as the approval pages' confidential client sees it; no sessions here.

Its metadata (OpenID Connect Discovery 1.0), pushed authorization requests (RFC 9126), the exchange
of a code (RFC 6749, 4.1.3; RFC 7636) and our proof of who asks (`private_key_jwt`, RFC 7523). Codes
and tokens pass through and are neither logged nor kept.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import urlencode, urlsplit

import httpx2

from api.client_key import ClientKey
from shared.addresses import origin_of
from shared.errors import Fault, Refusal
from shared.foreign_json import foreign_object
from shared.settings import GatewaySettings, is_loopback

TIMEOUT_S: Final = 5.0
METADATA_S: Final = 600
"""Seconds after which metadata is fetched again."""
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_CODE_LENGTH: Final = 4096
ASSERTION_S: Final = 60
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ProviderUnavailable(Fault):
    """The identity provider did not answer, or not with what the standards say."""

    code = "provider_unavailable"
    retry_after = 10


class ProviderMisfit(Fault):
    """The identity provider answers, but refuses this client or lacks what approvals need."""

    code = "provider_misfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """Who the provider is and who we are to it; `issuer` is compared exactly."""

    issuer: str
    client_id: str
    redirect_uri: str
    metadata_address: str
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    require_https: bool = True

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> Self:
        """Returns what the gateway's settings say."""
        issuer = settings.oauth_authority
        return cls(
            issuer=issuer,
            client_id=settings.approval_client_id,
            redirect_uri=settings.approval_base_url.rstrip("/") + "/approvals/callback",
            metadata_address=settings.oauth_metadata_address
            or issuer.rstrip("/") + "/.well-known/openid-configuration",
            authorization_endpoint=settings.approval_authorization_endpoint,
            token_endpoint=settings.approval_token_endpoint,
            require_https=settings.production or settings.oauth_require_https_metadata,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The part of the provider's metadata that is used."""

    authorization_endpoint: str
    token_endpoint: str
    par_endpoint: str
    promises_iss: bool
    """RFC 9207: the provider always names itself in its responses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """One login that is about to begin; `fresh` demands that the person signs in anew for it."""

    state: str
    nonce: str
    challenge: str
    """PKCE S256 challenge."""
    scope: str
    fresh: bool

    def parameters(self) -> dict[str, str]:
        """Returns the parameters of the authorization request."""
        always = {
            "response_type": "code",
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        }
        claims = json.dumps({"id_token": {"auth_time": {"essential": True}}})
        fresh = {"prompt": "login", "max_age": "0", "claims": claims}
        return always | (fresh if self.fresh else {})


class Provider:
    """Begins logins at the provider and redeems their codes. `now` answers epoch seconds."""

    def __init__(
        self,
        config: ProviderConfig,
        *,
        key: ClientKey,
        client: httpx2.AsyncClient,
        now: Callable[[], int],
    ) -> None:
        self.config = config
        self._key = key
        self._client = client
        self._now = now
        self._metadata: Metadata | None = None
        self._fetched_at = 0

    def form_targets(self) -> tuple[str, ...]:
        """Returns the origins that a sign-in form may lead to, as far as they are known."""
        known = [self.config.issuer, self.config.authorization_endpoint]
        if self._metadata:
            known.append(self._metadata.authorization_endpoint)
        return tuple(sorted({origin_of(url) for url in known if url}))

    async def metadata(self) -> Metadata:
        """Returns the provider's metadata, at most `METADATA_S` seconds old.

        Raises:
            ProviderUnavailable: it cannot be fetched.
            ProviderMisfit: it is for another issuer or lacks an endpoint.
        """
        now = self._now()
        if self._metadata is None or not 0 <= now - self._fetched_at < METADATA_S:
            status, document = await self._ask("GET", self.config.metadata_address)
            if status != httpx2.codes.OK:
                raise ProviderUnavailable(f"The identity provider's metadata answers {status}.")
            self._metadata = read_metadata(document, self.config)
            self._fetched_at = now
        return self._metadata

    async def begin(self, request: LoginRequest) -> str:
        """Pushes an authorization request; returns the URL that the browser is to open.

        Raises:
            ProviderUnavailable: the provider does not answer.
            ProviderMisfit: it refuses the request.
        """
        metadata = await self.metadata()
        form = request.parameters() | {"redirect_uri": self.config.redirect_uri}
        status, answer = await self._ask("POST", metadata.par_endpoint, self._signed(form))
        reference = answer.get("request_uri")
        if status != httpx2.codes.CREATED or not isinstance(reference, str):
            raise _misfit(status, answer)
        query = urlencode({"client_id": self.config.client_id, "request_uri": reference})
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{query}"

    async def redeem(self, code: str, *, verifier: str) -> str | Refusal:
        """Returns the raw ID token for a code; nothing about it was checked.

        Raises:
            ProviderUnavailable: the provider does not answer.
            ProviderMisfit: it refuses this client.
        """
        metadata = await self.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.config.redirect_uri,
            "code_verifier": verifier,
        }
        status, answer = await self._ask("POST", metadata.token_endpoint, self._signed(form))
        if status == httpx2.codes.BAD_REQUEST and answer.get("error") == "invalid_grant":
            return Refusal(code="login_spent", message="The sign-in was used up or took too long.")
        token = answer.get("id_token")
        if status != httpx2.codes.OK or not isinstance(token, str):
            raise _misfit(status, answer)
        return token

    def _signed(self, form: Mapping[str, str]) -> dict[str, str]:
        now = self._now()
        claims = {
            "iss": self.config.client_id,
            "sub": self.config.client_id,
            "aud": self.config.issuer,
            "iat": now,
            "exp": now + ASSERTION_S,
            "jti": secrets.token_urlsafe(24),
        }
        return {
            **form,
            "client_id": self.config.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._key.sign(claims),
        }

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, object]]:
        """Returns status and JSON object; an answer without one is an empty object."""
        headers = {"Accept": "application/json"}
        try:
            async with self._client.stream(
                method, url, data=form, headers=headers, timeout=TIMEOUT_S, follow_redirects=False
            ) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise ProviderUnavailable("The identity provider's answer is too long.")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            name = type(error).__name__
            raise ProviderUnavailable(f"The identity provider does not answer ({name}).") from None
        return response.status_code, foreign_object(bytes(body))


def read_metadata(document: Mapping[str, object], config: ProviderConfig) -> Metadata:
    """Returns the endpoints that logins use, with the configured overrides.

    Where the token endpoint is overridden, the gateway reaches the provider by another name than
    browsers do; pushed requests then go there too, if both endpoints have one origin.

    Raises:
        ProviderMisfit: the metadata are for another issuer, lack an endpoint or are not https.
    """
    if document.get("issuer") != config.issuer:
        raise ProviderMisfit(
            "The identity provider names itself otherwise than INFRA_GATE_OAUTH_AUTHORITY does."
        )
    found = Metadata(
        authorization_endpoint=config.authorization_endpoint
        or _endpoint(document, "authorization_endpoint"),
        token_endpoint=_endpoint(document, "token_endpoint"),
        par_endpoint=_endpoint(document, "pushed_authorization_request_endpoint"),
        promises_iss=document.get("authorization_response_iss_parameter_supported") is True,
    )
    if config.token_endpoint:
        found = _reached_by(found, config.token_endpoint)
    for url in (found.authorization_endpoint, found.token_endpoint, found.par_endpoint):
        _demand_https(url, config)
    return found


def make_client(config: ProviderConfig) -> httpx2.AsyncClient:
    """Returns the HTTP client for the provider; a loopback provider is never asked by proxy."""
    return httpx2.AsyncClient(
        trust_env=not is_loopback(config.metadata_address),
        limits=httpx2.Limits(max_connections=10, max_keepalive_connections=2),
    )


def _reached_by(found: Metadata, token_endpoint: str) -> Metadata:
    """The endpoints as the gateway reaches them: PAR moves along with the token endpoint."""
    pushed = urlsplit(found.par_endpoint)
    if origin_of(found.par_endpoint) != origin_of(found.token_endpoint):
        return replace(found, token_endpoint=token_endpoint)
    here = urlsplit(token_endpoint)
    moved = pushed._replace(scheme=here.scheme, netloc=here.netloc).geturl()
    return replace(found, token_endpoint=token_endpoint, par_endpoint=moved)


def _endpoint(document: Mapping[str, object], name: str) -> str:
    url = document.get(name)
    if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"}:
        raise ProviderMisfit(f"The identity provider's metadata lack {name}.")
    return url


def _demand_https(url: str, config: ProviderConfig) -> None:
    loopback = is_loopback(url) and is_loopback(config.issuer)
    if config.require_https and not url.startswith("https://") and not loopback:
        raise ProviderMisfit("The identity provider has an endpoint that is not https.")


def _misfit(status: int, answer: Mapping[str, object]) -> Fault:
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status == httpx2.codes.TOO_MANY_REQUESTS:
        return ProviderUnavailable(f"The identity provider answers {status}.")
    error = answer.get("error")
    named = error if isinstance(error, str) and error.isidentifier() else f"status {status}"
    return ProviderMisfit(f"The identity provider refuses this application: {named[:64]}.")
