"""Codes at the token endpoint: good once, soon, for the right client with the right verifier."""

import pytest

from dev.issuer.codes import LIFETIME
from tests.dev.issuer.provider import VERIFIER, Clock, Provider


def test_a_code_gives_tokens_and_no_cache_keeps_them(provider: Provider, client_id: str) -> None:
    answer = provider.token(client_id, provider.code(client_id))

    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
    assert told["scope"] == "openid mcp:tools"
    assert {"access_token", "id_token", "refresh_token"} <= told.keys()


def test_a_code_is_good_for_a_minute(provider: Provider, client_id: str, clock: Clock) -> None:
    in_time, late = provider.code(client_id), provider.code(client_id)

    clock.turn(LIFETIME - 1)
    assert provider.token(client_id, in_time).status_code == 200
    clock.turn(1)
    assert provider.token(client_id, late).json()["error"] == "invalid_grant"


def test_a_code_is_good_once_and_a_replay_revokes_what_it_gave(
    provider: Provider, client_id: str, clock: Clock
) -> None:
    code = provider.code(client_id)
    refresh_token = provider.token(client_id, code).json()["refresh_token"]
    clock.turn(LIFETIME + 1)

    replay = provider.token(client_id, code)

    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert provider.refresh(client_id, refresh_token).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": None},
        {"code_verifier": VERIFIER + "x"},
        {"code_verifier": "short"},
        {"code_verifier": "x" * 129},
        {"code_verifier": "é" * 43},
        {"redirect_uri": None},
        {"redirect_uri": "http://127.0.0.1:4712/callback"},
        {"code": "unknown"},
        {"code": None},
    ],
)
def test_a_wrong_redemption_gives_nothing_and_burns_the_code(
    provider: Provider, client_id: str, changes: dict[str, str | None]
) -> None:
    code = provider.code(client_id)

    wrong = provider.token(client_id, code, **changes)
    afterwards = provider.token(client_id, code)

    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    assert (afterwards.status_code == 200) == ("code" in changes)


def test_the_challenge_itself_is_no_verifier(provider: Provider, client_id: str) -> None:
    """PKCE downgrade to `plain`."""
    challenge = provider.request(client_id)["code_challenge"]

    answer = provider.token(client_id, provider.code(client_id), code_verifier=challenge)

    assert answer.json()["error"] == "invalid_grant"


def test_another_client_cannot_redeem_a_code(provider: Provider, client_id: str) -> None:
    other = provider.register()["client_id"]

    assert provider.token(other, provider.code(client_id)).json()["error"] == "invalid_grant"


def test_the_resource_cannot_change_at_redemption(provider: Provider, client_id: str) -> None:
    code = provider.code(client_id)

    answer = provider.token(client_id, code, resource="http://127.0.0.1:3001/other")

    assert answer.json()["error"] == "invalid_target"


@pytest.mark.parametrize("grant", ["password", "client_credentials", "implicit", None])
def test_other_grants_are_not_offered(
    provider: Provider, client_id: str, grant: str | None
) -> None:
    answer = provider.token(client_id, "x", grant_type=grant)

    assert answer.json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("client", ["unknown", None])
def test_an_unknown_client_is_told_to_register_again(
    provider: Provider, client: str | None
) -> None:
    answer = provider.token(client, "x")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_nobody_has_a_secret(provider: Provider, client_id: str) -> None:
    code = provider.code(client_id)
    by_form = provider.token(client_id, code, client_secret="s")
    by_header = provider.browser.post(
        "/token", data={"grant_type": "authorization_code"}, auth=(client_id, "s")
    )

    assert [a.status_code for a in (by_form, by_header)] == [401, 401]


def test_the_token_endpoint_takes_forms_only(provider: Provider, client_id: str) -> None:
    as_json = provider.browser.post("/token", json={"client_id": client_id})
    twice = provider.browser.post(
        "/token",
        content="grant_type=authorization_code&grant_type=refresh_token",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    large = provider.post("/token", code="x" * 40_000)
    crowded = provider.post("/token", **{f"field{n}": "x" for n in range(100)})

    assert [a.status_code for a in (as_json, twice, large, crowded)] == [400, 400, 413, 400]
    assert {a.json()["error"] for a in (as_json, twice, large, crowded)} == {"invalid_request"}
