"""Signing in: sessions, cookies, and everything that can be wrong with a login."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from api.client_key import read_client_key
from api.forms import form_token
from api.id_tokens import sign_in_refusal
from api.paths import safe_path
from api.provider import ProviderConfig, ProviderMisfit, read_metadata
from shared.errors import BadConfiguration
from shared.settings import GatewaySettings
from shared.stores.logins import IDLE_S, SESSION_S
from tests.api.stage import ADA, BASE, CLIENT, ISSUER, NOW, Browser, Stage, make_plan, staged

SESSION = "infragate-session"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage


def _begin(stage: Stage) -> str:
    """The provider's URL of a login that was begun in the stage's browser."""
    departure = stage.browser.post("/approvals/login", {"next": "/approvals"})
    return stage.browser.location(departure)


def _pushed(stage: Stage) -> dict[str, str]:
    (request,) = stage.provider.pushed.values()
    return request


def test_a_login_is_pushed_with_pkce_state_and_nonce(stage: Stage) -> None:
    _begin(stage)

    request = _pushed(stage)

    assert request["response_type"] == "code"
    assert request["scope"] == "openid profile"
    assert request["code_challenge_method"] == "S256"
    assert len(request["code_challenge"]) == len(request["state"]) == len(request["nonce"]) == 43
    assert request["redirect_uri"] == f"{BASE}/approvals/callback"
    assert "offline_access" not in request["scope"]


def test_the_client_proves_itself_by_a_short_lived_assertion(stage: Stage) -> None:
    _begin(stage)

    assertion = _pushed(stage)["client_assertion"]
    header = jwt.get_unverified_header(assertion)
    claims = jwt.decode(assertion, options={"verify_signature": False})

    assert header["alg"] == "ES256"
    assert len(header["kid"]) == 43
    assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT, CLIENT, ISSUER)
    assert claims["exp"] - claims["iat"] == 60
    assert claims["jti"]


def test_only_the_reference_goes_through_the_browser(stage: Stage) -> None:
    url = _begin(stage)

    assert url.startswith(f"{ISSUER}/authorize?client_id={CLIENT}&request_uri=urn")
    assert "nonce" not in url


def test_a_session_cookie_is_opaque_http_only_and_lax(stage: Stage) -> None:
    answer = stage.browser.get(stage.provider.sign_in(_begin(stage)))

    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert len(stage.browser.http.cookies[SESSION]) == 43


def test_on_https_cookies_are_secure_and_bound_to_the_host() -> None:
    with staged(base_url="https://approvals.example") as stage:
        answer = stage.browser.post(
            "/approvals/login", {"next": "/"}, {"origin": "https://approvals.example"}
        )

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-infragate-login-")
    assert "Secure" in cookie


def test_signing_in_ends_the_session_that_the_browser_came_with(stage: Stage) -> None:
    stage.sign_in()
    before = stage.browser.http.cookies[SESSION]
    stage.sign_in()

    assert stage.browser.http.cookies[SESSION] != before
    other = Browser(stage.app)
    other.http.cookies.set(SESSION, before)
    with other.http:
        assert "/approvals/login" in other.get("/approvals").headers["location"]


@pytest.mark.promise("session-fixation")
def test_a_cookie_planted_before_the_login_is_not_signed_in_by_it(stage: Stage) -> None:
    stage.browser.http.cookies.set(SESSION, "planted", domain="127.0.0.1", path="/")

    stage.sign_in()

    other = Browser(stage.app)
    other.http.cookies.set(SESSION, "planted")
    with other.http:
        assert other.get("/approvals").status_code == 303


@pytest.mark.promise("no-cookies-in-redis")
def test_neither_cookie_nor_state_lies_in_redis(stage: Stage) -> None:
    _begin(stage)
    stage.sign_in()

    keys = stage.workers.redis.keys("gw:*")
    everything = " ".join(f"{key!r} {stage.workers.redis.get(key)!r}" for key in keys)
    assert len(keys) == 2
    assert stage.browser.http.cookies[SESSION] not in everything
    assert _pushed(stage)["state"] not in everything


def test_a_session_ends_after_eight_hours_however_busy(stage: Stage) -> None:
    stage.sign_in()
    stage.clock.now += SESSION_S - 1
    assert stage.browser.get("/approvals").status_code == 200

    stage.clock.now += 1

    assert stage.browser.get("/approvals").status_code == 303


def test_a_session_idles_out_in_redis(stage: Stage) -> None:
    stage.sign_in()
    (key,) = stage.workers.redis.keys("gw:login:*")

    assert 0 < int(str(stage.workers.redis.ttl(key))) <= IDLE_S
    stage.clock.now += SESSION_S - 60
    stage.browser.get("/approvals")
    assert 0 < int(str(stage.workers.redis.ttl(key))) <= 60


def test_signing_out_ends_the_session_on_the_server(stage: Stage) -> None:
    stage.sign_in()
    cookie = stage.browser.http.cookies[SESSION]

    answer = stage.browser.press("/approvals", "/logout")

    assert answer.headers["location"] == "/approvals/login"
    stage.browser.http.cookies.set(SESSION, cookie, domain="127.0.0.1", path="/")
    assert stage.browser.get("/approvals").status_code == 303


@pytest.mark.promise("login-csrf")
def test_a_login_that_was_begun_in_another_browser_is_refused(stage: Stage) -> None:
    """Login CSRF: the attacker's callback, opened by the victim."""
    attacker = Browser(stage.app)
    with attacker.http:
        departure = attacker.post("/approvals/login", {"next": "/approvals"})
        back = stage.provider.sign_in(attacker.location(departure), "mallory")

        answer = stage.browser.get(back)
        assert answer.status_code == 400
        assert SESSION not in stage.browser.http.cookies

        assert attacker.get(back).status_code == 303, "the attempt must not spend the login"


