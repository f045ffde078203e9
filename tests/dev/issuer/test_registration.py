"""Dynamic client registration: loopback only, bounded, closed where security would change."""

from pathlib import Path

import pytest

from dev.issuer import clients
from tests.dev.issuer.provider import REDIRECT, ClientKey, Clock, Provider


@pytest.mark.parametrize(
    "redirect",
    [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1455/auth/callback",
        "http://localhost:33418",
        "http://[::1]:8080/cb?x=1",
    ],
)
def test_loopback_redirects_are_registered(provider: Provider, redirect: str) -> None:
    assert provider.register(redirect_uris=[redirect])["redirect_uris"] == [redirect]


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/callback",
        "http://evil.example/callback",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://evil.example\\@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1/#fragment",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a\nb",
        "https://127.0.0.1/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "cursor://callback",
        "//127.0.0.1/",
        "http://0.0.0.0/",
        "http://127.0.0.1/" + "a" * 600,
        "",
    ],
)
def test_any_other_redirect_is_refused(provider: Provider, redirect: str) -> None:
    answer = provider.browser.post("/register", json={"redirect_uris": [redirect]})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize("redirects", [[], None, "http://127.0.0.1/", [1], [REDIRECT] * 11])
def test_the_redirects_must_be_a_short_list_of_strings(
    provider: Provider, redirects: object
) -> None:
    answer = provider.browser.post("/register", json={"redirect_uris": redirects})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


def test_one_foreign_redirect_among_good_ones_spoils_the_registration(provider: Provider) -> None:
    wish = {"redirect_uris": [REDIRECT, "https://evil.example/"]}

    assert provider.browser.post("/register", json=wish).status_code == 400


def test_who_wants_a_secret_becomes_a_public_client_and_is_told(provider: Provider) -> None:
    told = provider.register(token_endpoint_auth_method="client_secret_post")

    assert told["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in told


def test_only_the_code_flow_is_registered(provider: Provider) -> None:
    for wish in ({"grant_types": ["implicit"]}, {"response_types": ["token"]}):
        answer = provider.browser.post("/register", json={"redirect_uris": [REDIRECT], **wish})
        assert answer.json()["error"] == "invalid_client_metadata"


def test_unknown_grants_and_scopes_are_left_out(provider: Provider) -> None:
    told = provider.register(
        grant_types=["authorization_code", "password"], scope="mcp:tools root openid"
    )

    assert told["grant_types"] == ["authorization_code"]
    assert told["scope"] == "mcp:tools openid"


def test_a_key_bound_client_must_bring_public_keys(provider: Provider, clock: Clock) -> None:
    wish = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt"}
    public = ClientKey(client_id="", clock=clock).jwk
    bad_sets: list[object] = [
        None,
        {"keys": []},
        {"keys": ["x"]},
        {"keys": [{**public, "d": "AAAA"}]},
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        {"keys": [{**public, "crv": "P-384"}]},
        {"keys": [{**public, "alg": "RS256"}]},
        {"keys": [{**public, "x": "!"}]},
        {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]},
        {"keys": [public] * 6},
    ]

    answers = [provider.browser.post("/register", json=wish | {"jwks": bad}) for bad in bad_sets]

    assert [a.json()["error"] for a in answers] == ["invalid_client_metadata"] * len(bad_sets)


def test_a_body_that_is_too_large_is_not_read(provider: Provider) -> None:
    wish = {"redirect_uris": [REDIRECT], "client_name": "x" * 20_000}

    assert provider.browser.post("/register", json=wish).status_code == 413


@pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "[" * 10_000])
def test_a_body_that_is_no_object_is_refused(provider: Provider, body: str) -> None:
    headers = {"content-type": "application/json"}

    assert provider.browser.post("/register", content=body, headers=headers).status_code == 400


def test_a_form_that_a_foreign_page_could_send_registers_nothing(provider: Provider) -> None:
    """Without the JSON content type a cross-site request needs no preflight."""
    answer = provider.browser.post(
        "/register", content='{"redirect_uris":[]}', headers={"content-type": "text/plain"}
    )

    assert answer.json()["error"] == "invalid_request"


def test_the_oldest_registration_gives_way(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MAX_REGISTERED", 3)
    ids = [provider.register()["client_id"] for _ in range(4)]

    statuses = [provider.authorize(client_id).status_code for client_id in ids]

    assert statuses == [400, 200, 200, 200]


def test_clients_outlive_a_restart(provider: Provider, state: Path, clock: Clock) -> None:
    key = ClientKey(client_id="", clock=clock)
    registered = provider.register(
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [key.jwk]},
        require_pushed_authorization_requests=True,
    )

    again = Provider(state, clock=clock)

    key.client_id = registered["client_id"]
    pushed = again.post("/par", **again.request(key.client_id), **key.proof())
    assert pushed.status_code == 201
