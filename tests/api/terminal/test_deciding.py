"""A visit at an approver's terminal: what is asked, what ends it, and what is never said."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from api.terminal.carrier import Carried, Carrier
from api.terminal.deciding import End
from shared.errors import Refusal, WorkerTimeout
from shared.messages import ChallengeCall, DenyCall
from shared.plans import Identity, RiskNote, State
from tests.api.stage import ADA, ISSUER, NOW, make_plan
from tests.api.terminal.visit import Visit, visiting
from tests.worker.authenticator import Authenticator

HIGH = RiskNote(level="high")


@pytest.fixture
def visit() -> Iterator[Visit]:
    with visiting() as visit:
        yield visit


def test_an_approval_is_a_second_login_that_commits_to_the_statement(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())

    end = visit.run(plan, "approve")

    assert end is End.DONE, visit.said
    assert len(visit.opened) == 2
    in_order = [
        "To look at the plan, sign in.",
        f"You are {ADA} at {ISSUER}.\n",
        "The approvals service says that the plan is pending.\n",
        plan.summary,  # once more, beside the question
        "Type approve, deny or nothing",
        "Sign in once more: this login approves exactly this plan.",
        "Approved: the applier's signed receipt names this plan, you",
    ]
    places = [visit.said.rindex(text) for text in in_order]
    assert places == sorted(places)
    assert "more people" not in visit.said


def test_the_exit_codes_are_those_of_the_manual() -> None:
    ends = (End.DONE, End.NOT_DONE, End.CANNOT, End.DISTRUST)
    assert [int(end) for end in ends] == [0, 1, 2, 3]


@pytest.mark.parametrize("typed", ["nothing", "", "yes", "APPROVE", "approve it", "revoke", "y"])
def test_whatever_is_not_exactly_a_decision_decides_nothing(typed: str, visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())

    assert visit.run(plan, typed) is End.NOT_DONE
    assert visit.stage.workers.calls == []
    assert "Nothing was decided." in visit.said


def test_a_person_who_goes_away_has_decided_nothing(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())

    assert visit.run(plan) is End.NOT_DONE
    assert visit.stage.workers.calls == []


def test_a_pipe_is_shown_the_plan_and_can_decide_nothing(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())

    assert visit.run(plan, "approve", tty=False) is End.NOT_DONE
    assert plan.summary in visit.said
    assert "it is no tty" in visit.said
    assert visit.stage.workers.calls == []


@pytest.mark.parametrize(
    ("typed", "end"),
    [("mcp-nginx-demo", End.DONE), ("mcp-nginx", End.NOT_DONE), ("", End.NOT_DONE)],
)
def test_high_risk_wants_the_namespace_typed(typed: str, end: End, visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan(risk=HIGH))

    assert visit.run(plan, "approve", typed) is end
    asked = [call for call in visit.stage.workers.calls if isinstance(call, ChallengeCall)]
    assert bool(asked) is (end is End.DONE)


def test_a_denial_needs_no_second_login_and_says_that_nothing_signs_it(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())

    end = visit.run(plan, "deny", "wrong hour")

    assert (end, len(visit.opened)) == (End.DONE, 1)
    (call,) = visit.stage.workers.calls
    assert isinstance(call, DenyCall)
    assert call.reason == "wrong hour"
    assert "says that the plan is denied." in visit.said
    assert "No signature proves it" in visit.said


def test_a_reason_that_is_too_long_denies_nothing(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())

    assert visit.run(plan, "deny", "x" * 501) is End.NOT_DONE
    assert visit.stage.workers.state(plan) is State.PENDING


def test_a_reason_may_be_as_long_as_it_says(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())

    assert visit.run(plan, "deny", "x" * 500) is End.DONE, visit.said
    assert visit.stage.workers.state(plan) is State.DENIED


def test_after_the_visit_its_session_is_worth_nothing(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = visit.stage.workers.add(make_plan())
    begin, bearers = Carrier.begin, list[str]()

    def noted(carrier: Carrier, token: str) -> Refusal | None:
        refused = begin(carrier, token)
        bearers.append(carrier._bearer)
        return refused

    monkeypatch.setattr(Carrier, "begin", noted)
    visit.run(plan, "nothing")
    visit.carrier._bearer = bearers[0]

    assert isinstance(visit.carrier.plan(plan.id), Refusal)


def test_an_approval_is_taken_back(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.run(plan, "approve")

    end = visit.run(plan, "revoke", "")

    assert end is End.DONE, visit.said
    assert "Type revoke or nothing" in visit.said
    assert "says that the plan is revoked." in visit.said
    assert visit.stage.workers.state(plan) is State.REVOKED


def test_a_plan_that_was_decided_is_shown_and_offers_nothing(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.run(plan, "deny", "")

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert "There is nothing to decide." in visit.said


def test_an_expired_plan_is_not_approved_whatever_the_service_says(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan(expires_at=NOW))

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert "The plan has expired" in visit.said
    assert visit.stage.workers.calls == []


def test_somebody_who_may_not_look_is_told_so(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.people = ("eve",)

    assert visit.run(plan) is End.NOT_DONE
    assert "neither the requester of this plan nor one of its approvers" in visit.said
    assert plan.summary not in visit.said


def test_a_requester_who_may_not_approve_is_told_before_and_refused_after(visit: Visit) -> None:
    visit.stage.workers.approvers = {Identity(iss=ISSUER, sub="another")}
    plan = visit.stage.workers.add(make_plan())
    visit.people = ("dev-requester",)

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert "It says that you may not approve it" in visit.said
    assert "not_an_approver" in visit.said


def test_a_plan_that_does_not_exist_is_none(visit: Visit) -> None:
    assert visit.run("nothing-here") is End.NOT_DONE
    assert "said_no_such_plan" in visit.said


def test_somebody_else_who_signs_in_to_approve_approves_nothing(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.people = (ADA, "dev-approver-2")

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert visit.stage.workers.state(plan) is State.PENDING


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({"nonce": "of another login"}, "login_nonce"),
        ({"nonce": None}, "login_nonce"),
        ({"aud": "infra-gate-approval-ui"}, "proof_audience"),
        ({"azp": "another"}, "proof_authorized_party"),
        ({"iss": "https://other.example"}, "proof_issuer"),
        ({"auth_time": None}, "proof_times"),
        ({"exp": NOW - 31}, "proof_expired"),
        ({"sub": ""}, "login_subject"),
    ],
)
def test_an_id_token_that_is_not_the_answer_to_our_login_is_not_used(
    bent: dict[str, object], code: str, visit: Visit
) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.stage.provider.bend |= bent

    assert visit.run(plan) is End.NOT_DONE
    assert f"({code})" in visit.said
    assert plan.summary not in visit.said


def test_an_old_login_may_look_and_not_approve(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.stage.provider.bend |= {"auth_time": NOW - 3600}

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert "(login_not_fresh)" in visit.said
    assert visit.stage.workers.state(plan) is State.PENDING


@pytest.mark.parametrize(
    ("bend", "code"),
    [("&error=access_denied", "login_declined"), ("&iss=https://other.example", "login_issuer")],
)
def test_an_answer_that_was_declined_or_is_of_another_provider_is_not_redeemed(
    bend: str, code: str, visit: Visit
) -> None:
    visit.bend = bend

    assert visit.run("any") is End.NOT_DONE
    assert f"({code})" in visit.said
    assert visit.stage.provider.codes  # unspent


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": None},
        {"authorization_endpoint": "http://id.example/authorize"},
        {"token_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "file:///etc/passwd"},
    ],
)
def test_metadata_that_do_not_fit_open_no_browser(changes: dict[str, object], visit: Visit) -> None:
    visit.stage.provider.metadata |= changes

    assert visit.run("any") is End.NOT_DONE
    assert "(provider_misfit)" in visit.said
    assert visit.opened == []


def test_a_provider_without_pushed_requests_gets_the_request_in_the_address(visit: Visit) -> None:
    del visit.stage.provider.metadata["pushed_authorization_request_endpoint"]
    visit.people = ()

    with pytest.raises(IndexError):  # nobody is there to sign in
        visit.run("any")

    (url,) = visit.opened
    assert "code_challenge_method=S256" in url
    assert "prompt=login" not in url


def test_an_unexpected_silence_of_the_worker_is_told_and_not_taken_for_a_yes(
    visit: Visit,
) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.stage.workers.fault = WorkerTimeout("It took too long.")

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert "It took too long. (said_worker_timeout)" in visit.said


def test_a_denial_that_was_not_heard_is_none(visit: Visit) -> None:
    plan = visit.stage.workers.add(make_plan())
    visit.stage.workers.fault = WorkerTimeout("It took too long.")

    assert visit.run(plan, "deny", "") is End.NOT_DONE
    assert visit.said.endswith("It took too long. (said_worker_timeout)\n")


def test_a_service_that_takes_no_login_shows_nothing(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = visit.stage.workers.add(make_plan())
    refusal = Refusal(code="said_no", message="Not here.")
    monkeypatch.setattr(Carrier, "begin", lambda *_: refusal)

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert visit.said.endswith("Not here. (said_no)\n")
    assert plan.summary not in visit.said


def test_an_approval_that_cannot_be_looked_at_again_is_not_called_one(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = visit.stage.workers.add(make_plan())
    carried, refusal = visit.carrier.plan, Refusal(code="said_no", message="Not now.")
    looks: list[str] = []

    def once(plan_id: str) -> Carried | Refusal:
        looks.append(plan_id)
        return carried(plan_id) if len(looks) == 1 else refusal

    monkeypatch.setattr(visit.carrier, "plan", once)

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert len(looks) == 2
    assert "Approved" not in visit.said


def test_a_plan_that_waits_for_more_people_says_so(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = visit.stage.workers.add(make_plan())
    carried = visit.carrier.plan

    def waiting(plan_id: str) -> Carried | Refusal:
        told = carried(plan_id)
        return told if isinstance(told, Refusal) else replace(told, state="pending")

    monkeypatch.setattr(visit.carrier, "plan", waiting)

    assert visit.run(plan, "approve") is End.DONE, visit.said
    assert "The policy wants more people than you; the plan waits for them." in visit.said


def test_where_a_passkey_is_demanded_a_terminal_sends_the_person_to_the_pages(
    visit: Visit,
) -> None:
    person = Identity(iss=ISSUER, sub=ADA)
    visit.stage.workers.passkeys = (Authenticator().passkey(person),)
    plan = visit.stage.workers.add(make_plan())

    assert visit.run(plan, "approve") is End.NOT_DONE
    assert "the policy wants your passkey: approve it on the pages" in visit.said
    assert visit.stage.workers.state(plan) is State.PENDING


@pytest.mark.promise("no-tokens-anywhere")
def test_no_token_and_no_bearer_is_ever_printed(
    visit: Visit, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = visit.stage.workers.add(make_plan())
    seen: list[str] = []
    mint = visit.stage.provider.id_token

    def remembering(request: dict[str, object]) -> str:
        seen.append(mint(request))
        return seen[-1]

    visit.stage.provider.id_token = remembering  # type: ignore[method-assign]  # to see them

    visit.run(plan, "approve")

    said = visit.said + "".join(capfd.readouterr())
    assert len(seen) == 2
    for token in seen:
        assert token not in said
        assert token.split(".")[1] not in said