def test_a_forged_state_is_refused(stage: Stage) -> None:
    back = stage.provider.sign_in(_begin(stage), state="x" * 43)

    answer = stage.browser.get(back)

    assert answer.status_code == 400
    assert "not begun in this browser" in answer.text


def test_a_callback_works_once(stage: Stage) -> None:
    back = stage.provider.sign_in(_begin(stage))

    assert stage.browser.get(back).status_code == 303
    assert stage.browser.get(back).status_code == 400


@pytest.mark.parametrize("iss", [None, "https://evil.example", ISSUER + "/"])
def test_an_answer_of_another_provider_is_refused(stage: Stage, iss: str | None) -> None:
    answer = stage.browser.get(stage.provider.sign_in(_begin(stage), iss=iss))

    assert answer.status_code == 400
    assert "another identity provider" in answer.text
    assert stage.provider.codes, "the code must not have been redeemed"


def test_a_provider_that_does_not_promise_iss_may_leave_it_out(stage: Stage) -> None:
    del stage.provider.metadata["authorization_response_iss_parameter_supported"]

    answer = stage.browser.get(stage.provider.sign_in(_begin(stage), iss=None))

    assert answer.status_code == 303


def test_a_parameter_that_comes_twice_counts_as_missing(stage: Stage) -> None:
    back = stage.provider.sign_in(_begin(stage))

    assert stage.browser.get(back + "&state=other").status_code == 400


def test_a_declined_login_says_so_and_shows_nothing_of_the_provider(stage: Stage) -> None:
    back = stage.provider.sign_in(
        _begin(stage), code=None, error="access_denied", error_description="<b>boo</b>"
    )

    answer = stage.browser.get(back)

    assert answer.status_code == 403
    assert "was not completed" in answer.text
    assert "boo" not in answer.text


@pytest.mark.parametrize(
    "bend",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another-client"]},
        {"azp": "another-client"},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"exp": NOW - 31},
        {"exp": None},
        {"iat": NOW - 301},
        {"iat": NOW + 31},
        {"iat": "now"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_login_starts_no_session(
    stage: Stage, bend: dict[str, object]
) -> None:
    stage.provider.bend = bend

    answer = stage.browser.get(stage.provider.sign_in(_begin(stage)))

    assert answer.status_code == 403
    assert SESSION not in stage.browser.http.cookies


def test_an_id_token_of_another_key_starts_no_session(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forged(request: dict[str, Any]) -> str:
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": ADA, "nonce": request["nonce"]}
        times = {"iat": NOW, "exp": NOW + 300}
        kid = {"kid": stage.provider.key.kid}
        return jwt.encode(claims | times, "k" * 32, algorithm="HS256", headers=kid)

    monkeypatch.setattr(stage.provider, "id_token", forged)

    assert stage.browser.get(stage.provider.sign_in(_begin(stage))).status_code == 403


def test_the_name_that_the_provider_tells_is_only_shown(stage: Stage) -> None:
    stage.provider.bend = {"name": "<script>alert(1)</script>\u202e"}
    stage.sign_in()

    page = stage.browser.get("/approvals").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;U+202E&gt;" in page
    assert "<script>" not in page


@pytest.mark.promise("no-open-redirect")
@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/approvals/../../evil",
        "/approvals//evil.example",
        "/approvals?x=//evil",
        "/approvals\r\nSet-Cookie: a=b",
        "/approvals\n",
        "javascript:alert(1)",
        "/approvalsx",
        "/approvals/%2e%2e",
        "",
    ],
)
def test_nobody_is_sent_to_a_page_that_is_not_ours(stage: Stage, path: str) -> None:
    departure = stage.browser.post("/approvals/login", {"next": path})

    answer = stage.browser.get(stage.provider.sign_in(stage.browser.location(departure)))

    assert answer.headers["location"] == "/approvals"
    assert safe_path(path) == "/approvals"


