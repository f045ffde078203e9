"""The pages: who may send their forms, what they show, which headers they carry."""

import re

import httpx2
import pytest

from dev.issuer.authorize import SESSION_COOKIE
from tests.dev.issuer.provider import ISSUER, Clock, Provider, login_form, returned


@pytest.fixture
def page(provider: Provider, client_id: str) -> httpx2.Response:
    return provider.authorize(client_id)


def send(provider: Provider, form: dict[str, str], **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return provider.browser.post("/authorize/login", data=form, headers=named)


def test_the_page_says_what_it_is_and_names_the_people(page: httpx2.Response) -> None:
    assert "Development only" in page.text
    for name in ("Ada Approver", "Grace Second-Approver", "Rob Requester", "Olga Outsider"):
        assert name in page.text


def test_a_hint_moves_a_person_to_the_front(provider: Provider, client_id: str) -> None:
    page = provider.authorize(client_id, login_hint="dev-outsider").text

    assert page.index("dev-outsider") < page.index("dev-approver")


def test_nothing_in_a_page_runs_and_nobody_frames_it(page: httpx2.Response) -> None:
    policy = page.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert not re.search(r"<script|<style|style=|\son\w+=", page.text)


@pytest.mark.parametrize("path", ["/authorize", "/jwks", "/token", "/nowhere", "/logout"])
def test_every_answer_carries_the_headers(provider: Provider, path: str) -> None:
    headers = provider.browser.get(path).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_the_form_may_lead_back_to_any_client(page: httpx2.Response) -> None:
    """Chromium would stop the redirect to the client if `form-action` did not list it."""
    assert "form-action" not in page.headers["content-security-policy"]


def test_the_session_cookie_is_out_of_reach(provider: Provider, page: httpx2.Response) -> None:
    answer = send(provider, login_form(page))

    cookie = next(c for c in answer.headers.get_list("set-cookie") if SESSION_COOKIE in c)

    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/authorize"} <= attributes


def test_a_login_never_keeps_the_cookie_that_was_there(provider: Provider, client_id: str) -> None:
    """Session fixation."""
    provider.browser.cookies.set(SESSION_COOKIE, "planted", path="/authorize")

    answer = send(provider, login_form(provider.authorize(client_id)))

    assert f"{SESSION_COOKIE}=planted" not in str(answer.headers)
    provider.browser.cookies.clear()
    provider.browser.cookies.set(SESSION_COOKIE, "planted", path="/authorize")
    assert returned(provider.authorize(client_id, prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize(
    "change",
    [{"csrf": ""}, {"csrf": "x" * 43}, {"csrf": "é"}, {"subject": "root"}, {"subject": ""}],
)
def test_a_form_that_was_changed_signs_nobody_in(
    provider: Provider, page: httpx2.Response, change: dict[str, str]
) -> None:
    answer = send(provider, login_form(page) | change)

    assert answer.status_code == 400
    assert SESSION_COOKIE not in str(answer.headers)


def test_a_form_from_another_browser_signs_nobody_in(
    provider: Provider, page: httpx2.Response
) -> None:
    """Login CSRF: the attacker's page, the victim's browser."""
    provider.browser = provider.new_browser()

    assert send(provider, login_form(page)).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3001"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": ISSUER, "sec_fetch_site": "cross-site"},
    ],
)
def test_a_form_from_a_foreign_page_signs_nobody_in(
    provider: Provider, page: httpx2.Response, headers: dict[str, str]
) -> None:
    assert send(provider, login_form(page), **headers).status_code == 400


def test_a_form_is_good_once(provider: Provider, page: httpx2.Response) -> None:
    assert send(provider, login_form(page)).status_code == 303
    assert send(provider, login_form(page)).status_code == 400


def test_a_form_is_good_for_ten_minutes(
    provider: Provider, page: httpx2.Response, clock: Clock
) -> None:
    clock.turn(600)

    assert send(provider, login_form(page)).status_code == 400


def test_a_form_as_json_or_too_large_is_refused(provider: Provider, page: httpx2.Response) -> None:
    form = login_form(page)

    assert provider.browser.post("/authorize/login", json=form).status_code == 400
    assert send(provider, form | {"extra": "x" * 40_000}).status_code == 400


def test_what_a_client_calls_itself_is_text_and_shows_everything(provider: Provider) -> None:
    name = "<script>alert(1)</script>\u202eevil\x1b[2J\u200b"
    client = provider.register(client_name=name)

    page = provider.authorize(client["client_id"]).text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;U+202E&gt;evil&lt;U+001B&gt;" in page
    assert "&lt;U+200B&gt;" in page
    assert "A program that calls itself" in page


class TestSigningOut:
    def test_asking_changes_nothing_and_the_form_does(
        self, provider: Provider, client_id: str
    ) -> None:
        provider.sign_in(client_id)
        asked = provider.browser.get("/logout", follow_redirects=True)
        assert "Rob Requester" in asked.text
        assert "code" in returned(provider.authorize(client_id))

        done = provider.browser.post("/authorize/logout")

        assert "Signed out" in done.text
        assert returned(provider.authorize(client_id, prompt="none"))["error"] == "login_required"

    def test_the_cookie_is_worthless_afterwards(self, provider: Provider, client_id: str) -> None:
        provider.sign_in(client_id)
        kept = dict(provider.browser.cookies)
        provider.browser.post("/authorize/logout")

        provider.browser.cookies.update(kept)

        assert returned(provider.authorize(client_id, prompt="none"))["error"] == "login_required"

    def test_a_foreign_page_signs_nobody_out(self, provider: Provider, client_id: str) -> None:
        provider.sign_in(client_id)

        provider.browser.post("/authorize/logout", headers={"origin": "https://evil.example"})

        assert "code" in returned(provider.authorize(client_id))
