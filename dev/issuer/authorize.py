"""The authorization endpoint: from a checked request, over a login where one is due, to a code.

A GET signs nobody in; it may only find that somebody already is.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dev.issuer.answers import back, back_with_error
from dev.issuer.clients import Clients
from dev.issuer.codes import Codes, Grant
from dev.issuer.forms import Params, query, read_form
from dev.issuer.memory import ShortLived
from dev.issuer.pages import LoginForm, Pages
from dev.issuer.par import PushedRequests
from dev.issuer.people import PEOPLE
from dev.issuer.requests import AuthorizationRequest, Destination, check, destination
from dev.issuer.sessions import LIFETIME, Sessions, needs_login
from dev.issuer.settings import Settings
from shared.errors import Refusal

SESSION_COOKIE = "infragate_dev_issuer"
BROWSER_COOKIE = "infragate_dev_issuer_browser"
_PATH = "/authorize"
"""Cookies do not know ports; the path keeps these from whatever else runs on 127.0.0.1."""
_TICKET_LIFETIME = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    """A login page that was shown: for this request, to this browser, with this form token."""

    request: AuthorizationRequest
    browser: str
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Misstep:
    """A refusal that the client may be told."""

    to: Destination
    refusal: Refusal


class Authorize:
    """GET /authorize and the form on its page."""

    def __init__(
        self,
        settings: Settings,
        *,
        clients: Clients,
        pushed: PushedRequests,
        sessions: Sessions,
        codes: Codes,
        pages: Pages,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._pushed = pushed
        self._sessions = sessions
        self._codes = codes
        self._pages = pages
        self._tickets: ShortLived[_Ticket] = ShortLived(
            clock=settings.clock, seconds=_TICKET_LIFETIME
        )

    async def show(self, http: Request) -> Response:
        """Back to the client with a code or an error, or the login page."""
        params = query(http)
        request = params if isinstance(params, Refusal) else self._read(params)
        if isinstance(request, Refusal):
            return self._refused(request)
        if isinstance(request, _Misstep):
            return back_with_error(request.to, self._settings.issuer, request.refusal)
        session = self._sessions.find(http.cookies.get(SESSION_COOKIE))
        if session and not needs_login(request, session, self._settings.clock()):
            return self._send_code(Grant(request=request, session=session))
        if "none" in request.prompt:
            why = Refusal(code="login_required", message="nobody is signed in, or not recently")
            return back_with_error(request.destination, self._settings.issuer, why)
        return self._ask_who(http, request)

    async def sign_in(self, http: Request) -> Response:
        """The login form: a new session for the chosen person, then back to the client."""
        form = await read_form(http)
        if isinstance(form, Refusal):
            return self._refused(form)
        if not from_own_page(http, self._settings.issuer):
            return self._refused(_forged())
        ticket = self._tickets.take(form.get("ticket", ""))
        if ticket is None:
            why = "This sign-in page has expired or was used; start again where you came from."
            return self._refused(Refusal(code="expired", message=why))
        person = PEOPLE.get(form.get("subject", ""))
        if person is None or not _matches(ticket, form, http):
            return self._refused(_forged())
        self._sessions.end(http.cookies.get(SESSION_COOKIE))
        cookie, session = self._sessions.start(person.subject)
        answer = self._send_code(Grant(request=ticket.request, session=session))
        _set_cookie(answer, SESSION_COOKIE, cookie)
        return answer

    def _read(self, params: Params) -> AuthorizationRequest | Refusal | _Misstep:
        if "request_uri" in params:
            return self._pushed.take(params["request_uri"], params.get("client_id"))
        to = destination(params, self._clients)
        if isinstance(to, Refusal):
            return to
        if to.client.require_par:
            why = "this client must push its authorization requests (RFC 9126)"
            return _Misstep(to=to, refusal=Refusal(code="invalid_request", message=why))
        request = check(params, to, self._settings.resources)
        return _Misstep(to=to, refusal=request) if isinstance(request, Refusal) else request

    def _ask_who(self, http: Request, request: AuthorizationRequest) -> Response:
        browser = http.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(32)
        csrf = secrets.token_urlsafe(32)
        ticket = _Ticket(request=request, browser=_digest(browser), csrf=csrf)
        session = self._sessions.find(http.cookies.get(SESSION_COOKIE))
        form = LoginForm(ticket=self._tickets.put(ticket), csrf=csrf)
        page = self._pages.login(request, session, form)
        _set_cookie(page, BROWSER_COOKIE, browser)
        return page

    def _send_code(self, grant: Grant) -> Response:
        code = self._codes.issue(grant)
        return back(grant.request.destination, self._settings.issuer, {"code": code})

    def _refused(self, refusal: Refusal) -> Response:
        return self._pages.message("This cannot go on", refusal.message, status=400)


class Logout:
    """The end of a session: a page that asks, and the form that does it."""

    def __init__(self, settings: Settings, sessions: Sessions, pages: Pages) -> None:
        self._issuer = settings.issuer
        self._sessions = sessions
        self._pages = pages

    async def ask(self, http: Request) -> Response:
        return self._pages.logout(self._sessions.find(http.cookies.get(SESSION_COOKIE)))

    async def sign_out(self, http: Request) -> Response:
        if not from_own_page(http, self._issuer):
            return self._pages.message("This cannot go on", _forged().message, status=400)
        self._sessions.end(http.cookies.get(SESSION_COOKIE))
        page = self._pages.message("Signed out", "Nobody is signed in in this browser any more.")
        page.delete_cookie(SESSION_COOKIE, path=_PATH, httponly=True, samesite="lax")
        return page


def from_own_page(http: Request, issuer: str) -> bool:
    """Whether a form was sent by a page of ours, as far as the browser tells."""
    origin = http.headers.get("origin", issuer)
    site = http.headers.get("sec-fetch-site", "same-origin")
    return origin == issuer and site == "same-origin"


def _matches(ticket: _Ticket, form: Params, http: Request) -> bool:
    browser = _digest(http.cookies.get(BROWSER_COOKIE, ""))
    same_browser = hmac.compare_digest(browser, ticket.browser)
    same_form = hmac.compare_digest(form.get("csrf", "").encode(), ticket.csrf.encode())
    return same_browser and same_form


def _set_cookie(answer: Response, name: str, value: str) -> None:
    answer.set_cookie(name, value, max_age=LIFETIME, path=_PATH, httponly=True, samesite="lax")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _forged() -> Refusal:
    why = "This form was not sent from this issuer's own page in this browser; start again."
    return Refusal(code="forged", message=why)