def test_after_signing_in_one_is_where_one_wanted_to_be(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    to_sign_in = stage.browser.location(stage.browser.get(f"/approvals/{plan.id}"))

    departure = stage.browser.press(to_sign_in, "/login")
    answer = stage.browser.get(stage.provider.sign_in(stage.browser.location(departure)))

    assert answer.headers["location"] == f"/approvals/{plan.id}"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://evil"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
def test_a_login_is_begun_by_our_own_page_only(
    stage: Stage, headers: dict[str, str | None]
) -> None:
    answer = stage.browser.post("/approvals/login", {"next": "/approvals"}, headers)

    assert answer.status_code == 403
    assert not stage.provider.pushed


def test_opening_the_sign_in_page_begins_no_login(stage: Stage) -> None:
    answer = stage.browser.get("/approvals/login?next=/approvals")

    assert answer.status_code == 200
    assert not stage.provider.pushed
    assert "set-cookie" not in answer.headers


def test_a_provider_that_is_down_is_named_and_it_is_worth_trying_again(stage: Stage) -> None:
    stage.provider.down = True

    answer = stage.browser.post("/approvals/login", {"next": "/approvals"})

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert "identity provider does not answer" in answer.text


def test_a_provider_that_refuses_this_client_is_the_operators_business(stage: Stage) -> None:
    stage.provider.error = "invalid_client"

    answer = stage.browser.post("/approvals/login", {"next": "/approvals"})

    assert answer.status_code == 502
    assert "invalid_client" in answer.text


@pytest.mark.parametrize("rubbish", [b"", b"<html>", b"[]", b"{", b'{"a":' * 5_000], ids=range(5))
def test_an_answer_that_is_no_json_object_is_told_as_a_misfit(stage: Stage, rubbish: bytes) -> None:
    stage.provider.rubbish = rubbish

    answer = stage.browser.post("/approvals/login", {"next": "/approvals"})

    assert answer.status_code == 502
    assert "identity provider" in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": ISSUER + "/"},
        {"pushed_authorization_request_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://elsewhere.example/token"},
    ],
    ids=str,
)
def test_metadata_that_do_not_fit_are_not_used(change: dict[str, object]) -> None:
    with staged() as stage:
        stage.provider.metadata.update(change)

        assert stage.browser.post("/approvals/login", {"next": ""}).status_code == 502


def test_an_overridden_token_endpoint_takes_pushed_requests_along() -> None:
    settings = GatewaySettings(
        approval_token_endpoint="http://dev-issuer:3011/token", oauth_require_https_metadata=False
    )
    with staged() as stage:
        found = read_metadata(stage.provider.metadata, ProviderConfig.from_settings(settings))

    assert found.token_endpoint == "http://dev-issuer:3011/token"
    assert found.par_endpoint == "http://dev-issuer:3011/par"
    assert found.authorization_endpoint == f"{ISSUER}/authorize"


def test_an_endpoint_without_https_needs_to_be_loopback() -> None:
    config = ProviderConfig.from_settings(
        GatewaySettings(approval_token_endpoint="http://dev-issuer:3011/token")
    )
    with staged() as stage, pytest.raises(ProviderMisfit, match="not https"):
        read_metadata(stage.provider.metadata, config)


def test_a_form_token_is_good_for_one_session_and_one_action() -> None:
    token = form_token("cookie", "/approvals/a/approve")

    assert token != form_token("cookie", "/approvals/a/deny")
    assert token != form_token("cookie", "/approvals/b/approve")
    assert token != form_token("other", "/approvals/a/approve")
    assert hmac.new(b"cookie", b"", hashlib.sha256).hexdigest() not in token


def test_a_client_key_of_another_curve_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = generate_private_key(SECP384R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    with pytest.raises(BadConfiguration, match="INFRA_GATE_APPROVAL_CLIENT_KEY_FILE"):
        read_client_key(path)


def test_a_missing_client_key_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="INFRA_GATE_APPROVAL_CLIENT_KEY_FILE"):
        read_client_key(tmp_path / "none.pem")


def test_a_client_key_shows_its_secret_nowhere(stage: Stage) -> None:
    key = stage.provider.key

    assert "private" not in repr(key)
    assert "d" not in json.loads(json.dumps(key.public_jwk()))


def test_a_login_for_looking_may_be_older_than_the_visit() -> None:
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": ADA, "nonce": "n", "iat": NOW, "exp": NOW + 9}

    problem = sign_in_refusal(claims, issuer=ISSUER, client_id=CLIENT, nonce="n", now=NOW)

    assert problem is None
