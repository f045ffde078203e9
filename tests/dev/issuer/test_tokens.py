"""What the tokens say."""

import jwt
import pytest

from dev.issuer.settings import DEFAULT_RESOURCE
from tests.dev.issuer.provider import ISSUER, Clock, Provider


def test_an_access_token_is_for_the_resource_and_typed(
    provider: Provider, client_id: str, clock: Clock
) -> None:
    token = provider.tokens(client_id)["access_token"]
    claims = provider.claims(token)
    now = int(clock())

    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")
    assert claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "aud": DEFAULT_RESOURCE,
        "sub": "dev-requester",
        "client_id": client_id,
        "scope": "openid mcp:tools",
        "iat": now,
        "exp": now + 3600,
    }


def test_an_id_token_is_for_the_client_alone_and_tells_of_the_login(
    provider: Provider, client_id: str, clock: Clock
) -> None:
    token = provider.tokens(client_id)["id_token"]
    claims = provider.claims(token)
    now = int(clock())

    assert jwt.get_unverified_header(token)["typ"] == "JWT"
    assert claims.pop("sid")
    assert claims.pop("at_hash")
    assert claims == {
        "iss": ISSUER,
        "aud": client_id,
        "azp": client_id,
        "sub": "dev-requester",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "nonce": "a-nonce",
        "acr": "0",
        "amr": ["user"],
        "name": "Rob Requester",
    }


def test_no_openid_no_id_token(provider: Provider, client_id: str) -> None:
    assert "id_token" not in provider.tokens(client_id, scope="mcp:tools")


def test_a_client_that_names_no_resource_gets_the_first(provider: Provider, client_id: str) -> None:
    told = provider.tokens(client_id, resource=None, scope=None)

    claims = provider.claims(told["access_token"])
    assert (claims["aud"], claims["scope"]) == (DEFAULT_RESOURCE, "mcp:tools")


def test_identity_alone_gives_a_token_that_no_resource_accepts(
    provider: Provider, client_id: str
) -> None:
    told = provider.tokens(client_id, scope="openid profile", resource=None)

    assert provider.claims(told["access_token"])["aud"] == f"{ISSUER}/userinfo"


class TestUserinfo:
    def ask(self, provider: Provider, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return provider.browser.get("/userinfo", headers=headers).status_code

    def test_it_tells_who_signed_in(self, provider: Provider, client_id: str) -> None:
        token = provider.tokens(client_id)["access_token"]
        headers = {"authorization": f"Bearer {token}"}

        told = provider.browser.get("/userinfo", headers=headers).json()

        assert told == {"sub": "dev-requester", "name": "Rob Requester"}

    def test_it_needs_the_openid_scope(self, provider: Provider, client_id: str) -> None:
        assert (
            self.ask(provider, provider.tokens(client_id, scope="mcp:tools")["access_token"]) == 403
        )

    def test_an_id_token_is_no_access_token(self, provider: Provider, client_id: str) -> None:
        assert self.ask(provider, provider.tokens(client_id)["id_token"]) == 401

    def test_an_old_token_is_refused(
        self, provider: Provider, client_id: str, clock: Clock
    ) -> None:
        token = provider.tokens(client_id)["access_token"]
        clock.turn(3600)

        assert self.ask(provider, token) == 401

    @pytest.mark.parametrize("token", ["", "x", "a.b.c"])
    def test_nonsense_is_refused(self, provider: Provider, token: str) -> None:
        assert self.ask(provider, token) == 401
