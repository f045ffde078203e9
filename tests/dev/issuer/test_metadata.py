"""What the issuer publishes."""

import pytest

from tests.dev.issuer.provider import ISSUER, Provider


@pytest.mark.parametrize(
    "document", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
)
def test_both_documents_name_the_issuer_exactly_and_only_its_own_addresses(
    provider: Provider, document: str
) -> None:
    metadata = provider.browser.get(document).json()

    assert metadata["issuer"] == ISSUER
    addresses = [v for k, v in metadata.items() if k.endswith(("_endpoint", "_uri"))]
    assert len(addresses) >= 5
    assert all(address.startswith(f"{ISSUER}/") for address in addresses)


def test_what_clients_look_for_is_promised(provider: Provider) -> None:
    metadata = provider.browser.get("/.well-known/oauth-authorization-server").json()

    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["token_endpoint_auth_methods_supported"] == ["none", "private_key_jwt"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert {"openid", "mcp:tools", "mcp:tools.apply"} <= set(metadata["scopes_supported"])


def test_every_published_endpoint_exists(provider: Provider) -> None:
    metadata = provider.browser.get("/.well-known/openid-configuration").json()

    endpoints = [v for k, v in metadata.items() if k.endswith(("_endpoint", "_uri"))]

    assert not [e for e in endpoints if provider.browser.get(e).status_code == 404]


def test_the_published_keys_are_public_and_named(provider: Provider) -> None:
    keys = provider.browser.get("/jwks").json()["keys"]

    assert [set(key) for key in keys] == [{"kty", "use", "alg", "kid", "n", "e"}]


def test_a_foreign_host_is_turned_away(provider: Provider) -> None:
    """DNS rebinding: a page of another name that resolves to this machine."""
    answer = provider.browser.get("/jwks", headers={"host": "rebound.example:3011"})

    assert answer.status_code == 421
