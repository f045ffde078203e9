"""A login whose approval needs a passkey, too: what waits meanwhile, and what comes of it."""

import json
from collections.abc import Iterator
from typing import Any, cast

import httpx2
import pytest

from shared.digests import base64url, words
from shared.enrollment import Enrollment
from shared.messages import ProofCall
from shared.plans import Identity, Plan, State
from tests.api.stage import ADA, BASE, ISSUER, NOW, Browser, Stage, make_plan, staged
from tests.worker.authenticator import Authenticator, raw

PERSON = Identity(iss=ISSUER, sub=ADA)


@pytest.fixture
def ada() -> Authenticator:
    return Authenticator(rp_id="127.0.0.1", origin=BASE)


@pytest.fixture
def stage(ada: Authenticator) -> Iterator[Stage]:
    """Ada is signed in, and her approvals need her passkey."""
    with staged() as stage:
        stage.workers.passkeys = (ada.passkey(PERSON),)
        stage.sign_in()
        yield stage


@pytest.fixture
def plan(stage: Stage) -> Plan:
    return stage.workers.add(make_plan())


def page_of(plan: Plan) -> str:
    return f"/approvals/{plan.id}/passkey"


def challenge_on(page: str) -> bytes:
    return raw(page.split('data-challenge="', 1)[1].split('"', 1)[0])


def use(
    stage: Stage, plan: Plan, ada: Authenticator, challenge: bytes | None = None
) -> httpx2.Response:
    """Answers the page with the passkey, as its script does."""
    form = stage.browser.form(page_of(plan), "/passkey")
    challenge = challenge or challenge_on(stage.browser.get(page_of(plan)).text)
    answer = ada.get(challenge).model_dump_json()
    return stage.browser.post(form.action, form.fields | {"answer": answer})


@pytest.mark.promise("passkey-demanded")
def test_after_the_login_the_page_asks_for_the_passkey_and_nothing_is_approved_yet(
    stage: Stage, plan: Plan, ada: Authenticator
) -> None:
    answer = stage.approve(plan)

    assert stage.browser.location(answer) == BASE + page_of(plan)
    assert stage.workers.state(plan) is State.PENDING
    page = stage.browser.get(page_of(plan)).text
    statement = next(c for c in stage.workers.calls if isinstance(c, ProofCall)).signed.statement
    assert challenge_on(page) == statement.passkey_challenge()
    assert f'data-credentials="{ada.passkey(PERSON).credential_id}"' in page
    assert 'data-rp-id="127.0.0.1"' in page
    assert plan.summary in page
    assert "your browser does not run" in page


def test_the_passkey_completes_the_approval_once(
    stage: Stage, plan: Plan, ada: Authenticator
) -> None:
    stage.approve(plan)
    form = stage.browser.form(page_of(plan), "/passkey")

    answer = use(stage, plan, ada)

    assert stage.browser.location(answer) == f"{BASE}/approvals/{plan.id}"
    assert stage.workers.state(plan) is State.APPROVED
    assert stage.browser.get(page_of(plan)).status_code == 409
    again = ada.get(bytes(32)).model_dump_json()
    assert stage.browser.post(form.action, form.fields | {"answer": again}).status_code == 409


@pytest.mark.promise("passkey-binds-the-statement")
def test_an_answer_to_another_challenge_approves_nothing_and_ends_the_wait(
    stage: Stage, plan: Plan, ada: Authenticator
) -> None:
    stage.approve(plan)

    answer = use(stage, plan, ada, bytes(32))

    assert answer.status_code == 403
    assert "passkey_challenge" in answer.text
    assert stage.workers.state(plan) is State.PENDING
    assert stage.browser.get(page_of(plan)).status_code == 409


@pytest.mark.parametrize("answer", ["", "{}", "x" * 9000, '{"credential_id": "a"}'])
def test_what_is_no_answer_leaves_the_proof_waiting(
    stage: Stage, plan: Plan, ada: Authenticator, answer: str
) -> None:
    stage.approve(plan)
    form = stage.browser.form(page_of(plan), "/passkey")

    refused = stage.browser.post(form.action, form.fields | {"answer": answer})

    assert refused.status_code == 403
    assert "passkey_unreadable" in refused.text
    assert use(stage, plan, ada).status_code == 303


