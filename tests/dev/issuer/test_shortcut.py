"""The token without a browser: for who can read the state folder, on this machine."""

import httpx2
import pytest
from starlette.testclient import TestClient

from dev.issuer.settings import DEFAULT_RESOURCE
from dev.issuer.shortcut import SECRET_FILE
from tests.dev.issuer.provider import ISSUER, Provider

WISH = {"subject": "dev-requester", "scope": "mcp:tools"}


@pytest.fixture
def secret(provider: Provider) -> dict[str, str]:
    text = (provider.settings.state / SECRET_FILE).read_text()
    return {"authorization": f"Bearer {text}"}


def ask(provider: Provider, headers: dict[str, str], **changes: object) -> httpx2.Response:
    return provider.browser.post("/_dev/token", json=WISH | changes, headers=headers)


def test_the_secret_gives_an_access_token_for_a_named_person(
    provider: Provider, secret: dict[str, str]
) -> None:
    claims = provider.claims(ask(provider, secret).json()["access_token"])

    assert (claims["sub"], claims["aud"]) == ("dev-requester", DEFAULT_RESOURCE)
    assert (claims["client_id"], claims["scope"]) == ("infragate-cli", "mcp:tools")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}, {"authorization": "é"}])
def test_without_the_secret_there_is_nothing(provider: Provider, headers: dict[str, str]) -> None:
    encoded = {name.encode(): value.encode() for name, value in headers.items()}

    for path in ("/_dev/token", "/_dev/rotate"):
        answer = provider.browser.post(path, json=WISH, headers=encoded)
        assert answer.status_code == 403


@pytest.mark.parametrize("name", ["origin", "sec-fetch-site"])
def test_a_browser_gets_nothing_even_with_the_secret(
    provider: Provider, secret: dict[str, str], name: str
) -> None:
    assert ask(provider, secret | {name: ISSUER}).status_code == 403


def test_another_machine_gets_nothing_even_with_the_secret(
    provider: Provider, secret: dict[str, str]
) -> None:
    provider.browser = TestClient(provider.app, base_url=ISSUER, client=("192.0.2.7", 1))

    assert ask(provider, secret).status_code == 403


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject": "root"}, "invalid_request"),
        ({"subject": ["dev-approver"]}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"resource": "https://evil.example"}, "invalid_target"),
        ({"resource": ["x"]}, "invalid_target"),
    ],
)
def test_the_shortcut_grants_no_more_than_a_login(
    provider: Provider, secret: dict[str, str], changes: dict[str, object], error: str
) -> None:
    assert ask(provider, secret, **changes).json()["error"] == error


def test_a_restart_keeps_the_secret(provider: Provider, secret: dict[str, str]) -> None:
    again = Provider(provider.settings.state, clock=provider.clock)

    assert ask(again, secret).status_code == 200
