"""The approval pages in a real Chromium, with the development issuer and workers that check."""

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.plans import Note, Plan, PlannedChange, Requester, RiskNote, State
from tests.api.stage import make_object
from tests.api.test_pages import HOSTILE
from tests.browser.conftest import Site, Watch, sign_in
from tests.browser.looking import INJECTIONS
from tests.browser.plans import fresh_plan, rich

pytestmark = pytest.mark.browser


@pytest.fixture
def plan(site: Site, request: pytest.FixtureRequest) -> Plan:
    """A waiting plan with an id of its own."""
    return site.workers.add(fresh_plan(request.node.name))


def test_a_plan_is_read_and_approved_with_the_mouse(
    page: Page, site: Site, plan: Plan, watch: Watch
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(plan.summary)

    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("asks for a new sign-in")).to_be_visible()
    page.locator("button[value=dev-approver]").click()

    expect(page).to_have_url(f"{site.base}/approvals/{plan.id}")
    expect(page.get_by_text("Approved, not applied yet")).to_be_visible()
    assert site.workers.state(plan) is State.APPROVED
    assert (watch.violations, watch.foreign, watch.dialogs) == ([], [], [])


def test_a_plan_is_denied_with_the_keyboard_alone(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")

    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "reason":
            break
    page.keyboard.type("Not before the freeze ends")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Denied", exact=True)).to_be_visible()
    expect(page.get_by_text("Not before the freeze ends")).to_be_visible()
    assert site.workers.state(plan) is State.DENIED


def test_the_pages_work_without_any_script(chromium: Browser, site: Site, plan: Plan) -> None:
    """Found, filtered, unfolded, approved, taken back, remembered: by links and forms alone."""
    context = chromium.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        sign_in(page, site)
        expect(page.locator("#live")).to_have_text("Reload to see what is new.")
        page.get_by_text("Search and filter").click()
        page.get_by_role("searchbox").fill(plan.id)
        page.get_by_role("button", name="Show").click()
        page.locator(".row").click()
        page.get_by_text("The exact request to Kubernetes").click()
        expect(page.locator(".write .lines")).to_be_visible()

        page.get_by_role("button", name="Approve").click()
        page.locator("button[value=dev-approver]").click()
        page.wait_for_url(f"{site.base}/approvals/{plan.id}")
        assert site.workers.state(plan) is State.APPROVED

        page.get_by_role("textbox", name="Reason").fill("Not yet")
        page.get_by_role("button", name="Revoke").click()
        expect(page.locator(".badges")).to_contain_text("Approval taken back")
        page.get_by_role("link", name="Timeline").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(plan.summary)
        page.goto(f"{site.base}/approvals")
        page.get_by_role("link", name="History").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("History")
    finally:
        context.close()

    assert site.workers.state(plan) is State.REVOKED


def test_somebody_else_signing_in_does_not_approve(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")

    page.get_by_role("button", name="Approve").click()
    page.locator("button[value=dev-outsider]").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Somebody else signed in")
    assert site.workers.state(plan) is State.PENDING


def test_an_outsider_is_not_shown_the_plan(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}", who="dev-outsider")

    expect(page.get_by_role("heading", level=1)).to_have_text("You may not decide this")


def test_hostile_content_runs_nothing_and_is_visible(page: Page, site: Site, watch: Watch) -> None:
    hostile = " ".join(HOSTILE)
    note = Note(code=hostile, message=hostile, severity="critical")
    change = PlannedChange(path=hostile, op="change", old={hostile: hostile}, new=hostile)
    plan = site.workers.add(
        fresh_plan(
            "hostile",
            summary=hostile,
            namespace=hostile,
            objects=(make_object(kind=hostile, name=hostile, changes=(change,)),),
            findings=(note,),
            warnings=(hostile,),
            managers=(hostile,),
            requester=Requester(iss=hostile, sub=hostile, client_id=hostile, assurance="verified"),
            reason=hostile,
            risk=RiskNote(level="high", reasons=(note,)),
        )
    )
    sign_in(page, site, f"/approvals/{plan.id}")
    page.goto(f"{site.base}/approvals")
    page.goto(f"{site.base}/approvals/{plan.id}")

    assert (watch.violations, watch.foreign, watch.dialogs) == ([], [], [])
    scripts = page.locator("script:not([src^='/approvals/static/live.js?'])")
    assert scripts.count() == 0
    assert page.locator("img[src=x], svg, iframe, [onerror], [onload]").count() == 0
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<U+202E>")


@pytest.mark.promise("pages-run-no-script")
def test_a_script_that_got_in_would_not_run(page: Page, site: Site, watch: Watch) -> None:
    """The policy holds even where the templates would not."""
    sign_in(page, site)

    refused = page.evaluate(INJECTIONS)

    assert refused == [""] * 4
    assert page.evaluate("window.ran") is None
    assert watch.violations


def test_a_page_weighs_little_and_asks_nobody_else_for_anything(
    page: Page, site: Site, watch: Watch
) -> None:
    """Inbox, history and a plan with something in every place, each with all that it loads."""
    plan = site.workers.add(fresh_plan("weight", **rich()))
    sign_in(page, site)

    for path in ("/history", "", f"/{plan.id}"):
        page.goto(f"{site.base}/approvals{path}", wait_until="load")
        assert 20_000 < page.evaluate(WEIGHT) < 60_000, path

    assert (watch.violations, watch.foreign) == ([], [])


WEIGHT = """() => performance.getEntries()
  .filter((one) => ['navigation', 'resource'].includes(one.entryType))
  .reduce((sum, one) => sum + one.decodedBodySize, 0)"""
"""Page, style sheet, scripts and pictures, as they are before compression."""
