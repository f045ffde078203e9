"""Live pages over two replicas and one real Redis: neither has to be the right one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.stage import Cast, Stage, staged
from dev.stack.parts import GATEWAY
from dev.stack.places import NAMESPACE
from tests.browser.conftest import APPROVER
from tests.browser.round_robin import RoundRobin, between
from tests.browser.whole_stack import BlockingAgent, asking

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture
def replicas() -> Iterator[Stage]:
    with staged(Cast(gateways=2)) as stage:
        yield stage


@pytest.fixture
def robin(replicas: Stage) -> Iterator[RoundRobin]:
    with between(replicas.record.origin, list(replicas.ports)) as robin:
        yield robin


@pytest.fixture
def agent(replicas: Stage) -> Iterator[BlockingAgent]:
    with asking(replicas.record, replicas.places, "dev-requester") as agent:
        yield agent


@contextmanager
def _approver(chromium: Browser, robin: RoundRobin, url: str) -> Iterator[Page]:
    """A page of an approver whose every request goes through the proxy."""
    context = chromium.new_context(proxy={"server": robin.address, "bypass": "<-loopback>"})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(url)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.locator(f"button[value={APPROVER}]").click()
    page.wait_for_url(url)
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("window.before = true")
    try:
        yield page
    finally:
        context.close()


def _plan(agent: BlockingAgent, replicas: int) -> dict[str, str]:
    arguments = {"namespace": NAMESPACE, "name": "nginx", "replicas": replicas}
    return agent.asked("request_scale_deployment", reason="Traffic has doubled.", **arguments).facts


def test_a_decision_at_one_replica_reaches_a_page_of_the_other(
    chromium: Browser, replicas: Stage, robin: RoundRobin, agent: BlockingAgent
) -> None:
    url = _plan(agent, 3)["approvalUrl"]
    first, second = replicas.ports
    robin.ports = [first]
    with _approver(chromium, robin, url) as page:
        robin.ports = [second]
        with _approver(chromium, robin, url) as elsewhere:
            elsewhere.get_by_role("button", name="Deny").click()
            expect(elsewhere.locator(".badges")).to_contain_text("Denied")

        expect(page.locator(".badges")).to_contain_text("Denied")
        assert page.evaluate("window.before")
        assert robin.streams[0] == first
        assert set(robin.streams[1:]) == {second}


def test_a_replica_that_is_told_to_stop_stops_and_its_pages_go_on_at_the_other(
    chromium: Browser, replicas: Stage, robin: RoundRobin, agent: BlockingAgent
) -> None:
    first, second = replicas.ports
    robin.ports = [second]
    with _approver(chromium, robin, f"{replicas.record.origin}/approvals") as page:
        robin.ports = [second, first]

        process = replicas.process(f"{GATEWAY}-2")
        process.terminate()
        process.wait(timeout=60)  # its stream alone would have gone on for a quarter of an hour
        summary = _plan(agent, 4)["summary"]

        row = page.get_by_role("link", name=summary)
        expect(row.filter(has_text="expires")).to_be_visible(timeout=60_000)
        expect(page.locator("#live")).to_have_text("Live", timeout=60_000)
        assert page.evaluate("window.before")
        assert robin.streams[-1] == first
