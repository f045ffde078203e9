"""Pages that stay fresh while they are open, in a real Chromium against real servers."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from shared.plans import Plan, State
from tests.browser.conftest import Site, Watch, clock, sign_in
from tests.browser.plans import fresh_plan

pytestmark = pytest.mark.browser


@pytest.fixture
def plan(site: Site, request: pytest.FixtureRequest) -> Plan:
    return site.workers.add(fresh_plan(request.node.name, summary=f"{request.node.name}: 2 → 4"))


@pytest.fixture
def other(chromium: Browser) -> Iterator[BrowserContext]:
    """The same person on another device."""
    context = chromium.new_context()
    yield context
    context.close()


def is_live(page: Page) -> None:
    expect(page.locator("#live")).to_have_text("Live")


def test_a_plan_that_arrives_appears_without_reloading(
    page: Page, site: Site, watch: Watch
) -> None:
    sign_in(page, site)
    is_live(page)
    page.evaluate("window.before = true")

    site.workers.add(fresh_plan("arrives", summary="arrives: replicas 2 → 4"))

    expect(page.get_by_role("link", name="arrives: replicas 2 → 4")).to_be_visible()
    expect(page.locator("#live-told")).to_contain_text("wait")
    expect(page).to_have_title(re.compile(r"\(\d+\) Inbox"))
    assert page.evaluate("window.before")
    assert (watch.violations, watch.foreign, watch.dialogs) == ([], [], [])


def test_a_decision_on_another_device_shows_on_this_one(
    page: Page, other: BrowserContext, site: Site, plan: Plan
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    is_live(page)

    elsewhere = other.new_page()
    sign_in(elsewhere, site, f"/approvals/{plan.id}")
    elsewhere.get_by_role("button", name="Deny").click()

    expect(page.locator(".badges")).to_contain_text("Denied")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(page.locator("#live-told")).to_have_text("Denied")


def test_a_plan_that_expires_under_its_open_page_can_no_longer_be_approved_there(
    page: Page, site: Site
) -> None:
    plan = site.workers.add(fresh_plan("expires-soon", expires_at=clock() + 600))
    sign_in(page, site, f"/approvals/{plan.id}")
    page.evaluate("window.before = true")
    expect(page.get_by_role("button", name="Approve")).to_be_visible()

    site.clock.ahead = 600
    try:
        expect(page.locator(".badges")).to_contain_text("Expired")
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        expect(page.locator("#live-told")).to_have_text("Expired")
    finally:
        site.clock.ahead = 0
    assert page.evaluate("window.before")


@pytest.mark.promise("drift-is-told")
def test_an_open_page_says_that_the_cluster_has_changed_before_the_click(
    page: Page, site: Site, plan: Plan
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    is_live(page)
    expect(page.get_by_role("button", name="Approve")).to_be_enabled()

    site.workers.changed = ("Deployment nginx: spec.replicas is 3, was 2",)
    try:
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("spec.replicas is 3, was 2")
        expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    finally:
        site.workers.changed = ()


def test_what_somebody_types_is_kept_and_they_are_told(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    is_live(page)
    reason = page.get_by_role("textbox", name="Reason")
    reason.fill("Not before the freeze ends")

    site.workers.record(plan.id, State.CANCELLED)

    expect(page.locator("#live-told")).to_contain_text("changed while you were typing")
    expect(reason).to_have_value("Not before the freeze ends")
    expect(reason).to_be_focused()


def test_focus_folds_and_place_on_the_page_stay(page: Page, site: Site, plan: Plan) -> None:
    page.set_viewport_size({"width": 800, "height": 400})
    sign_in(page, site, f"/approvals/{plan.id}")
    is_live(page)
    fold = page.get_by_text("The exact request to Kubernetes")
    fold.click()
    fold.focus()
    fold.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0

    site.workers.record(plan.id, State.APPLYING)
    expect(page.locator(".badges")).to_contain_text("Being applied")

    assert page.evaluate("document.activeElement.textContent") == "The exact request to Kubernetes"
    assert page.locator("details.write[open]").count() == 1
    assert abs(page.evaluate("scrollY") - before) < 60


def test_times_go_on_without_the_server(page: Page, site: Site) -> None:
    site.workers.add(fresh_plan("ticks"))
    page.clock.install()
    sign_in(page, site)
    time = page.locator("time").first
    before = time.text_content()

    page.clock.fast_forward("10:00")

    expect(time).not_to_have_text(before or "")


def test_a_page_says_that_it_is_no_longer_live_and_comes_back(
    page: Page, context: BrowserContext, site: Site
) -> None:
    sign_in(page, site)
    is_live(page)

    context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")  # an open stream outlives it
    page.evaluate("window.dispatchEvent(new Event('pageshow'))")
    expect(page.locator("#live")).to_contain_text("Not live any more")

    context.set_offline(False)
    is_live(page)


def test_a_page_of_somebody_who_signed_out_elsewhere_says_so(
    page: Page, context: BrowserContext, site: Site
) -> None:
    sign_in(page, site)
    is_live(page)

    tab = context.new_page()
    tab.goto(f"{site.base}/approvals")
    tab.get_by_role("button", name="Sign out").click()
    site.workers.add(fresh_plan("after-signing-out"))

    expect(page.locator("#live")).to_contain_text("You are signed out")
    assert "after-signing-out" not in page.content()


def test_a_page_that_nobody_sees_holds_no_stream(page: Page, site: Site) -> None:
    sign_in(page, site)
    is_live(page)

    with page.expect_event("requestfailed", lambda one: one.url.endswith("/approvals/events")):
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
