"""What another origin can do in the browser of somebody who is signed in: nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route as Address

from shared.plans import Plan, State
from tests.browser.conftest import Site, listen, serving, sign_in
from tests.browser.plans import fresh_plan

pytestmark = pytest.mark.browser


@pytest.fixture
def plan(site: Site, request: pytest.FixtureRequest) -> Plan:
    return site.workers.add(fresh_plan(request.node.name, summary="scale the secret project"))


@contextmanager
def evil(body: str) -> Iterator[str]:
    """Another origin that serves one page."""

    async def page(_: Request) -> Response:
        return HTMLResponse(body)

    listener, origin = listen()
    with serving(Starlette(routes=[Address("/", page)]), listener):
        yield origin


@pytest.mark.promise("forms-are-ours")
@pytest.mark.parametrize("action", ["approve", "deny"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_another_origin_cannot_decide_even_with_the_form_s_token(
    context: BrowserContext, page: Page, site: Site, plan: Plan, action: str, kind: str
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    token = page.locator(f"form[action$='/{action}'] input[name=form_token]").get_attribute("value")
    form = (
        f'<form method="post" enctype="{kind}" action="{site.base}/approvals/{plan.id}/{action}">'
        f'<input name="form_token" value="{token}"><button>Win a prize</button></form>'
    )
    with evil(form) as origin:
        other = context.new_page()
        other.goto(origin)
        other.get_by_role("button", name="Win a prize").click()
        expect(other.get_by_role("heading", level=1)).to_have_text("Nothing was done")

    assert site.workers.state(plan) is State.PENDING


@pytest.mark.promise("forms-are-ours")
def test_a_script_of_another_origin_can_neither_read_nor_send(
    context: BrowserContext, page: Page, site: Site, plan: Plan
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    target = f"{site.base}/approvals/{plan.id}"
    with evil("<h1>kittens</h1>") as origin:
        other = context.new_page()
        other.goto(origin)
        read = other.evaluate(READ, target)
        other.evaluate(SEND, f"{target}/deny")

    assert read == "refused"
    assert site.workers.state(plan) is State.PENDING


@pytest.mark.promise("forms-are-ours")
@pytest.mark.parametrize("frame", ["iframe src", "object data", "embed src"])
def test_no_page_of_ours_shows_inside_another(
    context: BrowserContext, page: Page, site: Site, plan: Plan, frame: str
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    with evil(
        f'<{frame}="{site.base}/approvals/{plan.id}"></{frame.split(maxsplit=1)[0]}>'
    ) as origin:
        other = context.new_page()
        other.goto(origin, wait_until="load")
        shown = [one.url for one in other.frames[1:] if not one.is_detached()]

    assert not [url for url in shown if url.startswith(site.base)]


@pytest.mark.promise("login-csrf")
def test_nobody_can_be_signed_in_as_somebody_else_by_a_link(
    chromium: Browser, context: BrowserContext, page: Page, site: Site
) -> None:
    """Login CSRF: the attacker begins a login and has the victim's browser finish it."""
    begun: list[str] = []

    def caught(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        begun.append(answer.headers.get("location", ""))
        route.fulfill(body="the attacker keeps this link")

    attacker = chromium.new_context()
    try:
        theirs = attacker.new_page()
        theirs.goto(f"{site.base}/approvals/login")
        theirs.get_by_role("main").get_by_role("button", name="Sign in").click()
        theirs.locator("button[value=dev-outsider]").wait_for()
        theirs.route(f"{site.issuer}/**", caught)
        theirs.locator("button[value=dev-outsider]").click()
        expect(theirs.get_by_text("keeps this link")).to_be_visible()
    finally:
        attacker.close()
    assert begun[0].startswith(f"{site.base}/approvals/callback?")

    with evil(f'<a href="{begun[0]}">kittens</a>') as origin:
        page.goto(origin)
        page.get_by_role("link", name="kittens").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("The sign-in did not work")
    page.goto(f"{site.base}/approvals")
    expect(page.get_by_role("main").get_by_role("button", name="Sign in")).to_be_visible()
    assert not [one for one in context.cookies(site.base) if "session" in str(one["name"])]


@pytest.mark.promise("forms-are-ours")
def test_another_origin_cannot_begin_a_sign_in(page: Page, site: Site) -> None:
    form = f'<form method="post" action="{site.base}/approvals/login"><button>Go</button></form>'
    with evil(form) as origin:
        page.goto(origin)
        page.get_by_role("button", name="Go").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing was done")
        assert page.url.startswith(site.base)


@pytest.mark.promise("no-open-redirect")
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/approvals/../../evil",
        "/approvals//evil.example",
        "/approvals?x=//evil.example",
        "javascript:alert(1)",
        "/approvals\t//evil.example",
        "%2f%2fevil.example",
    ],
)
def test_a_sign_in_ends_on_our_own_pages(page: Page, site: Site, target: str) -> None:
    page.goto(f"{site.base}/approvals/login?{httpx2.QueryParams({'next': target})}")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.locator("button[value=dev-approver]").click()

    expect(page).to_have_url(f"{site.base}/approvals")


@pytest.mark.promise("get-changes-nothing")
def test_whoever_previews_a_link_sees_no_plan_and_changes_nothing(site: Site, plan: Plan) -> None:
    """Chat programs open what is posted in them, with no cookie and any method that reads."""
    before = len(site.workers.calls)
    with httpx2.Client(trust_env=False, follow_redirects=True) as unfurler:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = unfurler.request(method, f"{site.base}/approvals/{plan.id}")
            assert "secret project" not in answer.text

    assert site.workers.state(plan) is State.PENDING
    assert len(site.workers.calls) == before


@pytest.mark.promise("get-changes-nothing")
def test_pages_that_a_browser_opens_ahead_of_time_decide_nothing(
    context: BrowserContext, page: Page, site: Site, plan: Plan
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    before = len(site.workers.calls)
    addresses = [f"{site.base}/approvals/{plan.id}{action}" for action in ("", "/approve", "/deny")]
    ahead = "".join(
        f'<link rel="{rel}" href="{address}"><img src="{address}">'
        for rel in ("prefetch", "preload", "prerender", "preconnect", "dns-prefetch")
        for address in addresses
    )
    with evil(ahead) as origin:
        context.new_page().goto(origin, wait_until="load")

    assert site.workers.state(plan) is State.PENDING
    assert len(site.workers.calls) == before


READ = (
    """(url) => fetch(url, {credentials: 'include'}).then((r) => r.text()).catch(() => 'refused')"""
)
SEND = """(url) => Promise.allSettled([
  fetch(url, {method: 'POST', credentials: 'include', mode: 'no-cors', body: 'form_token=x'}),
  fetch(url, {method: 'POST', credentials: 'include', headers: {'X-Requested-With': 'x'}}),
  fetch(url, {method: 'PUT', credentials: 'include'}),
  Promise.resolve(navigator.sendBeacon(url, new URLSearchParams({form_token: 'x'}))),
])"""
