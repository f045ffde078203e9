"""What stands on paper: everything that was folded, the proof, and nothing that one could press."""

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.plans import Plan
from tests.browser.conftest import APPROVER, Site, clock, sign_in
from tests.browser.every_page import outcomes
from tests.browser.plans import fresh_plan, rich

pytestmark = pytest.mark.browser

PRESSED = "button, input:not([type=hidden]), textarea, select"


@pytest.fixture
def plan(site: Site, request: pytest.FixtureRequest) -> Plan:
    calm = {"risk": fresh_plan("calm").risk}  # high risk is unfolded on the screen already
    return site.workers.add(fresh_plan(request.node.name, **rich() | calm))


def seen(page: Page, what: str) -> list[Locator]:
    return [one for one in page.locator(what).all() if one.is_visible()]


def test_an_approved_plan_is_printed_whole_with_its_proof(
    page: Page, site: Site, plan: Plan
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    page.get_by_role("button", name="Approve").click()
    page.locator(f"button[value={APPROVER}]").click()
    page.wait_for_url(f"{site.base}/approvals/{plan.id}")
    folded = page.locator("details:not([open]) > :not(summary)")
    assert folded.count() > 3
    expect(folded.first).to_be_hidden()

    page.emulate_media(media="print")

    assert all(one.is_visible() for one in folded.all())
    assert seen(page, PRESSED) == []
    words = page.locator(".words").inner_text().split()
    assert len(words) == 6
    for shown in (plan.summary, plan.reason, "option_39 = 273", "only while its uid is"):
        expect(page.locator("main")).to_contain_text(shown)
    receipt = page.locator(".proof")
    for shown in (f"{APPROVER}'s approval", "ID token", "sha256:", "Provider's key", "Signature"):
        expect(receipt).to_contain_text(shown)


def test_what_became_of_a_plan_is_printed_without_its_buttons(
    page: Page, site: Site, plan: Plan
) -> None:
    state, outcome = outcomes(clock())["rollout-failed"]
    site.workers.record(plan.id, state, outcome=outcome.model_dump_json())
    sign_in(page, site, f"/approvals/{plan.id}")
    assert seen(page, PRESSED) != []

    page.emulate_media(media="print")

    assert seen(page, PRESSED) == []
    expect(page.get_by_role("heading", name="Outcome")).to_be_visible()
    expect(page.get_by_text("2 of 4 Pods ready")).to_be_visible()
    expect(page.get_by_text("Request rollback")).to_be_hidden()
    expect(page.get_by_role("heading", name="Undo it")).to_be_hidden()


def test_a_time_on_paper_is_exact(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    assert seen(page, "time")

    page.emulate_media(media="print")

    assert seen(page, "time") == []
    expect(page.locator("#status")).to_contain_text("UTC)")


def test_dark_screens_print_dark_on_white(page: Page, site: Site, plan: Plan) -> None:
    page.emulate_media(color_scheme="dark")
    sign_in(page, site, f"/approvals/{plan.id}")
    assert _colors(page) == ["rgb(232, 236, 243)", "rgb(16, 20, 28)"]

    page.emulate_media(color_scheme="dark", media="print")

    assert _colors(page) == ["rgb(26, 33, 48)", "rgb(255, 255, 255)"]


def _colors(page: Page) -> list[str]:
    colors: list[str] = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    return colors
