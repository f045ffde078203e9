"""Passkeys on the real stack, in a real Chromium with virtual authenticators.

Enrolled by the operator's command, put into the policy, demanded by a worker that was started with
it. Nothing is replaced but the piece of hardware.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dev.stack.material import GENERATED, policy_text
from dev.stack.places import NAMESPACE
from shared.digests import base64url
from tests.browser.authenticators import VirtualAuthenticator
from tests.browser.looking import INJECTIONS, LOW_CONTRAST, OVERFLOW
from tests.browser.whole_stack import BlockingAgent, WholeStack
from tests.journeys.stacks import Up, infragate, running

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]

ARGUMENTS = ("--sandbox", "--host", "localhost")
"""No browser uses a passkey for an address like 127.0.0.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a browser and a device of their own."""

    subject: str
    page: Page
    device: VirtualAuthenticator

    def sign_in(self, url: str) -> None:
        self.page.goto(url)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()
        self.page.locator(f"button[value={self.subject}]").click()
        self.page.wait_for_url(url)

    def approve(self, plan: dict[str, Any]) -> None:
        """Presses Approve and signs in afresh; ends where the passkey is asked for."""
        self.page.goto(plan["approvalUrl"])
        self.page.get_by_role("button", name="Approve").click()
        self.page.locator(f"button[value={self.subject}]").click()
        self.page.wait_for_url(plan["approvalUrl"] + "/passkey")

    def press(self) -> None:
        self.page.get_by_role("button", name="Use your passkey").click()


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A stack whose policy wants passkeys, and two people who have one."""

    stack: WholeStack
    ada: Person
    grace: Person


@pytest.fixture(scope="module")
def enrolled(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enrolled]:
    folder = tmp_path_factory.mktemp("passkeys")
    state = folder / "state"
    with _person(chromium, "dev-approver") as ada, _person(chromium, "dev-approver-2") as grace:
        with running(state, *ARGUMENTS) as up:
            lines = [_enroll(up, person, folder) for person in (ada, grace)]
        policy = policy_text(up.record.issuer, [NAMESPACE]).removeprefix(GENERATED)
        policy = policy.replace('"requester_may', '"passkey": "required",\n    "requester_may')
        up.places.policy.write_text(policy + "passkeys:\n" + "".join(lines), "utf-8")
        with running(state, *ARGUMENTS) as up:
            yield Enrolled(stack=WholeStack(up=up), ada=ada, grace=grace)


@pytest.fixture(scope="module")
def agent(enrolled: Enrolled) -> Iterator[BlockingAgent]:
    with enrolled.stack.agent() as agent:
        yield agent


@contextmanager
def _person(chromium: Browser, subject: str) -> Iterator[Person]:
    context: BrowserContext = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    yield Person(subject=subject, page=page, device=VirtualAuthenticator.plugged_into(page))
    context.close()


def _enroll(up: Up, person: Person, folder: Path) -> str:
    """The whole way: the operator's code, the page, the operator's check; returns policy lines."""
    remembered = folder / person.subject
    begun = infragate("passkeys", "begin", str(remembered), "--sub", person.subject,
        "--state", up.state)  # fmt: skip
    assert begun.returncode == 0, begun.stderr
    page = person.page
    person.sign_in(f"{up.record.origin}/approvals")
    page.get_by_role("link", name="enroll one").click()
    page.get_by_label("Code from").fill(max(begun.stdout.splitlines(), key=len))
    page.get_by_role("button", name="Go on").click()
    make = page.get_by_role("button", name="Make a passkey")
    expect(make).to_be_visible()
    _fits(page)
    make.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare six words")
    _fits(page)
    shown = page.locator(".words").inner_text()
    text = folder / f"{person.subject}.json"
    text.write_text(page.get_by_label("The text for the operator").input_value(), "utf-8")

    finished = infragate("passkeys", "finish", str(remembered), "--text", str(text))

    assert finished.returncode == 0, finished.stderr
    assert f"words      {shown}" in finished.stdout
    return finished.stdout.split("passkeys:\n", 1)[1]


@pytest.mark.promise("passkey-demanded")
def test_a_login_and_a_passkey_approve_a_plan_and_it_is_applied(
    enrolled: Enrolled, agent: BlockingAgent
) -> None:
    plan = _scale(agent, 3)
    page = enrolled.ada.page
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))

    enrolled.ada.approve(plan)
    _fits(page)
    expect(page.locator(".words")).to_have_text(plan["words"])
    too_early = agent.call("apply_approved_plan", planId=plan["planId"])
    enrolled.ada.press()
    page.wait_for_url(plan["approvalUrl"])

    assert too_early.facts["status"] == "approval_required"
    expect(page.locator(".badges")).to_contain_text("Approved, not applied yet")
    applied = agent.asked("apply_approved_plan", planId=plan["planId"]).facts
    assert applied["status"] == "applied"
    assert refused == []
    audit = infragate("audit", "verify", "--state", enrolled.stack.up.state)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    story = infragate("audit", "show", plan["planId"], "--state", enrolled.stack.up.state).stdout
    assert re.search(r"proof\.accepted .*passkey [0-9a-f]{12}…, passkey_count \d+", story)


