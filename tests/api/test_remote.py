"""The terminals' door: who gets a sealed plan there, what can be left, and that no page gets in."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.approvals import SignedStatement
from shared.messages import DenyCall, ProofCall
from shared.plans import SealedPlan, State
from shared.seals import encrypt_proof, plan_seal_holds
from shared.settings import TERMINAL_CLIENT
from tests.api.stage import ADA, CLIENT, ISSUER, NOW, Stage, make_plan, staged

ROOT = "/approvals/api"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage


def id_token(stage: Stage, **changes: object) -> str:
    """A login for looking, by the terminals' client."""
    claims: dict[str, object] = {
        "iss": ISSUER,
        "sub": ADA,
        "aud": TERMINAL_CLIENT,
        "exp": NOW + 300,
        "iat": NOW,
        "auth_time": NOW - 3600,
        "nonce": "n",
    }
    return stage.provider.key.sign(claims | changes)


def post(stage: Stage, path: str, bearer: str, **body: Any) -> httpx2.Response:
    headers = {"authorization": f"Bearer {bearer}"}
    return stage.browser.http.post(ROOT + path, json=body, headers=headers)


def get(stage: Stage, path: str, bearer: str, **headers: str) -> httpx2.Response:
    headers = {"authorization": f"Bearer {bearer}"} | headers
    return stage.browser.http.get(ROOT + path, headers=headers)


def session(stage: Stage, **changes: object) -> str:
    answer = post(stage, "/session", id_token(stage, **changes))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session"])


def test_an_approver_gets_the_sealed_bytes_and_their_seal(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())

    told = get(stage, f"/plans/{plan.id}", session(stage)).json()

    digest = SealedPlan(document=told["document"].encode(), seal="").digest
    keys = (stage.workers.seal_key.public_key(),)
    assert told["document"].encode() == plan.document()
    assert plan_seal_holds(keys, digest, plan.expires_at, told["seal"])
    assert (told["state"], told["refusal"], told["receipts"]) == ("pending", None, [])


@pytest.mark.promise("looking-is-for-approvers")
def test_a_terminal_shows_a_plan_to_whom_the_pages_would(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())

    seen = {
        sub: get(stage, f"/plans/{plan.id}", session(stage, sub=sub)).status_code
        for sub in (ADA, "dev-requester", "eve")
    }

    assert seen == {ADA: 200, "dev-requester": 200, "eve": 403}


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": CLIENT},
        {"aud": [TERMINAL_CLIENT, CLIENT]},
        {"azp": CLIENT},
        {"iss": "https://other.example"},
        {"exp": NOW - 31},
        {"iat": NOW - 301},
        {"sub": None},
        {"sub": ""},
        {"scope": "openid"},
    ],
)
def test_a_token_that_is_not_of_the_terminals_client_and_of_now_starts_no_session(
    changes: dict[str, object], stage: Stage
) -> None:
    refused = post(stage, "/session", id_token(stage, **changes))

    assert refused.status_code in {401, 403}
    assert "session" not in refused.json()


def test_a_token_that_the_provider_did_not_sign_starts_no_session(stage: Stage) -> None:
    header, claims, signature = id_token(stage).split(".")
    _, other_claims, other_signature = id_token(stage, sub="eve").split(".")

    for forged in (f"{header}.{other_claims}.{signature}", f"{header}.{claims}.{other_signature}"):
        answer = post(stage, "/session", forged)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize(("length", "status"), [(1, 200), (255, 200), (256, 401)])
def test_a_subject_is_as_long_as_the_standard_lets_it_be(
    length: int, status: int, stage: Stage
) -> None:
    assert post(stage, "/session", id_token(stage, sub="s" * length)).status_code == status


