"""A terminal's logins: what is asked of the provider, and which of its answers are not believed."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.terminal.deciding import End
from api.terminal.signing_in import SignedIn, SigningIn, _code_in
from shared.errors import Refusal
from shared.plans import Identity, State
from tests.api.stage import ADA, ISSUER, NOW, make_plan
from tests.api.terminal.visit import Visit, settings, visiting


@pytest.fixture
def visit() -> Iterator[Visit]:
    with visiting() as visit:
        yield visit


def test_a_login_is_pushed_and_the_browser_gets_a_reference_alone(visit: Visit) -> None:
    visit.run("any")

    (url,) = visit.opened
    assert url.startswith(f"{ISSUER}/authorize?client_id=infra-gate-approval-cli&request_uri=")
    assert "nonce" not in url


def test_the_login_that_approves_asks_for_a_new_sign_in_by_a_loopback_redirect(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[dict[str, str]] = []
    push = visit.stage.provider._push

    def remembering(form: dict[str, str]) -> object:
        pushed.append(form)
        return push(form)

    monkeypatch.setattr(visit.stage.provider, "_push", remembering)
    plan = visit.stage.workers.add(make_plan())

    visit.run(plan, "approve")

    looking, approving = pushed
    assert "prompt" not in looking
    assert (approving["prompt"], approving["max_age"]) == ("login", "0")
    assert approving["scope"] == "openid"
    for form in pushed:
        assert form["redirect_uri"].startswith("http://127.0.0.1:")
        assert form["code_challenge_method"] == "S256"
    assert len({form["nonce"] for form in pushed}) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"request_uri": "urn:example:one"}),
        (400, {"request_uri": "urn:example:one"}),
        (201, {}),
        (201, {"request_uri": 7}),
    ],
)
def test_a_pushed_request_that_was_not_taken_opens_no_browser(
    status: int, body: dict[str, object], visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = httpx2.Response(status, json=body)
    monkeypatch.setattr(visit.stage.provider, "_push", lambda _: answer)

    assert visit.run("any") is End.NOT_DONE
    assert f"it does not take a pushed request (status {status})" in visit.said
    assert visit.opened == []


def test_a_provider_on_https_is_found_by_discovery_and_asked(visit: Visit) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        if request.method == "POST":
            return httpx2.Response(503, json={})
        names = ("authorization", "token", "pushed_authorization_request")
        endpoints = {f"{name}_endpoint": f"https://id.example/{name}" for name in names}
        return httpx2.Response(200, json={"issuer": "https://id.example", **endpoints})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        signing_in = SigningIn(
            settings(oauth_authority="https://id.example"),
            client=client,
            keys=visit.stage.provider,
            show=lambda _: None,
            clock=visit.stage.clock,
        )
        told = signing_in.to_look()

    assert isinstance(told, Refusal)
    assert "it does not take a pushed request (status 503)" in told.message
    assert asked == [
        "https://id.example/.well-known/openid-configuration",
        "https://id.example/pushed_authorization_request",
    ]


@pytest.mark.parametrize(
    ("status", "body"), [(400, {"id_token": "a.b.c"}), (200, {}), (200, {"id_token": 7})]
)
def test_a_code_that_was_not_redeemed_is_no_login(
    status: int, body: dict[str, object], visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = httpx2.Response(status, json=body)
    monkeypatch.setattr(visit.stage.provider, "_redeem", lambda _: answer)

    assert visit.run("any") is End.NOT_DONE
    assert f"it gives no ID token for the code (status {status})" in visit.said


def test_a_token_that_the_provider_did_not_sign_is_not_used(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = visit.stage.provider.id_token

    def forged(request: dict[str, Any]) -> str:
        header, claims, _ = mint(request).split(".")
        return f"{header}.{claims}.{mint(request | {'sub': 'eve'}).split('.')[2]}"

    monkeypatch.setattr(visit.stage.provider, "id_token", forged)

    assert visit.run("any") is End.NOT_DONE
    assert "(token_signature)" in visit.said


def test_a_token_that_is_none_is_not_used(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit.stage.provider, "id_token", lambda _request: "no.token")

    assert visit.run("any") is End.NOT_DONE
    assert "(token_parts)" in visit.said


def test_a_provider_that_refuses_the_request_opens_no_browser(visit: Visit) -> None:
    visit.stage.provider.error = "invalid_client"

    assert visit.run("any") is End.NOT_DONE
    assert "does not take a pushed request (status 400). (provider_misfit)" in visit.said
    assert visit.opened == []


def test_a_code_that_was_spent_by_somebody_else_signs_nobody_in(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    redeem = visit.stage.provider._redeem

    def late(form: dict[str, str]) -> object:
        visit.stage.provider.codes.clear()
        return redeem(form)

    monkeypatch.setattr(visit.stage.provider, "_redeem", late)

    assert visit.run("any") is End.NOT_DONE
    assert "gives no ID token for the code (status 400). (provider_misfit)" in visit.said


@pytest.mark.parametrize(("age", "end"), [(5, End.DONE), (6, End.NOT_DONE)])
def test_an_approving_login_is_at_most_five_seconds_older_than_its_beginning(
    age: int, end: End, visit: Visit
) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.stage.provider.bend |= {"auth_time": NOW - age}

    assert visit.run(plan, "approve") is end
    assert (visit.stage.workers.state(plan) is State.APPROVED) is (end is End.DONE)


@pytest.mark.parametrize(("length", "known"), [(1, True), (255, True), (256, False)])
def test_a_subject_is_as_long_as_the_standard_lets_it_be(
    length: int, known: bool, visit: Visit
) -> None:
    visit.people = ("s" * length,)

    visit.run("any")

    assert ("(login_subject)" in visit.said) is not known


@pytest.mark.parametrize(
    ("answer", "promises_iss", "expected"),
    [
        (None, False, "login_late"),
        ({"code": "c", "iss": ISSUER}, True, "c"),
        ({"code": "c", "iss": ISSUER}, False, "c"),
        ({"code": "c"}, False, "c"),
        ({"code": "c"}, True, "login_issuer"),
        ({"code": "c", "iss": "https://other.example"}, False, "login_issuer"),
        ({"code": "c", "iss": f"{ISSUER}/"}, True, "login_issuer"),
        ({"code": ""}, False, "login_declined"),
        ({}, False, "login_declined"),
        ({"code": "c", "error": "access_denied"}, False, "login_declined"),
        ({"code": "c" * 4096}, False, "c" * 4096),
        ({"code": "c" * 4097}, False, "login_declined"),
    ],
)
def test_an_answer_counts_if_it_is_the_providers_and_holds_a_code(
    answer: dict[str, str] | None, promises_iss: bool, expected: str
) -> None:
    found = _code_in(answer, issuer=ISSUER, promises_iss=promises_iss)

    assert (found.code if isinstance(found, Refusal) else found) == expected


def test_a_token_is_not_in_what_is_printed_of_who_signed_in() -> None:
    person = SignedIn(identity=Identity(iss=ISSUER, sub=ADA), token="the-secret")

    assert "the-secret" not in repr(person)
