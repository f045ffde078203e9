"""History and timelines: what is believed, who sees it, what is found, and how it reads."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.past_rows import lasted, moment_in
from api.seeking import PER_PAGE
from api.sources import Pins
from shared.closings import closing_of, signed_closing
from shared.plans import Identity, Operation, Requester, RiskNote, State
from shared.seals import public_text
from shared.stores.history import KEEP_HISTORY_S, HistoryStore
from shared.stories import told
from tests.api.stage import ADA, ISSUER, NOW, Browser, Stage, make_plan, staged

ADA_HERSELF = Identity(iss=ISSUER, sub=ADA)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        stage.sign_in()
        stage.workers.namespaces.add("mcp-nginx-demo")
        yield stage


def keep(
    stage: Stage, *, key: Ed25519PrivateKey | None = None, under: str = "", **changes: Any
) -> None:
    """Keeps a closing as an applier does; what is in `plan` is of the plan, the rest its end."""
    plan = make_plan(**changes.pop("plan", {}))
    ended = {
        "state": State.APPLIED,
        "approvers": (ADA_HERSELF,),
        "decided_at": plan.created_at + 200,
        "ended_at": plan.created_at + 212,
        "message": "1 of 1 objects written.",
    }
    closing = closing_of(plan, "sha256:" + "0" * 64, **(ended | changes))
    signed = signed_closing(key or stage.workers.receipt_key, closing)
    HistoryStore(stage.workers.redis).keep(
        under or plan.id, signed.model_dump_json(), at=closing.ended_at
    )


def rows(page: str) -> list[str]:
    return re.findall(r'class="row" href="/approvals/([\w-]+)/timeline"', page)


def test_a_decided_plan_says_who_what_how_it_ended_and_how_long_it_took(stage: Stage) -> None:
    keep(stage)

    page = stage.browser.get("/approvals/history").text

    for shown in (
        "nginx: replicas 2 → 4",
        "scale in <b>mcp-nginx-demo</b>",
        "dev-requester",
        "codex",
        "approved by",
        "dev-approver",
        "after 3 min 20 s",
        "ended 12 s later",
        "Applied",
        "1 of 1 objects written.",
        "UTC",
    ):
        assert shown in page, shown


def test_a_failed_rollout_is_no_success_and_an_approval_that_nobody_used_ended(
    stage: Stage,
) -> None:
    keep(stage, plan={"id": "rolled"}, rollout="failed")
    keep(stage, plan={"id": "unused", "expires_at": NOW - 1}, state=State.APPROVED)

    page = stage.browser.get("/approvals/history").text

    assert "Applied, but the rollout failed" in page
    assert "Approved, not applied in time" in page


@pytest.mark.promise("history-is-an-appliers-word")
def test_a_record_that_no_applier_signed_is_not_shown(stage: Stage) -> None:
    keep(stage, plan={"id": "good", "summary": "a good one"})
    keep(stage, plan={"id": "forged", "summary": "a forged one"}, key=Ed25519PrivateKey.generate())
    keep(stage, plan={"id": "sealed", "summary": "a planner's"}, key=stage.workers.seal_key)
    keep(stage, plan={"id": "good", "summary": "another place"}, under="elsewhere")
    stage.workers.redis.hset("wk:history", "good-2", "{}")

    page = stage.browser.get("/approvals/history").text

    assert rows(page) == ["good"]
    assert "a good one" in page
    for hidden in ("a forged one", "a planner&#39;s", "another place"):
        assert hidden not in page
    assert "2 left out." in page
    assert stage.browser.get("/approvals/forged/timeline").status_code == 404


@pytest.mark.promise("history-for-whom-it-concerns")
def test_history_and_timeline_are_for_requesters_and_approvers_only(stage: Stage) -> None:
    keep(stage, plan={"id": "theirs"})
    outsider, requester = Browser(stage.app), Browser(stage.app)
    stage.sign_in("dev-outsider", outsider)
    stage.sign_in("dev-requester", requester)

    assert rows(outsider.get("/approvals/history").text) == []
    assert outsider.get("/approvals/theirs/timeline").status_code == 404
    for browser in (requester, stage.browser):
        assert rows(browser.get("/approvals/history").text) == ["theirs"]
        assert browser.get("/approvals/theirs/timeline").status_code == 200
    anonymous = Browser(stage.app)
    for path in ("/approvals/history", "/approvals/theirs/timeline"):
        assert anonymous.get(path).status_code == 303


def test_where_no_appliers_key_is_known_nothing_is_shown_and_the_page_says_so() -> None:
    with staged(pins=Pins(seal_keys=("A" * 43,))) as stage:
        stage.sign_in()
        stage.workers.namespaces.add("mcp-nginx-demo")
        keep(stage)

        page = stage.browser.get("/approvals/history").text

    assert rows(page) == []
    assert "INFRA_GATE_RECEIPT_PUBLIC_KEYS" in page


def test_a_pinned_applier_is_believed_and_no_other() -> None:
    pinned = Ed25519PrivateKey.generate()
    with staged(pins=Pins(receipt_keys=(public_text(pinned.public_key()),), learn=True)) as stage:
        stage.sign_in()
        stage.workers.namespaces.add("mcp-nginx-demo")
        keep(stage, plan={"id": "pinned"}, key=pinned)
        keep(stage, plan={"id": "announced"})

        assert rows(stage.browser.get("/approvals/history").text) == ["pinned"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=rob", ["b"]),
        ("q=dev-approver", ["a"]),
        ("q=frozen", ["b"]),
        ("state=denied", ["b"]),
        ("state=applied", ["a"]),
        ("operation=delete&risk=high", ["b"]),
        ("namespace=mcp-nginx-demo", ["a", "b"]),
        ("q=nothing+of+that", []),
    ],
)
def test_what_is_sought_in_history_is_found(stage: Stage, query: str, found: list[str]) -> None:
    rob = Requester(iss=ISSUER, sub="rob", client_id="claude", assurance="gateway-asserted")
    keep(stage, plan={"id": "a"})
    keep(
        stage,
        plan={
            "id": "b",
            "requester": rob,
            "operation": Operation.DELETE,
            "risk": RiskNote(level="high"),
        },
        state=State.DENIED,
        approvers=(),
        decided_by=Identity(iss=ISSUER, sub="boss"),
        reason="we are frozen",
    )

    assert sorted(rows(stage.browser.get(f"/approvals/history?{query}").text)) == found


def test_a_long_history_has_pages_and_each_plan_is_on_one_of_them(stage: Stage) -> None:
    count = 2 * PER_PAGE + 3
    for number in range(count):
        keep(stage, plan={"id": f"p{number}", "created_at": NOW - 10_000 + number})

    found: list[str] = []
    query, pages = "?", 0
    while query:
        page = stage.browser.get("/approvals/history" + query).text
        found += rows(page)
        older = re.search(r'href="(\?[^"]+)" rel="next"', page)
        query, pages = (older.group(1) if older else ""), pages + 1

    assert found == [f"p{number}" for number in reversed(range(count))]
    assert pages == 3


def test_a_search_looks_at_so_many_records_and_goes_on_from_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.past.LOOKED_AT", 10)
    monkeypatch.setattr("api.past._BATCH", 5)
    keep(stage, plan={"id": "wanted", "summary": "wanted", "created_at": NOW - 90_000})
    for number in range(12):
        keep(stage, plan={"id": f"p{number}", "created_at": NOW - 1000 + number})

    first = stage.browser.get("/approvals/history?q=wanted").text
    older = re.search(r'href="(\?[^"]+)" rel="next"', first)

    assert rows(first) == []
    assert older
    after = stage.browser.get("/approvals/history" + older.group(1).replace("&amp;", "&")).text
    assert rows(after) == ["wanted"]


def test_an_empty_history_explains_itself(stage: Stage) -> None:
    assert "Nothing was decided yet." in stage.browser.get("/approvals/history").text


def test_old_and_surplus_records_go(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.stores.history.MAX_CLOSINGS", 3)
    keep(stage, plan={"id": "old", "created_at": NOW - KEEP_HISTORY_S - 1000})
    for number in range(5):
        keep(stage, plan={"id": f"p{number}", "created_at": NOW - 100 + number})

    assert rows(stage.browser.get("/approvals/history").text) == ["p4", "p3", "p2"]
    assert stage.workers.redis.hlen("wk:history") == 3


# -- timelines


def tell(stage: Stage, event: str, key: Ed25519PrivateKey | None = None, **fields: Any) -> None:
    record: dict[str, Any] = {
        "seq": 7,
        "time": "2026-09-21T14:12:00.123+00:00",
        "event": event,
        "plan": "p",
    }
    copy = told(key or stage.workers.receipt_key, {**record, **fields})
    HistoryStore(stage.workers.redis).tell("p", copy.model_dump_json(), keep_s=99)


def test_a_timeline_tells_in_words_what_befell_a_plan_in_its_order(stage: Stage) -> None:
    stage.workers.add(make_plan(id="p"))
    tell(stage, "plan.denied", time="2026-09-21T14:12:09+00:00", iss=ISSUER, sub=ADA)
    tell(stage, "plan.created", stage.workers.seal_key, iss=ISSUER, sub="dev-requester")

    page = stage.browser.get("/approvals/p/timeline").text

    steps = ["asked for; the plan was made and sealed", "denied it"]
    assert [page.index(step) for step in steps] == sorted(page.index(step) for step in steps)
    for shown in ("dev-requester", ADA, "21 Sep 2026, 14:12:09 UTC", "record 7"):
        assert shown in page, shown


@pytest.mark.promise("timeline-is-workers-words")
def test_records_that_no_worker_signed_are_left_out_and_counted(stage: Stage) -> None:
    stage.workers.add(make_plan(id="p"))
    tell(stage, "plan.denied", iss=ISSUER, sub="true-one")
    tell(stage, "plan.denied", Ed25519PrivateKey.generate(), iss=ISSUER, sub="forged-one")
    tell(stage, "plan.denied", plan="another", iss=ISSUER, sub="moved-one")
    stage.workers.redis.rpush("wk:story:p", "{}")

    page = stage.browser.get("/approvals/p/timeline").text

    assert "true-one" in page
    assert "forged-one" not in page
    assert "moved-one" not in page
    assert "3 left out." in page


def test_a_timeline_outlives_its_plan_and_says_when_nothing_is_kept(stage: Stage) -> None:
    keep(stage, plan={"id": "p"})

    assert "audit show p" in stage.browser.get("/approvals/p/timeline").text
    tell(stage, "plan.denied", sub=ADA, iss=ISSUER)
    assert "denied it" in stage.browser.get("/approvals/p/timeline").text
    assert stage.browser.get("/approvals/none/timeline").status_code == 404


def test_what_is_remembered_is_text_wherever_it_is_shown(stage: Stage) -> None:
    evil = "<script>alert(1)</script>\u202e"
    keep(stage, plan={"id": "p", "summary": evil}, reason=evil, message=evil)
    hostile: dict[str, Any] = {"sub": evil, "iss": evil, evil: evil}
    tell(stage, "plan.denied", **hostile)

    for path in ("/approvals/history", "/approvals/p/timeline"):
        page = stage.browser.get(path).text
        assert "<script>" not in page
        assert "\u202e" not in page
        assert "&lt;U+202E&gt;" in page


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 s"), (0, "0 s"), (61, "1 min 1 s"), (90_061, "1 d 1 h")]
)
def test_durations_have_their_two_largest_units(seconds: int, words: str) -> None:
    assert lasted(seconds) == words


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-inf", "1e999"])
def test_what_is_no_moment_is_the_newest(text: str) -> None:
    assert moment_in(text) is None