@pytest.mark.parametrize("bearer", ["", "made-up", "x.y.z"])
def test_without_a_session_nothing_is_shown_or_taken(bearer: str, stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    path = f"/plans/{plan.id}"

    answers = [
        get(stage, path, bearer),
        post(stage, f"{path}/challenge", bearer, digest="x"),
        post(stage, f"{path}/proof", bearer),
        post(stage, f"{path}/deny", bearer),
        post(stage, "/session", bearer),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert stage.workers.calls == []


@pytest.mark.promise("terminal-door-is-for-programs")
def test_a_page_in_a_browser_gets_nothing_at_the_terminals_door(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    stage.sign_in()
    bearer = session(stage)
    cookie = stage.browser.http.cookies["infragate-session"]

    foreign = get(stage, f"/plans/{plan.id}", bearer, origin="https://evil.example")
    ours = get(stage, f"/plans/{plan.id}", bearer, **{"sec-fetch-site": "same-origin"})
    by_cookie = stage.browser.http.get(f"{ROOT}/plans/{plan.id}")
    cookie_as_bearer = get(stage, f"/plans/{plan.id}", cookie)
    preflight = stage.browser.http.options(
        f"{ROOT}/plans/{plan.id}", headers={"origin": "https://evil.example"}
    )

    answers = (foreign, ours, by_cookie, cookie_as_bearer)
    assert [answer.status_code for answer in answers] == [403, 403, 401, 401]
    for answer in (*answers, preflight):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "set-cookie" not in answer.headers


def test_a_session_of_a_terminal_signs_nobody_in_on_the_pages(stage: Stage) -> None:
    stage.browser.http.cookies.set("infragate-session", session(stage))

    assert stage.browser.get("/approvals").status_code == 303


@pytest.mark.promise("get-changes-nothing")
def test_looking_by_a_terminal_changes_nothing(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    bearer = session(stage)
    before = stage.workers.redis.hgetall(f"wk:plan:{plan.id}")

    for path in (f"/plans/{plan.id}", f"/plans/{plan.id}/challenge", f"/plans/{plan.id}/deny"):
        get(stage, path, bearer)

    assert stage.workers.redis.hgetall(f"wk:plan:{plan.id}") == before
    assert stage.workers.calls == []


def test_a_proof_is_carried_as_it_is_and_what_the_applier_says_comes_back(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    bearer = session(stage)
    digest = SealedPlan(document=plan.document(), seal="").digest
    told = post(stage, f"/plans/{plan.id}/challenge", bearer, digest=digest).json()
    statement = SignedStatement.model_validate(told).statement
    token = id_token(stage, nonce=statement.nonce(), auth_time=NOW)
    key = stage.workers.proof_key.public_key()
    sealed = encrypt_proof(key, token, statement=statement.document())

    answer = post(stage, f"/plans/{plan.id}/proof", bearer, signed=told, sealed_token=sealed)

    assert answer.json() == {"state": "approved"}
    assert stage.workers.state(plan) is State.APPROVED
    (call,) = (call for call in stage.workers.calls if isinstance(call, ProofCall))
    assert call.sealed_token == sealed
    receipts = get(stage, f"/plans/{plan.id}", bearer).json()["receipts"]
    assert [one["receipt"]["plan_digest"] for one in receipts] == [digest]


def test_a_statement_is_not_asked_for_another_plan_than_the_one_shown(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())

    refused = post(stage, f"/plans/{plan.id}/challenge", session(stage), digest="sha256:0")

    assert (refused.status_code, refused.json()["code"]) == (409, "plan_changed")
    assert stage.workers.calls == []


def test_a_proof_in_somebody_elses_name_is_not_carried(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    digest = SealedPlan(document=plan.document(), seal="").digest
    told = post(stage, f"/plans/{plan.id}/challenge", session(stage), digest=digest).json()

    eve = session(stage, sub="eve")
    refused = post(stage, f"/plans/{plan.id}/proof", eve, signed=told, sealed_token="x")

    assert refused.status_code == 400
    assert not [call for call in stage.workers.calls if isinstance(call, ProofCall)]


def test_a_plan_is_denied_with_a_reason(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())

    answer = post(stage, f"/plans/{plan.id}/deny", session(stage, groups=["ops"]), reason="no")

    assert answer.json() == {}
    assert stage.workers.state(plan) is State.DENIED
    (call,) = stage.workers.calls
    assert isinstance(call, DenyCall)
    assert (call.approver.sub, call.groups, call.reason) == (ADA, ("ops",), "no")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"reason": 1}', b'{"who": "x"}', b'{"reason": "' + b"x" * 70_000]
)
def test_a_body_that_is_too_large_or_not_as_agreed_does_nothing(body: bytes, stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    headers = {"authorization": f"Bearer {session(stage)}"}

    answer = stage.browser.http.post(f"{ROOT}/plans/{plan.id}/deny", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "body_malformed")
    assert stage.workers.state(plan) is State.PENDING


def test_a_session_ends_when_the_terminal_leaves(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    bearer = session(stage)

    post(stage, "/session/end", bearer)

    assert get(stage, f"/plans/{plan.id}", bearer).status_code == 401


def test_neither_the_bearer_nor_the_token_lies_in_redis(stage: Stage) -> None:
    token = id_token(stage)
    bearer = post(stage, "/session", token).json()["session"]

    redis = stage.workers.redis
    stored = " ".join(f"{key!r} {redis.get(key)!r}" for key in redis.keys("gw:*"))
    assert "gw:login:" in stored
    assert bearer not in stored
    assert token not in stored


def test_a_fault_is_told_as_json_with_its_code(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    bearer = session(stage)
    stage.workers.running = False

    answer = get(stage, f"/plans/{plan.id}", bearer)

    assert answer.status_code == 503
    assert json.loads(answer.text)["code"] == "no_worker"