@pytest.mark.promise("passkey-key-is-the-policys")
def test_a_passkey_of_somebody_else_does_not_approve(
    enrolled: Enrolled, agent: BlockingAgent
) -> None:
    """Ada's key on Grace's device, for Grace's approval: the policy has it, but not as hers."""
    plan = _scale(agent, 4)
    grace, [key] = enrolled.grace, enrolled.ada.device.credentials
    grace.approve(plan)
    grace.device.given(key)
    _bend(grace.page, "credentials", base64url(b64decode(key["credentialId"])))

    grace.press()

    expect(grace.page.locator("main")).to_contain_text("passkey_unknown")
    assert _status(agent, plan) == "approval_required"


@pytest.mark.promise("passkey-binds-the-statement")
def test_what_was_signed_for_another_plan_does_not_approve(
    enrolled: Enrolled, agent: BlockingAgent
) -> None:
    first, second = _scale(agent, 4), _scale(agent, 5)
    page = enrolled.ada.page
    enrolled.ada.approve(first)
    challenge = page.locator("form[data-passkey]").get_attribute("data-challenge")
    enrolled.ada.approve(second)

    assert challenge is not None
    _bend(page, "challenge", challenge)
    enrolled.ada.press()

    expect(page.locator("main")).to_contain_text("passkey_challenge")
    assert _status(agent, second) == _status(agent, first) == "approval_required"


def test_a_device_that_does_not_recognize_its_person_sends_nothing(
    enrolled: Enrolled, agent: BlockingAgent
) -> None:
    plan = _scale(agent, 1)
    enrolled.ada.approve(plan)
    page = enrolled.ada.page

    enrolled.ada.device.knows_the_pin(known=False)
    enrolled.ada.press()
    expect(page.get_by_role("status")).to_contain_text("Nothing was sent")
    assert _status(agent, plan) == "approval_required"

    enrolled.ada.device.knows_the_pin(known=True)
    enrolled.ada.press()
    page.wait_for_url(plan["approvalUrl"])
    expect(page.locator(".badges")).to_contain_text("Approved, not applied yet")


@pytest.mark.promise("pages-run-no-script")
def test_other_pages_still_run_nothing_and_may_not_ask_for_a_passkey(
    enrolled: Enrolled, agent: BlockingAgent
) -> None:
    plan = _scale(agent, 4)
    page = enrolled.ada.page
    for url in (plan["approvalUrl"], enrolled.stack.approvals):
        page.goto(url)
        assert page.evaluate(INJECTIONS) == [""] * 4
        assert page.evaluate(_ASKS) == "NotAllowedError"
        assert page.evaluate("window.ran") is None

    enrolled.ada.approve(plan)
    assert page.evaluate(INJECTIONS) == [""] * 4
    assert page.evaluate("window.ran") is None


_ASKS = """() => navigator.credentials.get({publicKey: {challenge: new Uint8Array(32)}})
  .then(() => 'asked', (error) => error.name)"""


def test_without_a_script_the_page_says_what_is_missing(
    chromium: Browser, enrolled: Enrolled, agent: BlockingAgent
) -> None:
    plan = _scale(agent, 4)
    context = chromium.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(plan["approvalUrl"])
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        page.locator("button[value=dev-approver]").click()
        page.get_by_role("button", name="Approve").click()
        page.locator("button[value=dev-approver]").click()
        expect(page.get_by_role("alert")).to_contain_text("needs a script")
        page.get_by_role("button", name="Use your passkey").click()
        expect(page.locator("main")).to_contain_text("passkey_unreadable")
    finally:
        context.close()

    assert _status(agent, plan) == "approval_required"
    assert enrolled.ada.device.credentials


def _bend(page: Page, name: str, value: str) -> None:
    """Changes what the script reads, as a page that lies would say it."""
    form = page.locator("form[data-passkey]")
    form.evaluate("(form, [name, value]) => { form.dataset[name] = value; }", [name, value])


def _status(agent: BlockingAgent, plan: dict[str, Any]) -> str:
    return str(agent.call("apply_approved_plan", planId=plan["planId"]).facts["status"])


def _scale(agent: BlockingAgent, replicas: int) -> dict[str, Any]:
    return agent.asked(
        "request_scale_deployment",
        namespace=NAMESPACE,
        name="nginx",
        replicas=replicas,
        reason="Traffic has changed.",
    ).facts


def _fits(page: Page) -> None:
    assert page.evaluate(OVERFLOW) <= 0
    assert page.evaluate(LOW_CONTRAST) == []
