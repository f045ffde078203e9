"""A change that went wrong is undone from its page: in a real Chromium, on the real stack.

An agent asks for an image that does not exist and a person approves it; when the page shows what
went wrong, the same person requests the rollback there and approves that. No agent is needed.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looking import fits
from tests.browser.whole_stack import NAMESPACE, BlockingAgent, WholeStack

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
KIOSK = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: kiosk, labels: {app: kiosk}}
spec:
  replicas: 2
  progressDeadlineSeconds: 5
  selector: {matchLabels: {app: kiosk}}
  template:
    metadata: {labels: {app: kiosk}}
    spec:
      containers:
      - {name: web, image: "nginx:1.22"}
"""


@pytest.fixture(scope="module")
def agent(stack: WholeStack) -> Iterator[BlockingAgent]:
    with stack.agent() as agent:
        yield agent


@pytest.fixture
def page(chromium: Browser, stack: WholeStack) -> Iterator[Page]:
    """An approver who is signed in."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(stack.approvals)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.locator("button[value=dev-approver]").click()
    page.wait_for_url(stack.approvals)
    yield page
    context.close()


def test_a_change_that_went_wrong_is_undone_from_its_page(agent: BlockingAgent, page: Page) -> None:
    _changed(agent, page, "request_apply_manifest", manifest=KIOSK)
    plan, applied = _changed(
        agent, page, "request_set_deployment_image",
        name="kiosk", container="web", image="nginx:9.99",
    )  # fmt: skip
    assert [one["verdict"] for one in applied["rollouts"]] == ["failed"], applied

    expect(page.locator(".badges")).to_contain_text("Applied, but the rollout failed")
    expect(page.locator("main")).to_contain_text("nginx:9.99")
    expect(page.locator("#outcome-live .notes")).not_to_be_empty()
    undo = page.locator("section", has=page.get_by_role("heading", name="Undo it"))
    expect(undo).to_contain_text("This did not go well.")
    _photograph(page, "rollback-offered")
    undo.get_by_role("button", name="Request rollback").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Rollback: kiosk/web: image nginx:9.99 → nginx:1.22"
    )
    assert page.url != plan["approvalUrl"]
    expect(page.locator("section", has_text="Who asked")).to_contain_text("No agent asked.")
    _photograph(page, "rollback-waiting")
    _approve(page)

    expect(page.locator(".badges").get_by_text("Applied", exact=True)).to_be_visible()
    expect(page.locator("main")).to_contain_text("2 of 2 Pods ready, 2 updated, 2 available")
    _photograph(page, "rollback-applied")
    told = agent.asked("get_deployment_diagnostics", namespace=NAMESPACE, name="kiosk").facts
    assert [one["image"] for one in told["resource"]["containers"]] == ["nginx:1.22"]
    page.get_by_role("link", name="another one").click()
    expect(page).to_have_url(plan["approvalUrl"])
    expect(undo).to_contain_text("A rollback was requested: the plan that undoes this one.")
    page.get_by_role("link", name="Timeline").click()
    expect(page.locator(".story")).to_contain_text("asked on the approval page for a plan")


def test_what_somebody_changed_since_is_not_undone_and_the_page_says_why(
    agent: BlockingAgent, page: Page
) -> None:
    _changed(agent, page, "request_apply_manifest", manifest=KIOSK.replace("kiosk", "stall"))
    plan, _ = _changed(agent, page, "request_scale_deployment", name="stall", replicas=3)
    _changed(agent, page, "request_scale_deployment", name="stall", replicas=1)
    page.goto(plan["approvalUrl"])

    page.get_by_role("button", name="Request rollback").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("No rollback can be planned")
    expect(page.locator("main")).to_contain_text("Deployment/stall: spec.replicas changed since")
    _photograph(page, "rollback-refused")


def _changed(
    agent: BlockingAgent, page: Page, tool: str, **arguments: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A change that an agent asked for, a person approved and the agent applied."""
    plan = agent.asked(tool, namespace=NAMESPACE, reason="A newer web server.", **arguments).facts
    page.goto(plan["approvalUrl"])
    _approve(page)
    return plan, agent.asked("apply_approved_plan", planId=plan["planId"]).facts


def _approve(page: Page) -> None:
    url = page.url
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("asks for a new sign-in")).to_be_visible()
    page.locator("button[value=dev-approver]").click()
    page.wait_for_url(url)


def _photograph(page: Page, name: str) -> None:
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 900})
        # Without motion: another scheme's colors are there at once.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two literals
        fits(page, f"{name}-{width}-{scheme}")
    page.set_viewport_size({"width": 1280, "height": 900})
