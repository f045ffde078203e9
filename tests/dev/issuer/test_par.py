"""Pushed authorization requests, and the client that may not do without."""

import httpx2
import pytest

from dev.issuer.clients import APPROVAL_CLIENT, TERMINAL_CLIENT
from dev.issuer.par import LIFETIME
from dev.issuer.settings import DEFAULT_APPROVAL_REDIRECT
from dev.login_driver import sign_in
from tests.dev.issuer.provider import (
    ISSUER,
    ApprovalClient,
    Provider,
    callback,
    login_form,
    returned,
)


def test_a_pushed_login_ends_with_a_fresh_id_token_that_carries_the_nonce(
    approval: ApprovalClient,
) -> None:
    claims = approval.id_token(nonce="commits-to-a-plan")

    assert claims["aud"] == claims["azp"] == APPROVAL_CLIENT
    assert (claims["sub"], claims["nonce"]) == ("dev-approver", "commits-to-a-plan")
    assert claims["auth_time"] == int(approval.provider.clock())


def test_each_pushed_login_is_a_login_of_its_own(approval: ApprovalClient) -> None:
    """Within one second even: `sid` tells them apart."""
    first, second = approval.id_token(), approval.id_token()

    assert first["sid"] != second["sid"]


def test_a_live_session_does_not_shorten_a_pushed_login(approval: ApprovalClient) -> None:
    approval.id_token()
    approval.provider.clock.turn(60)

    page = approval.arrive(approval.push())

    assert login_form(page)
    assert "asks for a new sign-in" in page.text


def test_a_terminals_client_pushes_without_a_key_and_returns_to_any_port(
    approval: ApprovalClient,
) -> None:
    provider = approval.provider
    redirect = "http://127.0.0.1:50123/callback"
    wish: dict[str, str | None] = {"redirect_uri": redirect, "scope": "openid", "resource": None}
    request = provider.request(TERMINAL_CLIENT, **wish, nonce="commits", prompt="login")
    link = {
        "client_id": TERMINAL_CLIENT,
        "request_uri": provider.post("/par", **request).json()["request_uri"],
    }
    url = f"{ISSUER}/authorize?{httpx2.QueryParams(link)}"

    back = callback(sign_in(url, "dev-approver", client=provider.browser))
    told = provider.token(TERMINAL_CLIENT, back["code"], redirect_uri=redirect).json()

    claims = provider.claims(told["id_token"])
    assert back["at"] == redirect
    assert (claims["aud"], claims["nonce"]) == (TERMINAL_CLIENT, "commits")
    assert "refresh_token" not in told


@pytest.mark.promise("code-stays-on-the-machine")
@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/callback",
        "http://evil.example:8080/callback",
        "http://localhost:50123/callback",
        "http://127.0.0.1:50123/other",
        "http://127.0.0.1:50123/callback?to=https://evil.example",
        "http://127.0.0.1@evil.example/callback",
        DEFAULT_APPROVAL_REDIRECT,
    ],
)
def test_a_terminals_login_ends_on_the_approvers_own_machine_or_not_at_all(
    redirect: str, approval: ApprovalClient
) -> None:
    provider = approval.provider
    wish: dict[str, str | None] = {"redirect_uri": redirect, "scope": "openid", "resource": None}

    answer = provider.authorize(TERMINAL_CLIENT, **wish, nonce="of-the-attacker")
    pushed = provider.post("/par", **provider.request(TERMINAL_CLIENT, **wish))

    assert (answer.status_code, pushed.status_code) == (400, 400)
    assert "location" not in answer.headers


def test_the_browser_cannot_weaken_what_was_pushed(approval: ApprovalClient) -> None:
    approval.id_token()
    link = {"prompt": "none", "max_age": "99999", "nonce": "of-the-attacker"}

    page = approval.arrive(approval.push(nonce="pushed"), **link)
    answer = approval.provider.browser.post("/authorize/login", data=login_form(page))

    proof = approval.key.proof() | {"redirect_uri": DEFAULT_APPROVAL_REDIRECT}
    told = approval.provider.token(None, returned(answer)["code"], **proof).json()
    assert approval.provider.claims(told["id_token"])["nonce"] == "pushed"


def test_without_a_push_the_approval_client_cannot_start_a_login(approval: ApprovalClient) -> None:
    wish: dict[str, str | None] = {
        "redirect_uri": DEFAULT_APPROVAL_REDIRECT,
        "scope": "openid",
        "resource": None,
        "nonce": "of-the-attacker",
    }
    for prompt in ("none", "login", None):
        answer = approval.provider.authorize(APPROVAL_CLIENT, **wish, prompt=prompt)
        assert returned(answer)["error"] == "invalid_request"


def test_a_pushed_request_is_good_once(approval: ApprovalClient) -> None:
    pushed = approval.push()

    assert approval.arrive(pushed).status_code == 200
    assert approval.arrive(pushed).status_code == 400


def test_a_pushed_request_is_good_for_a_minute(approval: ApprovalClient) -> None:
    pushed = approval.push()
    approval.provider.clock.turn(LIFETIME)

    assert pushed.json()["expires_in"] == LIFETIME
    assert approval.arrive(pushed).status_code == 400


def test_another_client_cannot_use_a_pushed_request(approval: ApprovalClient) -> None:
    other = approval.provider.register()["client_id"]

    answers = [
        approval.arrive(approval.push(), client_id=other),
        approval.arrive(approval.push(), client_id=None),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]


@pytest.mark.parametrize("uri", ["https://evil.example/request", "urn:x", "x" * 9000])
def test_a_request_uri_is_never_fetched(approval: ApprovalClient, uri: str) -> None:
    link = {"client_id": APPROVAL_CLIENT, "request_uri": uri}

    assert approval.provider.browser.get("/authorize", params=link).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "http://127.0.0.1:3002/approvals/callback"}, "invalid_request"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "openid mcp:tools"}, "invalid_scope"),
        ({"scope": "openid offline_access"}, "invalid_scope"),
        ({"resource": "http://127.0.0.1:3001/mcp"}, "invalid_target"),
        ({"request_uri": "urn:x"}, "invalid_request"),
        ({"client_id": "somebody"}, "invalid_client"),
    ],
)
def test_a_push_that_may_not_be_is_refused_at_once(
    approval: ApprovalClient, changes: dict[str, str], error: str
) -> None:
    assert approval.push(**changes).json()["error"] == error


def test_a_public_client_may_push_too(provider: Provider, client_id: str) -> None:
    pushed = provider.post("/par", **provider.request(client_id))
    link = {"client_id": client_id, "request_uri": pushed.json()["request_uri"]}

    assert provider.browser.get("/authorize", params=link).status_code == 200


def test_the_approval_client_gets_no_refresh_token(approval: ApprovalClient) -> None:
    code = approval.sign_in()["code"]
    proof = approval.key.proof() | {"redirect_uri": DEFAULT_APPROVAL_REDIRECT}

    told = approval.provider.token(None, code, **proof).json()

    assert "refresh_token" not in told


def test_its_code_is_worthless_without_its_key(approval: ApprovalClient) -> None:
    code = approval.sign_in()["code"]

    answer = approval.provider.token(APPROVAL_CLIENT, code, redirect_uri=DEFAULT_APPROVAL_REDIRECT)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_without_its_keys_the_approval_client_does_not_exist(provider: Provider) -> None:
    wish = provider.request(APPROVAL_CLIENT, redirect_uri=DEFAULT_APPROVAL_REDIRECT)

    assert provider.browser.get("/authorize", params=wish).status_code == 400
