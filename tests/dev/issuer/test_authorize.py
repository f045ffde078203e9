"""The authorization endpoint: what is refused, and where the refusal goes."""

import httpx2
import pytest

from dev.issuer.sessions import LIFETIME
from tests.dev.issuer.provider import ISSUER, REDIRECT, Clock, Provider, login_form, returned


def test_a_login_ends_at_the_callback_with_code_state_and_issuer(
    provider: Provider, client_id: str
) -> None:
    outcome = provider.sign_in(client_id)

    assert outcome["at"] == REDIRECT
    assert (outcome["state"], outcome["iss"]) == ("a-state", ISSUER)
    assert len(outcome["code"]) >= 32


def test_the_callback_may_be_on_another_port_than_registered(
    provider: Provider, client_id: str
) -> None:
    outcome = provider.sign_in(client_id, redirect_uri="http://127.0.0.1:50999/callback")

    assert outcome["at"] == "http://127.0.0.1:50999/callback"


def test_the_query_of_a_callback_is_kept(provider: Provider) -> None:
    redirect = f"{REDIRECT}?tab=1"
    client_id = provider.register(redirect_uris=[redirect])["client_id"]

    assert provider.sign_in(client_id, redirect_uri=redirect)["tab"] == "1"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "http://127.0.0.1:4711/other"},
        {"redirect_uri": "https://evil.example/callback"},
        {"state": "s" * 3000},
    ],
)
def test_without_a_known_client_and_its_own_redirect_nobody_is_redirected(
    provider: Provider, client_id: str, changes: dict[str, str | None]
) -> None:
    answer = provider.browser.get("/authorize", params=provider.request(client_id, **changes))

    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_a_parameter_given_twice_is_refused_without_a_redirect(
    provider: Provider, client_id: str
) -> None:
    query = f"{httpx2.QueryParams(provider.request(client_id))}&state=other"

    answer = provider.browser.get(f"/authorize?{query}")

    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "+" * 43}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"scope": "openid root"}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
        ({"resource": "http://127.0.0.1:3001/other"}, "invalid_target"),
        ({"resource": "http://127.0.0.1:3001/mcp/"}, "invalid_target"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target"),
        ({"scope": "openid"}, "invalid_target"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"max_age": "9" * 5000}, "invalid_request"),
        ({"nonce": "n" * 600}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"claims": "[" * 5000}, "invalid_request"),
        ({"claims": '{"id_token":{"sub":{"value":"dev-approver"}}}'}, "invalid_request"),
    ],
)
def test_a_request_that_may_not_be_is_refused_at_the_callback(
    provider: Provider, client_id: str, changes: dict[str, str | None], error: str
) -> None:
    outcome = returned(provider.authorize(client_id, **changes))

    assert (outcome["at"], outcome["error"]) == (REDIRECT, error)
    assert (outcome["state"], outcome["iss"]) == ("a-state", ISSUER)
    assert "code" not in outcome


def test_a_request_without_state_comes_back_without_one(provider: Provider, client_id: str) -> None:
    assert "state" not in provider.sign_in(client_id, state=None)


def test_looking_at_the_page_signs_nobody_in(provider: Provider, client_id: str) -> None:
    provider.authorize(client_id)
    provider.authorize(client_id)

    outcome = returned(provider.authorize(client_id, prompt="none"))

    assert outcome["error"] == "login_required"


class TestSingleSignOn:
    """A live session logs in silently, unless the request asks for a login."""

    def test_a_live_session_needs_no_second_login(self, provider: Provider, client_id: str) -> None:
        provider.sign_in(client_id)

        assert "code" in returned(provider.authorize(client_id))
        assert "code" in returned(provider.authorize(client_id, prompt="none"))

    def test_the_silent_login_tells_of_the_old_one(
        self, provider: Provider, client_id: str, clock: Clock
    ) -> None:
        first = provider.claims(provider.tokens(client_id)["id_token"])
        clock.turn(600)

        code = returned(provider.authorize(client_id))["code"]
        second = provider.claims(provider.token(client_id, code).json()["id_token"])

        assert (second["auth_time"], second["sid"]) == (first["auth_time"], first["sid"])
        assert second["iat"] == first["iat"] + 600

    @pytest.mark.parametrize(
        "asking",
        [
            {"prompt": "login"},
            {"prompt": "consent"},
            {"prompt": "select_account"},
            {"max_age": "0"},
            {"max_age": "599"},
        ],
    )
    def test_asking_for_a_login_gets_one_with_a_fresh_auth_time(
        self, provider: Provider, client_id: str, clock: Clock, asking: dict[str, str]
    ) -> None:
        first = provider.claims(provider.tokens(client_id)["id_token"])
        clock.turn(600)

        page = provider.authorize(client_id, **asking)
        second = provider.claims(provider.tokens(client_id, **asking)["id_token"])

        assert login_form(page)["subject"] == "dev-requester"
        assert second["auth_time"] == first["auth_time"] + 600
        assert second["sid"] != first["sid"]

    @pytest.mark.parametrize("asking", [{"prompt": "login"}, {"max_age": "0"}])
    def test_a_login_of_this_very_second_is_not_reused(
        self, provider: Provider, client_id: str, asking: dict[str, str]
    ) -> None:
        provider.sign_in(client_id)

        assert login_form(provider.authorize(client_id, **asking))

    def test_a_login_that_is_young_enough_will_do(
        self, provider: Provider, client_id: str, clock: Clock
    ) -> None:
        provider.sign_in(client_id)
        clock.turn(600)

        assert "code" in returned(provider.authorize(client_id, max_age="600"))

    @pytest.mark.parametrize("max_age", ["0", "599"])
    def test_a_silent_request_for_a_younger_login_is_told_so(
        self, provider: Provider, client_id: str, clock: Clock, max_age: str
    ) -> None:
        provider.sign_in(client_id)
        clock.turn(600)

        outcome = returned(provider.authorize(client_id, prompt="none", max_age=max_age))

        assert outcome["error"] == "login_required"

    def test_auth_time_is_when_the_person_clicked_not_when_the_page_came(
        self, provider: Provider, client_id: str, clock: Clock
    ) -> None:
        form = login_form(provider.authorize(client_id))
        clock.turn(300)

        code = returned(provider.browser.post("/authorize/login", data=form))["code"]
        claims = provider.claims(provider.token(client_id, code).json()["id_token"])

        assert claims["auth_time"] == int(clock())

    def test_a_session_ends_after_a_working_day(
        self, provider: Provider, client_id: str, clock: Clock
    ) -> None:
        provider.sign_in(client_id)
        clock.turn(LIFETIME)

        assert returned(provider.authorize(client_id, prompt="none"))["error"] == "login_required"

    def test_another_browser_knows_nothing_of_it(self, provider: Provider, client_id: str) -> None:
        provider.sign_in(client_id)
        provider.browser = provider.new_browser()

        assert returned(provider.authorize(client_id, prompt="none"))["error"] == "login_required"

    def test_a_session_outlives_a_restart(self, provider: Provider, client_id: str) -> None:
        provider.sign_in(client_id)

        again = Provider(provider.settings.state, clock=provider.clock)
        again.browser.cookies = provider.browser.cookies

        assert "code" in returned(again.authorize(client_id))

    def test_the_state_on_disk_signs_nobody_in(self, provider: Provider, client_id: str) -> None:
        provider.sign_in(client_id)
        on_disk = "".join(p.read_text() for p in provider.settings.state.iterdir())

        cookies = [c.value for c in provider.browser.cookies.jar]

        assert cookies
        assert not [value for value in cookies if value and value in on_disk]
