"""Refresh tokens: each good once; a replay ends the whole family."""

import pytest

from dev.issuer.refresh import LIFETIME
from tests.dev.issuer.provider import Clock, Provider


@pytest.fixture
def token(provider: Provider, client_id: str) -> str:
    return str(provider.tokens(client_id)["refresh_token"])


def test_a_refresh_gives_new_tokens_with_the_same_rights(
    provider: Provider, client_id: str, token: str
) -> None:
    told = provider.refresh(client_id, token).json()

    assert told["refresh_token"] != token
    assert told["scope"] == "openid mcp:tools"
    assert provider.claims(told["access_token"])["sub"] == "dev-requester"


def test_a_refreshed_id_token_tells_of_the_old_login(
    provider: Provider, client_id: str, clock: Clock
) -> None:
    """A new `iat` is no fresh login."""
    told = provider.tokens(client_id)
    clock.turn(1000)

    again = provider.refresh(client_id, told["refresh_token"]).json()

    before, after = provider.claims(told["id_token"]), provider.claims(again["id_token"])
    assert after["iat"] == before["iat"] + 1000
    assert (after["auth_time"], after["sid"]) == (before["auth_time"], before["sid"])
    assert "nonce" not in after


def test_a_token_that_was_replaced_ends_the_family(
    provider: Provider, client_id: str, token: str
) -> None:
    newer = provider.refresh(client_id, token).json()["refresh_token"]

    replay = provider.refresh(client_id, token)

    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert provider.refresh(client_id, newer).json()["error"] == "invalid_grant"


def test_another_client_cannot_use_it_and_does_no_harm(
    provider: Provider, client_id: str, token: str
) -> None:
    other = provider.register()["client_id"]

    assert provider.refresh(other, token).json()["error"] == "invalid_grant"
    assert provider.refresh(client_id, token).status_code == 200


@pytest.mark.parametrize("nonsense", ["", ".", "x.y", "x" * 5000])
def test_nonsense_is_refused(provider: Provider, client_id: str, nonsense: str) -> None:
    assert provider.refresh(client_id, nonsense).json()["error"] == "invalid_grant"


def test_a_refresh_may_narrow_the_scope_and_not_widen_it(
    provider: Provider, client_id: str, token: str
) -> None:
    wider = provider.refresh(client_id, token, scope="openid mcp:tools mcp:tools.apply")
    narrower = provider.refresh(client_id, token, scope="mcp:tools")

    assert wider.json()["error"] == "invalid_scope"
    assert narrower.json()["scope"] == "mcp:tools"
    assert "id_token" not in narrower.json()


def test_a_refresh_cannot_change_the_resource(
    provider: Provider, client_id: str, token: str
) -> None:
    answer = provider.refresh(client_id, token, resource="http://127.0.0.1:3001/other")

    assert answer.json()["error"] == "invalid_target"


def test_an_unused_family_ends_after_a_month(
    provider: Provider, client_id: str, token: str, clock: Clock
) -> None:
    clock.turn(LIFETIME - 1)
    newer = provider.refresh(client_id, token).json()["refresh_token"]
    clock.turn(LIFETIME)

    assert provider.refresh(client_id, newer).json()["error"] == "invalid_grant"


def test_a_restart_keeps_logins_and_the_file_holds_no_token(
    provider: Provider, client_id: str, token: str
) -> None:
    again = Provider(provider.settings.state, clock=provider.clock)

    assert token not in (provider.settings.state / "refresh.json").read_text()
    assert token.partition(".")[2] not in (provider.settings.state / "refresh.json").read_text()
    assert again.refresh(client_id, token).status_code == 200


def test_who_did_not_register_the_grant_gets_no_refresh_token(provider: Provider) -> None:
    client_id = provider.register(grant_types=["authorization_code"])["client_id"]

    assert "refresh_token" not in provider.tokens(client_id)
    assert provider.refresh(client_id, "x.y").json()["error"] == "unauthorized_client"
