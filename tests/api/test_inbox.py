"""The inbox: whose turn it is, what is sought, pages, and that a long list costs little."""

import re
import threading
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import fakeredis
import pytest

from api.board import Board
from api.reviewed import Reviewed
from api.seeking import PER_PAGE, Facts, Sought
from api.sources import Pins, Sources
from shared.approvals import Receipt, SignedReceipt, signed_receipts_json
from shared.digests import plan_digest
from shared.plans import Identity, Operation, Requester, RiskNote, State
from shared.seals import RECEIPT_DOMAIN, sign
from shared.stores.plan_records import StoredPlan
from shared.stores.plan_view import PlanView
from tests.api.stage import ADA, ISSUER, NOW, Clock, FakeWorkers, Stage, make_plan, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        stage.sign_in()
        yield stage


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def part(page: str, heading: str) -> str:
    """One section of the page, by the id of its heading; empty when it is not there."""
    found = re.search(rf'<section aria-labelledby="{heading}">(.*?)</section>', page, re.DOTALL)
    return found.group(1) if found else ""


def test_what_i_can_decide_comes_first_and_what_expires_first_is_on_top(stage: Stage) -> None:
    mine = Requester(iss=ISSUER, sub=ADA, client_id="codex", assurance="gateway-asserted")
    stage.workers.add(make_plan(id="later", summary="later one", expires_at=NOW + 900))
    stage.workers.add(make_plan(id="sooner", summary="sooner one", expires_at=NOW + 300))
    stage.workers.add(
        make_plan(id="asked", summary="asked by me", requester=mine, expires_at=NOW + 60)
    )

    page = stage.browser.get("/approvals").text

    order = [page.index(text) for text in ("sooner one", "later one", "asked by me")]
    assert order == sorted(order)
    assert "asked by me" in part(page, "others")
    assert "sooner one" in part(page, "mine")
    assert "3 plans wait, 2 for you" in page


def test_a_plan_that_i_approved_already_waits_for_somebody_else(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    receipt = Receipt(
        plan_id=plan.id,
        plan_digest="d",
        approver=Identity(iss=ISSUER, sub=ADA),
        auth_time=NOW,
        proof_sha256="p",
        key_thumbprint="t",
        policy_sha256="ab",
        verified_at=NOW,
        apply_before=NOW + 900,
    )
    signature = sign(stage.workers.receipt_key, RECEIPT_DOMAIN, receipt.document())
    given = signed_receipts_json([SignedReceipt(receipt=receipt, signature=signature)])
    stage.workers.record(plan.id, State.PENDING, co_receipts=given)

    page = stage.browser.get("/approvals").text

    assert plan.summary in part(page, "others")
    assert part(page, "mine") == ""


def test_a_row_says_effect_risk_place_people_program_and_both_times(stage: Stage) -> None:
    stage.workers.add(make_plan())

    row = part(stage.browser.get("/approvals").text, "mine")

    for shown in (
        "nginx: replicas 2 → 4",
        "scale",
        "mcp-nginx-demo",
        "Low risk",
        "dev-requester",
        "codex",
        "2 minutes ago",
        "in 58 minutes",
        "21 Sep 2026, 15:11:20 UTC",
    ):
        assert shown in row, shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("namespace=mcp-nginx-demo", "scaled"),
        ("namespace=other", "deleted"),
        ("operation=delete", "deleted"),
        ("risk=high", "deleted"),
        ("state=mine", "scaled deleted"),
        ("state=others", ""),
        ("q=REPLICAS", "scaled"),
        ("q=replicas+dev-requester", "scaled"),
        ("q=replicas+nobody", ""),
        ("q=claude", "deleted"),
        ("namespace=other&operation=scale", ""),
        ("risk=no-such", ""),
    ],
)
def test_what_is_sought_is_found_and_nothing_else(stage: Stage, query: str, found: str) -> None:
    asked = Requester(iss=ISSUER, sub="eve", client_id="claude", assurance="gateway-asserted")
    stage.workers.add(make_plan(id="scaled"))
    stage.workers.add(
        make_plan(
            id="deleted",
            summary="web: deleted",
            namespace="other",
            operation=Operation.DELETE,
            requester=asked,
            risk=RiskNote(level="high"),
        )
    )

    page = stage.browser.get(f"/approvals?{query}").text

    rows = set(re.findall(r'class="row" href="/approvals/(\w+)"', page))
    assert rows == set(found.split())
    assert found or "None of the 2 waiting plans is like that" in page
    count = len(rows)
    assert not rows or f'"count">{count if count == 2 else "1 of 2"}</span>' in page


def test_the_form_keeps_what_was_sought(stage: Stage) -> None:
    stage.workers.add(make_plan())

    page = stage.browser.get("/approvals?q=replicas&risk=low&namespace=gone").text

    assert 'name="q" value="replicas"' in page
    assert '<option value="low" selected>' in page
    assert '<option value="gone" selected>' in page


def test_a_search_is_text_wherever_it_is_shown(stage: Stage) -> None:
    page = stage.browser.get('/approvals?q="><script>alert(1)</script>&namespace=<b>').text

    assert "<script>alert(1)" not in page
    assert "&#34;&gt;&lt;script&gt;" in page


