"""A real Chromium that looks at pages and says how long they took, by its own clock."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from shared.errors import Fault

APPROVER: Final = "dev-approver"
_TIMEOUT_MS: Final = 120_000
_TIMES: Final = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return [page.responseStart - page.requestStart, Math.max(page.loadEventEnd, paint.startTime)];
}"""
_PAINTED: Final = """() => performance.getEntriesByName("first-contentful-paint").length > 0
  && performance.getEntriesByType("navigation")[0].loadEventEnd > 0"""


class NoBrowser(Fault):
    """There is no Chromium on this machine."""

    code = "no_browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How long one page took, in seconds."""

    first_byte: float
    """From the request to the first byte of the answer."""
    rendered: float
    """From the click to a page that is loaded and painted."""


def chromium_path() -> str:
    """Returns where the browser is.

    Raises:
        NoBrowser: there is none.
    """
    path = shutil.which("chromium")
    if path is None:
        raise NoBrowser("There is no chromium on PATH.")
    return path


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A browser, closed after the block; meanwhile no event loop can be run in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def signed_in(browser: Browser, origin: str) -> Page:
    """Returns a page of an approver who has just signed in at `origin` and seen no plan yet."""
    url = f"{origin}/approvals/passkeys"
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    page.goto(url)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.locator(f"button[value={APPROVER}]").click(no_wait_after=True)
    page.wait_for_url(url)
    return page


def look(page: Page, url: str) -> Look:
    """Opens a page and returns what its browser measured."""
    page.goto(url, wait_until="load")
    page.wait_for_function(_PAINTED)
    first_byte, rendered = page.evaluate(_TIMES)
    return Look(first_byte=first_byte / 1000, rendered=rendered / 1000)
