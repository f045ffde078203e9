"""The approving person of the demo: a simulated browser on the real pages, request by request.

It has cookies, follows redirects and sends the forms that the pages show; it knows no shortcut.
"""

from dataclasses import dataclass
from html.parser import HTMLParser
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from dev.demo.telling import NotAsPromised, promised
from dev.login_driver import Form, browser, forms, sign_in

_MAX_REDIRECTS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage:
    """What a person sees on the page of a plan."""

    title: str
    words: str
    badges: str
    digest: str
    """What the approve form sends; empty when there is no such form."""
    approve: Form | None


class Person:
    """Somebody at a browser, who is `subject` at the issuer. A context manager."""

    def __init__(self, subject: str, issuer: str) -> None:
        self._subject = subject
        self._issuer = issuer
        self._browser = browser()

    def __enter__(self) -> Self:
        """Opens the browser."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it, and forgets its cookies."""
        self._browser.close()

    def open(self, url: str) -> PlanPage:
        """Opens a plan, signing in on the way if the pages ask for it.

        Raises:
            NotAsPromised: another page came.
            LoginFailed: the issuer showed something unexpected.
        """
        page = self._follow(self._browser.get(url))
        entrance = next((one for one in forms(page) if one.action.endswith("/login")), None)
        if entrance is not None:
            page = self._send(entrance)
        return _plan_page(page)

    def approve(self, page: PlanPage, *, namespace: str) -> PlanPage:
        """Presses Approve and signs in afresh, as that demands; returns the page after it.

        Raises:
            NotAsPromised: the page has no such button, or another page came.
            LoginFailed: the issuer did not ask for a fresh sign-in.
        """
        if page.approve is None:
            raise NotAsPromised("The plan's page offers no Approve button.")
        if "namespace" in page.approve.fields:  # a plan of high risk
            page.approve.fields["namespace"] = namespace
        return _plan_page(self._send(page.approve))

    def _send(self, form: Form) -> httpx2.Response:
        headers = {
            "origin": _origin(form.action),
            "sec-fetch-site": "same-origin",
            "sec-fetch-mode": "navigate",
        }
        return self._follow(self._browser.post(form.action, data=form.fields, headers=headers))

    def _follow(self, page: httpx2.Response) -> httpx2.Response:
        """Follows redirects; at the issuer, signs in."""
        for _ in range(_MAX_REDIRECTS):
            if not page.is_redirect:
                return page
            target = urljoin(str(page.url), page.headers["location"])
            if _origin(target) == self._issuer:
                target = sign_in(target, self._subject, client=self._browser)
            page = self._browser.get(target)
        raise NotAsPromised(f"more than {_MAX_REDIRECTS} redirects, the last to {page.url}")


class _Elements(HTMLParser):
    """Collects the text of the elements that matter on a plan's page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"h1": [], "words": [], "badges": [], "alert": []}
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        wanted = {tag, *(given.get("class") or "").split(), given.get("role") or ""}
        for name in self.texts.keys() & wanted:
            self._open.append((tag, name))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            self.texts[name] += data.split()

    def text(self, name: str) -> str:
        """Returns the words of all such elements."""
        return " ".join(self.texts[name])


def _plan_page(page: httpx2.Response) -> PlanPage:
    elements = _Elements()
    elements.feed(page.text)
    told = elements.text("alert") or elements.text("h1")
    shown = page.status_code == httpx2.codes.OK and elements.text("words")
    promised(bool(shown), f"Not the plan's page but {page.status_code} at {page.url}: {told}")
    approve = next((one for one in forms(page) if one.action.endswith("/approve")), None)
    return PlanPage(
        title=elements.text("h1"),
        words=elements.text("words"),
        badges=elements.text("badges"),
        digest=approve.fields.get("digest", "") if approve else "",
        approve=approve,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
