"""Signs in at the development issuer as a browser would: pages, forms, cookies and redirects.

Nothing here is a shortcut: what it can do, a person with a browser does by the same requests.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx2

from shared.errors import Fault

_MAX_REDIRECTS = 10
_TIMEOUT = 10.0


class LoginFailed(Fault):
    """The page that came is not the one that a login needs; the text says what came instead."""

    code = "login_failed"


@dataclass(slots=True, kw_only=True)
class Form:
    """A form of a page: where it goes, what it carries, which buttons send it."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """(name, value) of each submit button."""

    def has_button(self, value: str) -> bool:
        return any(one == value for _, one in self.buttons)

    def filled(self, button: str) -> dict[str, str]:
        """The fields as sent by the button with this value."""
        name = next(name for name, value in self.buttons if value == button)
        return {**self.fields, **({name: button} if name else {})}


class _Forms(HTMLParser):
    def __init__(self, page_url: str) -> None:
        super().__init__()
        self._page_url = page_url
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self._page_url, given.get("action", ""))
            self._open = Form(action=action, method=given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "button" and given.get("type", "submit") == "submit":
            self._open.buttons.append((given.get("name", ""), given.get("value", "")))
        elif tag == "input" and "name" in given:
            self._open.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def forms(page: httpx2.Response) -> list[Form]:
    """The forms of an HTML page, in order."""
    parser = _Forms(str(page.url))
    parser.feed(page.text)
    return parser.forms


def browser() -> httpx2.Client:
    """A client that keeps cookies and shows every redirect."""
    return httpx2.Client(follow_redirects=False, timeout=_TIMEOUT)


def sign_in(authorize_url: str, subject: str, *, client: httpx2.Client | None = None) -> str:
    """Opens `authorize_url`, chooses `subject` if asked who is there, and follows the redirects.

    Answers the first URL outside the issuer's origin: the client's callback with `code` or `error`,
    not yet opened. With one `client` for several calls the issuer's session lives on, as in a real
    browser.

    Raises:
        LoginFailed: the issuer showed something else.
    """
    if client is None:
        with browser() as own:
            return sign_in(authorize_url, subject, client=own)
    page = client.get(authorize_url)
    for _ in range(_MAX_REDIRECTS):
        if page.is_redirect:
            target = urljoin(str(page.url), page.headers["location"])
            if _origin(target) != _origin(authorize_url):
                return target
            page = client.get(target)
        else:
            page = _choose(client, page, subject)
    raise LoginFailed(f"more than {_MAX_REDIRECTS} steps from {_origin(authorize_url)}")


def _choose(client: httpx2.Client, page: httpx2.Response, subject: str) -> httpx2.Response:
    form = next((form for form in forms(page) if form.has_button(subject)), None)
    if page.status_code != httpx2.codes.OK or form is None:
        raise LoginFailed(f"no form to sign in as {subject}: {page.status_code} {_text(page)}")
    origin = _origin(form.action)
    headers = {"origin": origin, "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}
    return client.post(form.action, data=form.filled(subject), headers=headers)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def _text(page: httpx2.Response) -> str:
    parser = _Text()
    parser.feed(page.text)
    return " ".join(parser.words)[:500]