@pytest.mark.promise("no-tokens-anywhere")
def test_while_it_waits_the_login_lies_in_redis_for_the_applier_alone(
    stage: Stage, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = stage.browser.press(f"/approvals/{plan.id}", "/approve")
    tokens: list[str] = []
    made = stage.provider.id_token

    def noted(request: dict[str, Any]) -> str:
        tokens.append(made(request))
        return tokens[-1]

    monkeypatch.setattr(stage.provider, "id_token", noted)
    stage.browser.get(stage.provider.sign_in(stage.browser.location(departure)))

    redis = stage.workers.redis
    [key] = cast("list[bytes]", redis.keys("gw:passkey:*"))
    stored = redis.get(key)
    cookies = stage.browser.http.cookies
    assert isinstance(stored, bytes)
    assert len(tokens) == 1
    assert all(part.encode() not in stored for part in tokens[0].split("."))
    assert not any(value and value.encode() in stored + key for value in cookies.values())
    assert 0 < redis.ttl(key) <= 300


@pytest.mark.promise("login-csrf")
def test_another_browser_has_no_part_in_what_waits(
    stage: Stage, plan: Plan, ada: Authenticator
) -> None:
    stage.approve(plan)
    challenge = challenge_on(stage.browser.get(page_of(plan)).text)
    other = Browser(stage.app)
    stage.sign_in(browser=other)

    assert other.get(page_of(plan)).status_code == 409
    token = stage.browser.form(page_of(plan), "/passkey").fields
    answer = {"answer": ada.get(challenge).model_dump_json()}
    assert other.post(page_of(plan), token | answer).status_code == 403
    assert stage.workers.state(plan) is State.PENDING
    assert use(stage, plan, ada).status_code == 303


def test_who_signed_out_meanwhile_begins_anew(stage: Stage, plan: Plan) -> None:
    stage.approve(plan)
    stage.browser.press("/approvals", "/logout")
    assert stage.browser.location(stage.browser.get(page_of(plan))).endswith(f"%2F{plan.id}")

    stage.sign_in()

    assert stage.browser.get(page_of(plan)).status_code == 409


def test_a_proof_waits_for_its_own_plan_only(stage: Stage, plan: Plan) -> None:
    other = stage.workers.add(make_plan(id="another"))
    stage.approve(plan)

    assert stage.browser.get(page_of(other)).status_code == 409


@pytest.mark.promise("pages-run-no-script")
def test_only_pages_that_stay_fresh_or_ask_for_a_passkey_run_our_own_scripts(
    stage: Stage, plan: Plan
) -> None:
    stage.approve(plan)
    policies = {
        path: stage.browser.get(path).headers
        for path in (
            "/approvals",
            "/approvals/login",
            f"/approvals/{plan.id}",
            "/approvals/passkeys",
            "/approvals/none/passkey",
            "/approvals/none",
            page_of(plan),
        )
    }
    scripted = {
        path for path, sent in policies.items() if "script-src" in sent["content-security-policy"]
    }
    asking = {
        path for path, sent in policies.items() if "connect-src" in sent["content-security-policy"]
    }

    assert asking == {"/approvals", f"/approvals/{plan.id}"}
    assert scripted == {page_of(plan), *asking}
    assert all(
        sent["content-security-policy"].endswith("trusted-types 'none'")
        for sent in policies.values()
    )
    sent = policies[page_of(plan)]["content-security-policy"].split("; ")
    assert sent[:2] == ["default-src 'none'", "script-src 'self'"]
    assert "require-trusted-types-for 'script'" in sent
    assert "trusted-types 'none'" in sent
    allowed = {path: sent["permissions-policy"] for path, sent in policies.items()}
    assert "publickey-credentials-get=(self)" in allowed.pop(page_of(plan))
    assert all("publickey-credentials-get=()" in one for one in allowed.values())


def enrollment(**changed: object) -> Enrollment:
    facts = {
        "iss": ISSUER,
        "sub": ADA,
        "rp_id": "127.0.0.1",
        "origin": BASE,
        "random": base64url(bytes(32)),
        "expires_at": NOW + 100,
    }
    return Enrollment.model_validate(facts | changed)


def test_a_code_leads_to_the_passkey_and_the_passkey_to_six_words(
    stage: Stage, ada: Authenticator
) -> None:
    begun = enrollment(exclude=("AAAAAAAAAAAAAAAAAAAAAAAA",))
    folded = " ".join([begun.code()[:40], begun.code()[40:]]) + "\n"

    page = stage.browser.press("/approvals/passkeys", "/passkeys", code=folded)

    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert challenge_on(page.text) == begun.challenge()
    assert 'data-exclude="AAAAAAAAAAAAAAAAAAAAAAAA"' in page.text
    token = page.text.split('/passkeys/made"', 1)[1].split('form_token" value="')[1].split('"')[0]
    enrolled = ada.create(begun)
    done = stage.browser.post(
        "/approvals/passkeys/made",
        {"form_token": token, "answer": enrolled.model_dump_json()},
    )
    assert words(ada.passkey(PERSON).digest) in done.text
    assert json.loads(enrolled.model_dump_json())["attestation_object"] in done.text
    assert "script-src" not in done.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("", "enrollment_unreadable"),
        ("nonsense", "enrollment_unreadable"),
        (enrollment(expires_at=NOW).code(), "enrollment_expired"),
        (enrollment(sub="eve").code(), "enrollment_of_somebody_else"),
        (enrollment(origin="https://evil.example").code(), "enrollment_elsewhere"),
    ],
    ids=["nothing", "nonsense", "old", "another's", "elsewhere"],
)
def test_a_code_that_is_not_for_this_person_and_these_pages_makes_no_passkey(
    stage: Stage, code: str, refusal: str
) -> None:
    page = stage.browser.press("/approvals/passkeys", "/passkeys", code=code)

    assert page.status_code >= 400
    assert refusal in page.text
    assert "script-src" not in page.headers["content-security-policy"]


@pytest.mark.promise("forms-are-ours")
@pytest.mark.parametrize("path", ["/approvals/passkeys", "/approvals/passkeys/made"])
def test_the_forms_of_an_enrollment_are_ours(stage: Stage, path: str) -> None:
    assert stage.browser.post(path, {"code": enrollment().code()}).status_code == 403
    foreign: dict[str, str | None] = {"origin": "https://evil.example"}
    assert stage.browser.post(path, {}, foreign).status_code == 403


def test_who_is_not_signed_in_enrolls_nothing(stage: Stage) -> None:
    stranger = Browser(stage.app)

    assert stranger.location(stranger.get("/approvals/passkeys")).endswith("%2Fpasskeys")
    assert stranger.post("/approvals/passkeys/made", {}).status_code == 303
