"""What a notice says, and what nobody can make it say."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.digests import words
from shared.errors import RedisUnavailable, Refusal
from shared.manifests import JSON
from shared.messages import CancelCall, DenyCall
from shared.outcomes import Outcome
from shared.plans import Identity, Plan, Requester, State
from tests.worker.worlds import ADA, ISSUER, NOW, ROB, World, a_plan, make_world
from worker import settling, withdrawing
from worker.notices import MAX_TEXT, Event, Notice, Wording

WORDING = Wording(link_base="https://approvals.example.com/", cluster="prod")
DIGEST = "sha256:" + "5" * 64


def payload_of(plan: Plan, event: Event = Event.WAITS, **changed: Any) -> dict[str, Any]:
    notice = Notice.of(event, plan, DIGEST, at=NOW, **changed)
    return cast("dict[str, Any]", WORDING.payload(notice))


def test_a_waiting_plan_is_told_with_words_requester_summary_risk_namespace_and_link() -> None:
    text = payload_of(a_plan())["text"]

    for expected in (
        "waits for approval",
        words(DIGEST),
        f"`rob` of `{ISSUER}` (as the gateway says)",
        "`web: replicas 2 → 4`",
        "risk *low*",
        "`demo`",
        "<https://approvals.example.com/approvals/plan-1>",
    ):
        assert expected in text


def test_programs_get_the_same_as_fields() -> None:
    facts = payload_of(a_plan(), Event.APPROVED, by=ADA)["infragate"]

    assert facts["id"].startswith("plan-1.approved.")
    assert {key: facts[key] for key in ("version", "event", "plan", "digest", "cluster")} == {
        "version": 1,
        "event": "approved",
        "plan": "plan-1",
        "digest": DIGEST,
        "cluster": "prod",
    }
    assert facts["by"] == {"iss": ISSUER, "sub": "ada"}
    assert facts["requester"] == {"iss": ISSUER, "sub": "rob"}
    assert facts["link"] == "https://approvals.example.com/approvals/plan-1"
    assert facts["risk"] == "low"
    assert facts["operation"] == "scale"


def test_two_approvers_of_one_plan_are_two_things_to_tell() -> None:
    bob = Identity(iss=ISSUER, sub="bob")

    ids = {
        payload_of(a_plan(), Event.APPROVED, by=who)["infragate"]["id"] for who in (ADA, bob, ADA)
    }

    assert len(ids) == 2


def test_the_agents_reason_is_not_in_a_notice() -> None:
    """It could ask people to do something, in a channel where they trust what they read."""
    payload = payload_of(a_plan(reason="urgent: approve at once, says the CTO"))

    assert "CTO" not in json.dumps(payload)


@pytest.mark.promise("notice-says-only-what-it-means")
@pytest.mark.parametrize(
    "summary",
    [
        "<!channel> look",
        "<https://evil.example|approve here>",
        "web\n*A change was approved*\nBy `ada`",
        "web` *bold* <@U123> `",
        "web: image a → https://evil.example/x",
        "a & b < c > d",
        "\u202egnp.exe\u200b",
    ],
)
def test_text_from_elsewhere_stays_text(summary: str) -> None:
    honest = payload_of(a_plan(summary="web"))["text"].split("\n")
    line = payload_of(a_plan(summary=summary))["text"].split("\n")

    assert len(line) == len(honest)
    assert line[0] == honest[0]
    assert line[2:] == honest[2:]
    assert line[1].startswith("`")
    assert line[1].endswith("`")
    inside = line[1][1:-1]
    assert not set("`<>\u202e\u200b") & set(inside)


@settings(max_examples=60)
@given(text=st.text(max_size=500))
def test_no_text_gets_out_of_its_place_or_gets_long(text: str) -> None:
    plan = a_plan(
        summary=text,
        requester=Requester(
            iss=ISSUER, sub=text[:200] or "x", client_id="c", assurance="gateway-asserted"
        ),
    )

    payload = payload_of(plan)

    assert len(payload["text"].split("\n")) == len(payload_of(a_plan())["text"].split("\n"))
    assert payload["text"].count("<") == 1
    assert len(payload["infragate"]["summary"]) <= MAX_TEXT


def test_a_secret_in_a_summary_is_redacted() -> None:
    password = "hunter2-hunter2"

    payload = payload_of(a_plan(summary=f"web: env password={password}"))

    assert password not in json.dumps(payload)


def test_an_unreadable_plan_is_told_of_by_its_digest() -> None:
    notice = Notice(event=Event.FAILED, plan_id="p", digest=DIGEST, at=NOW)

    text = str(WORDING.payload(notice)["text"])

    assert "could not be read" in text
    assert words(DIGEST) in text


def test_lost_notices_are_counted_in_the_next_one() -> None:
    notice = Notice.of(Event.WAITS, a_plan(), DIGEST, at=NOW)

    payload = WORDING.payload(notice, dropped=3)

    assert "3 earlier notices were lost" in str(payload["text"])
    assert cast("dict[str, JSON]", payload["infragate"])["dropped"] == 3


class Told(list[Notice]):
    """Keeps what it is told."""

    def tell(self, notice: Notice) -> None:
        self.append(notice)

    def stop(self) -> None:
        """Has nothing to send."""

    @property
    def events(self) -> list[Event]:
        return [notice.event for notice in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def world(redis_url: str, tmp_path: Path, told: Told) -> World:
    world = make_world(redis_url, tmp_path)
    # A field of a frozen context: only tests change one that is made.
    object.__setattr__(world.context, "notices", told)
    world.store()
    return world


def test_an_approval_is_told_with_its_approver(world: World, told: Told) -> None:
    answer = world.prove(world.challenge())

    assert not isinstance(answer, Refusal)
    assert told.events == [Event.APPROVED]
    assert told[0].by == ADA
    assert told[0].digest == world.load().sealed.digest


def test_a_refused_proof_is_not_told(world: World, told: Told) -> None:
    signed = world.challenge()

    answer = world.prove(signed, world.provider.id_token(**world.claims(signed, nonce="other")))

    assert isinstance(answer, Refusal)
    assert told == []


@pytest.mark.promise("redis-cannot-silence-notices")
def test_an_approval_is_told_even_if_redis_takes_it_and_pretends_to_be_away(
    world: World, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = world.challenge()
    monkeypatch.setattr(type(world.context.plans), "move", _keeps_and_goes_away)

    with pytest.raises(RedisUnavailable):
        world.prove(signed)

    assert told.events == [Event.APPROVED]


@pytest.mark.promise("redis-cannot-silence-notices")
def test_a_write_is_told_even_if_redis_is_away(
    world: World, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(world.context.plans), "move", _keeps_and_goes_away)

    with pytest.raises(RedisUnavailable):
        settling.end(world.load(), a_plan(), State.APPLIED, Outcome(objects=()), world.context)

    assert told.events == [Event.APPLIED]


def _keeps_and_goes_away(*_: object, **__: object) -> bool:
    raise RedisUnavailable("gone")


@pytest.mark.parametrize(
    "state", [State.APPLIED, State.FAILED, State.STALE, State.OUTCOME_UNKNOWN], ids=str
)
def test_how_an_apply_ended_is_told(world: World, told: Told, state: State) -> None:
    settling.end(
        world.load(),
        a_plan(),
        state,
        Outcome(objects=(), code="c", message="1 of 2 written"),
        world.context,
    )

    assert told.events == [Event(state.value)]
    assert told[0].plan is not None
    assert "`1 of 2 written`" in str(WORDING.payload(told[0])["text"])


def test_a_denial_and_a_withdrawn_request_are_told(world: World, told: Told) -> None:
    world.store(a_plan(id="plan-2"))

    withdrawing.deny(DenyCall(plan_id="plan-1", approver=ADA, reason="no"), world.context)
    withdrawing.cancel(CancelCall(plan_id="plan-2", requester=ROB), world.context)

    assert told.events == [Event.DENIED, Event.CANCELLED]
    assert told[0].by == ADA


def test_a_revocation_is_told(world: World, told: Told) -> None:
    world.prove(world.challenge())

    withdrawing.deny(DenyCall(plan_id="plan-1", approver=ADA, reason="no"), world.context)

    assert told.events == [Event.APPROVED, Event.REVOKED]
