"""An approver at a browser: pages, forms, cookies and redirects, as `dev.login_driver` does it."""

from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx2

from dev.login_driver import browser, forms, sign_in
from tests.journeys.live import Live

MAX_REDIRECTS = 12


class Person:
    """Somebody who is `subject` at the issuer. A context manager."""

    def __init__(self, live: Live, subject: str = "dev-approver") -> None:
        self._live = live
        self._subject = subject
        self.browser = browser()
        live.hear(self.browser)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.browser.close()

    def open(self, url: str) -> httpx2.Response:
        """The page at `url`, after signing in if the pages ask for it."""
        page = self._follow(self.browser.get(url))
        if any(form.action.endswith("/approvals/login") for form in forms(page)):
            page = self._follow(self._post(page, "/approvals/login"))
        return page

    def press(self, page: httpx2.Response, ending: str, **typed: str) -> httpx2.Response:
        """Sends the form of a page whose action ends so, and follows to the next page."""
        return self._follow(self._post(page, ending, **typed))

    def approve(self, url: str) -> httpx2.Response:
        """Reads a plan's page and approves it by a fresh sign-in."""
        page = self.open(url)
        typed = {"namespace": self._live.namespace} if 'name="namespace"' in page.text else {}
        return self.press(page, "/approve", **typed)

    def deny(self, url: str, reason: str) -> httpx2.Response:
        """Reads a plan's page and denies it, or takes its approval back."""
        return self.press(self.open(url), "/deny", reason=reason)

    def _post(self, page: httpx2.Response, ending: str, **typed: str) -> httpx2.Response:
        form = next((form for form in forms(page) if form.action.endswith(ending)), None)
        assert form is not None, f"no form {ending} on {page.status_code} {page.url}: {page.text}"
        headers = {
            "origin": origin_of(form.action),
            "sec-fetch-site": "same-origin",
            "sec-fetch-mode": "navigate",
        }
        return self.browser.post(form.action, data={**form.fields, **typed}, headers=headers)

    def _follow(self, page: httpx2.Response) -> httpx2.Response:
        """Follows redirects; at the issuer, signs in."""
        for _ in range(MAX_REDIRECTS):
            if not page.is_redirect:
                return page
            target = urljoin(str(page.url), page.headers["location"])
            if origin_of(target) == self._live.record.issuer:
                target = sign_in(target, self._subject, client=self.browser)
            page = self.browser.get(target)
        raise AssertionError(f"more than {MAX_REDIRECTS} redirects, the last to {page.url}")


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
