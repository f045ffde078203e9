"""The whole flow with the keyboard alone; whoever tabs along always sees where they are."""

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.plans import Plan, State
from tests.browser.conftest import APPROVER, Site, sign_in
from tests.browser.plans import fresh_plan, rich

pytestmark = pytest.mark.browser

STOPS = 120
"""More than any page has."""
AT = "(element) => element === document.activeElement"
UNSEEN = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return '';
  const style = getComputedStyle(focused);
  const name = `${focused.localName} ${focused.textContent.trim()}`;
  if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) return `plain: ${name}`;
  const box = focused.getClientRects()[0];
  const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const seen = there && (there.contains(focused) || focused.contains(there));
  return seen ? '' : `covered: ${name}`;
}"""


@pytest.fixture
def plan(site: Site, request: pytest.FixtureRequest) -> Plan:
    name = request.node.name
    return site.workers.add(fresh_plan(name, summary=f"{name[-20:]}: replicas 2 → 4"))


def tab_to(page: Page, wanted: Locator) -> None:
    """Presses Tab until the focus is there; on the way each stop is seen and covered by nothing."""
    unseen = set()
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        unseen.add(page.evaluate(UNSEEN))
        if wanted.count() and wanted.first.evaluate(AT):
            break
    expect(wanted.first).to_be_focused()
    assert unseen <= {""}


def press(page: Page, wanted: Locator) -> None:
    tab_to(page, wanted)
    page.keyboard.press("Enter")


def at_issuer(page: Page, site: Site) -> None:
    """Signs in at the development issuer, whose looks are its own."""
    page.wait_for_url(f"{site.issuer}/**")
    button = page.locator(f"button[value={APPROVER}]")
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        if button.evaluate(AT):
            break
    page.keyboard.press("Enter")


def test_a_plan_is_found_approved_and_taken_back_with_the_keyboard_alone(
    page: Page, site: Site, plan: Plan
) -> None:
    page.goto(f"{site.base}/approvals")
    press(page, page.get_by_role("main").get_by_role("button", name="Sign in"))
    at_issuer(page, site)
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")

    press(page, page.locator(f'a[href="/approvals/{plan.id}"]'))
    expect(page.get_by_role("heading", level=1)).to_have_text(plan.summary)
    press(page, page.get_by_role("button", name="Approve"))
    at_issuer(page, site)
    expect(page.locator(".badges")).to_contain_text("Approved, not applied yet")
    assert site.workers.state(plan) is State.APPROVED

    press(page, page.get_by_role("button", name="Revoke"))
    expect(page.locator(".badges")).to_contain_text("Approval taken back")
    assert site.workers.state(plan) is State.REVOKED


def test_a_plan_of_high_risk_is_approved_with_the_keyboard_alone(page: Page, site: Site) -> None:
    plan = site.workers.add(fresh_plan("keyboard-high", **rich()))
    sign_in(page, site, f"/approvals/{plan.id}")

    tab_to(page, page.get_by_label("type the namespace"))
    page.keyboard.type(plan.namespace)
    page.keyboard.press("Enter")
    at_issuer(page, site)

    expect(page.locator(".badges")).to_contain_text("Approved, not applied yet")
    assert site.workers.state(plan) is State.APPROVED


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_covers_what_has_the_focus_on_a_small_screen(
    page: Page, site: Site, plan: Plan, width: int
) -> None:
    """The decision follows along the lower edge, and must not lie over what is tabbed to."""
    page.set_viewport_size({"width": width, "height": 600})
    sign_in(page, site, f"/approvals/{plan.id}")

    tab_to(page, page.get_by_role("button", name="Deny"))


def test_the_first_stop_skips_to_the_content(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")

    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")

    expect(page.get_by_role("main")).to_be_focused()


def test_a_filter_is_set_with_the_keyboard_alone(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site)

    press(page, page.get_by_text("Search and filter"))
    tab_to(page, page.get_by_role("searchbox"))
    page.keyboard.type(plan.id)
    page.keyboard.press("Enter")

    expect(page).to_have_url(
        f"{site.base}/approvals?q={plan.id}&namespace=&operation=&risk=&state="
    )
    expect(page.get_by_role("link", name=plan.summary)).to_be_visible()


def test_who_wants_less_motion_sees_none(page: Page, site: Site, plan: Plan) -> None:
    moving = """[...document.querySelectorAll('*')].filter((one) => {
      const style = getComputedStyle(one);
      return [style.transitionDuration, style.animationDuration].some((time) => /[1-9]/.test(time));
    }).length"""
    sign_in(page, site, f"/approvals/{plan.id}")
    assert page.evaluate(moving) > 0

    page.emulate_media(reduced_motion="reduce")

    assert page.evaluate(moving) == 0