def test_fifty_waiting_plans_have_pages(stage: Stage) -> None:
    for number in range(2 * PER_PAGE + 1):
        stage.workers.add(make_plan(id=f"p{number}", expires_at=NOW + 100 + number))

    first, last, beyond = (
        stage.browser.get(f"/approvals?page={page}&risk=low").text for page in (1, 3, 4)
    )

    assert first.count('class="row" href') == PER_PAGE
    assert "Page 1 of 3, 51 plans" in first
    assert f'"count">{PER_PAGE} of 51</span>' in first
    assert 'href="?risk=low&amp;page=2"' in first
    assert re.findall(r'class="row" href="/approvals/(\w+)"', last) == ["p50"]
    assert "There is no page 4" in beyond


@pytest.mark.parametrize("page", ["", "0", "-1", "x", "٣", "9" * 30])
def test_a_page_that_is_none_is_the_first(page: str) -> None:
    assert Sought.of({"page": page}).page == 1


def test_a_field_is_bounded() -> None:
    assert len(Sought.of({"q": "x" * 5000}).q) == 100


def test_every_word_must_be_in_some_text() -> None:
    facts = Facts(namespace="a", operation="scale", risk="low", state="", texts=("One", "two"))

    assert Sought(q="TWO one").fits(facts)
    assert not Sought(q="one three").fits(facts)


# -- what lists cost


@pytest.mark.anyio
async def test_a_plan_is_read_once_however_often_it_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = fakeredis.FakeServer()
    workers = FakeWorkers(server, Clock())
    plan = workers.add(make_plan())
    board = make_board(server, workers)
    reads: list[str] = []
    original = PlanView.load

    async def counted(view: PlanView, plan_id: str) -> StoredPlan | None:
        reads.append(plan_id)
        return await original(view, plan_id)

    monkeypatch.setattr(PlanView, "load", counted)
    for _ in range(3):
        [seen] = (await board.newest()).plans
        assert isinstance(seen, Reviewed)

    assert reads == [plan.id]


@pytest.mark.anyio
async def test_plans_are_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty large ones take seconds in which streams and other people go on."""
    server = fakeredis.FakeServer()
    workers = FakeWorkers(server, Clock())
    workers.add(make_plan())
    where: list[threading.Thread] = []
    original = StoredPlan.head

    def noted(stored: StoredPlan) -> object:
        where.append(threading.current_thread())
        return original(stored)

    monkeypatch.setattr(StoredPlan, "head", noted)
    await make_board(server, workers).newest()

    assert len(where) == 1
    assert where[0] is not threading.current_thread()


@pytest.mark.anyio
@pytest.mark.promise("only-sealed-plans-are-shown")
async def test_a_list_shows_what_was_sealed_whatever_redis_holds_later() -> None:
    server = fakeredis.FakeServer()
    workers = FakeWorkers(server, Clock())
    plan = workers.add(make_plan())
    board = make_board(server, workers)
    assert isinstance((await board.newest()).plans[0], Reviewed)

    forged = make_plan(summary="harmless, really").document()
    workers.redis.hset(f"wk:plan:{plan.id}", "document", forged)
    [seen] = (await board.newest()).plans
    assert isinstance(seen, Reviewed)
    assert seen.plan.summary == plan.summary

    for field, forgery in (("digest", plan_digest(forged)), ("seal", "x")):
        genuine = workers.redis.hget(f"wk:plan:{plan.id}", field)
        workers.redis.hset(f"wk:plan:{plan.id}", field, forgery)
        assert not isinstance((await board.newest()).plans[0], Reviewed)
        workers.redis.hset(f"wk:plan:{plan.id}", field, genuine)
    assert not isinstance((await make_board(server, workers).newest()).plans[0], Reviewed)


@pytest.mark.anyio
@pytest.mark.promise("only-sealed-plans-are-shown")
async def test_with_another_key_a_list_checks_anew() -> None:
    server = fakeredis.FakeServer()
    workers = FakeWorkers(server, Clock())
    workers.add(make_plan())
    board = make_board(server, workers)
    assert isinstance((await board.newest()).plans[0], Reviewed)

    workers.seal_key = workers.receipt_key

    assert not isinstance((await board.newest()).plans[0], Reviewed)


@pytest.mark.anyio
async def test_those_who_ask_together_share_a_reading_that_began_after_they_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = fakeredis.FakeServer()
    workers = FakeWorkers(server, Clock())
    workers.add(make_plan())
    board = make_board(server, workers)
    readings = 0
    original = PlanView.newest

    async def counted(view: PlanView, count: int) -> object:
        nonlocal readings
        readings += 1
        await anyio.lowlevel.checkpoint()
        return await original(view, count)

    monkeypatch.setattr(PlanView, "newest", counted)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(board.newest)

    assert readings < 3


def make_board(server: fakeredis.FakeServer, workers: FakeWorkers) -> Board:
    view = PlanView(fakeredis.FakeAsyncRedis(server=server))
    pins = Pins(learn=True)
    return Board(Sources(plans=view, dispatch=workers, pins=pins, now=lambda: NOW))
