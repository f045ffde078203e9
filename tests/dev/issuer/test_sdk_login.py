"""The official SDK's OAuth client logs in by itself and reaches a protected resource."""

import time
from dataclasses import dataclass

import anyio
import httpx2
import jwt
import pytest
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from dev.issuer.settings import DEFAULT_RESOURCE
from dev.login_driver import sign_in
from tests.dev.issuer.provider import ISSUER, REDIRECT, Clock, Provider, callback
from tests.dev.issuer.stub_resource import StubResource


@dataclass(slots=True)
class Memory:
    """What the SDK keeps between calls."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass(slots=True)
class PublishedKeys:
    """The issuer's JWKS, read in process."""

    provider: Provider

    def get_signing_key_from_jwt(self, token: str) -> jwt.PyJWK:
        keys = jwt.PyJWKSet.from_dict(self.provider.browser.get("/jwks").json())
        return keys[jwt.get_unverified_header(token)["kid"]]


def sdk_client(provider: Provider, memory: Memory) -> httpx2.AsyncClient:
    """The SDK's authentication on a client that finds issuer and resource in process."""
    arrived: list[AuthorizationCodeResult] = []

    async def open_browser(url: str) -> None:
        back = callback(sign_in(url, "dev-requester", client=provider.browser))
        result = AuthorizationCodeResult(code=back["code"], state=back["state"], iss=back["iss"])
        arrived.append(result)

    async def come_back() -> AuthorizationCodeResult:
        return arrived.pop()

    auth = OAuthClientProvider(
        DEFAULT_RESOURCE,
        OAuthClientMetadata(redirect_uris=[AnyUrl(REDIRECT)], client_name="SDK"),
        memory,
        open_browser,
        come_back,
    )
    stub = StubResource(DEFAULT_RESOURCE.removesuffix("/mcp"), ISSUER)
    stub.keys = PublishedKeys(provider)  # type: ignore[assignment]  # in process instead of by HTTP
    mounts = {
        ISSUER: httpx2.ASGITransport(provider.app),
        "http://127.0.0.1:3001": httpx2.ASGITransport(stub.app()),
    }
    return httpx2.AsyncClient(auth=auth, mounts=mounts)


def call(provider: Provider, memory: Memory) -> str:
    """Who the resource says is calling."""

    async def ask() -> str:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}
        async with sdk_client(provider, memory) as client:
            answer = await client.post(DEFAULT_RESOURCE, json=message)
        return str(answer.json()["result"]["content"][0]["text"])

    return anyio.run(ask)


@pytest.fixture
def clock() -> Clock:
    """The real time, since the resource judges the tokens by it."""

    return Clock(time.time())


def test_the_sdk_logs_in_by_itself(provider: Provider) -> None:
    memory = Memory()

    assert call(provider, memory) == "dev-requester"
    assert memory.client is not None
    assert memory.client.token_endpoint_auth_method == "none"


def test_the_sdk_uses_what_it_has(provider: Provider) -> None:
    memory = Memory()
    call(provider, memory)
    first = memory.tokens

    call(provider, memory)

    assert memory.tokens == first
