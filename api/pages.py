"""The people's door: routes of the approval pages; each reads a request and calls one function.

A GET never changes a plan. The callback only continues what a POST of the same browser began.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import forms, problems, showing
from api.headers import origin_of
from api.login import HOME, Arrival, Cookie, Departure, Login, Person, safe_path
from api.provider import Provider, ProviderMisfit, ProviderUnavailable
from api.rendering import Templates
from api.review import Review, Reviewed
from shared.errors import Fault, Refusal
from shared.logs import Log, trace_of
from shared.plans import State
from shared.settings import GatewaySettings

SIGN_IN: Final = f"{HOME}/login"
CALLBACK: Final = f"{HOME}/callback"
SIGN_OUT: Final = f"{HOME}/logout"
_PLAN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEE_OTHER: Final = 303

Page = Callable[[Request], Awaitable[Response]]

log = Log("pages")


def make_pages(
    *,
    review: Review,
    login: Login,
    provider: Provider,
    settings: GatewaySettings,
    now: Callable[[], int],
) -> APIRouter:
    """Returns the routes of the approval pages, to be mounted at the root.

    The application adds `api.headers.PageHeaders` around them.
    """
    pages = Pages(
        review=review,
        login=login,
        provider=provider,
        separate=login.origin != origin_of(settings.oauth_resource),
        now=now,
    )
    return pages.router()


class Pages:
    """The pages. `separate` says that they have an origin, and so a process, of their own."""

    def __init__(
        self,
        *,
        review: Review,
        login: Login,
        provider: Provider,
        separate: bool,
        now: Callable[[], int],
    ) -> None:
        self._review = review
        self._login = login
        self._provider = provider
        self._separate = separate
        self._now = now
        self._templates = Templates()

    def router(self) -> APIRouter:
        """Returns the routes; fixed addresses come before those of plans."""
        router = APIRouter(include_in_schema=False)
        for method, path, page in (
            ("GET", HOME, self.inbox),
            ("GET", f"{HOME}/static/{{name}}", self.asset),
            ("GET", SIGN_IN, self.sign_in_page),
            ("POST", SIGN_IN, self.sign_in),
            ("GET", CALLBACK, self.callback),
            ("POST", SIGN_OUT, self.sign_out),
            ("GET", f"{HOME}/{{plan_id}}", self.plan),
            ("POST", f"{HOME}/{{plan_id}}/approve", self.approve),
            ("POST", f"{HOME}/{{plan_id}}/deny", self.deny),
        ):
            methods = ["GET", "HEAD"] if method == "GET" else [method]
            router.add_api_route(path, self._answering(page), methods=methods, response_model=None)
        return router

    async def inbox(self, request: Request) -> Response:
        """The plans that wait, and those of the last day."""
        person = await self._login.person(request.cookies)
        if person is None:
            return _to_sign_in(HOME)
        now = self._now()
        listed = await self._review.inbox(person.identity, person.groups)
        rows = [showing.row(one, now=now) for one in listed if isinstance(one, Reviewed)]
        values = {
            "waiting": [row for row in rows if row.reviewed.state is State.PENDING],
            "recent": [row for row in rows if row.reviewed.state is not State.PENDING],
            "unshown": [one for one in listed if not isinstance(one, Reviewed)],
        }
        return self._html("inbox.html", values, person=person)

    async def plan(self, request: Request) -> Response:
        """One plan: everything that is sealed, and the buttons that fit its state."""
        plan_id = _plan_id(request)
        person = await self._login.person(request.cookies)
        if person is None:
            return _to_sign_in(f"{HOME}/{plan_id}")
        await self._learn_provider()
        found = await self._review.look(plan_id, person.identity, person.groups)
        if isinstance(found, Refusal):
            return self._problem(problems.of_refusal(found), person=person)
        path = f"{HOME}/{plan_id}"
        values = {
            "sheet": showing.sheet(found, now=self._now()),
            "approve_token": forms.form_token(person.cookie, f"{path}/approve"),
            "deny_token": forms.form_token(person.cookie, f"{path}/deny"),
        }
        return self._html("plan.html", values, person=person)

    async def approve(self, request: Request) -> Response:
        """Asks the applier for a statement and sends the person to sign in to it."""
        plan_id = _plan_id(request)
        posted = await self._posted(request)
        if isinstance(posted, Response):
            return posted
        person, form = posted
        unconfirmed = await self._unconfirmed(plan_id, form, person)
        if unconfirmed is not None:
            return self._refused(unconfirmed, person, plan_id)
        signed = await self._review.challenge(
            plan_id, digest=form.get("digest", ""), approver=person.identity
        )
        if isinstance(signed, Refusal):
            return self._refused(signed, person, plan_id)
        return _depart(await self._login.begin_approval(person, plan_id, signed))

    async def deny(self, request: Request) -> Response:
        """Denies a plan, or takes back its approval."""
        plan_id = _plan_id(request)
        posted = await self._posted(request)
        if isinstance(posted, Response):
            return posted
        person, form = posted
        refused = await self._review.deny(
            plan_id,
            reason=form.get("reason", "").strip(),
            approver=person.identity,
            groups=person.groups,
        )
        if refused is not None:
            return self._refused(refused, person, plan_id)
        return _see(f"{HOME}/{plan_id}")

    async def sign_in_page(self, request: Request) -> Response:
        """Explains what signing in here is for; link unfurlers get no further than this."""
        await self._learn_provider()
        values = {"next_path": safe_path(request.query_params.get("next", HOME))}
        return self._html("login.html", values)

    async def sign_in(self, request: Request) -> Response:
        """Begins a sign-in for looking."""
        refused = forms.sender_refusal(request.headers, origin=self._login.origin)
        form = refused or await forms.read_form(request)
        if isinstance(form, Refusal):
            return self._problem(problems.of_refusal(form))
        return _depart(await self._login.begin(form.get("next", HOME)))

    async def callback(self, request: Request) -> Response:
        """Continues a login that this browser began: a sign-in, or the proof of an approval."""
        arrival = await self._login.arrive(_single(request), request.cookies)
        if isinstance(arrival, Refusal):
            return self._problem(problems.of_refusal(arrival))
        answer = await (
            self._signed_in(arrival, request)
            if arrival.login.approving is None
            else self._proven(arrival, request)
        )
        _set(answer, arrival.spent)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ends the session for looking."""
        posted = await self._posted(request)
        if isinstance(posted, Response):
            return posted
        answer = _see(SIGN_IN)
        _set(answer, await self._login.sign_out(posted[0]))
        return answer

    async def asset(self, request: Request) -> Response:
        """A style sheet or icon; the address names the version, so it may be kept."""
        asset = self._templates.assets.get(str(request.path_params["name"]))
        if asset is None:
            return Response(status_code=404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    async def _signed_in(self, arrival: Arrival, request: Request) -> Response:
        cookie = await self._login.sign_in(arrival, request.cookies)
        if isinstance(cookie, Refusal):
            return self._problem(problems.of_refusal(cookie))
        answer = _see(arrival.login.next_path)
        _set(answer, cookie)
        return answer

    async def _proven(self, arrival: Arrival, request: Request) -> Response:
        person = await self._login.person(request.cookies)
        approving = arrival.login.approving
        if approving is None or person is None:
            return _to_sign_in(arrival.login.next_path)
        refused = await self._review.prove(approving.signed, arrival.token)
        if refused is not None:
            return self._refused(refused, person, approving.plan_id)
        return _see(arrival.login.next_path)

    async def _posted(self, request: Request) -> tuple[Person, Mapping[str, str]] | Response:
        """Who posted a form of ours, and what is in it; or the page that says why not."""
        foreign = forms.sender_refusal(request.headers, origin=self._login.origin)
        if foreign is not None:
            return self._problem(problems.of_refusal(foreign))
        person = await self._login.person(request.cookies)
        if person is None:
            path = request.url.path.rpartition("/")[0]
            return _to_sign_in(safe_path(path))
        form = await forms.read_form(request)
        if isinstance(form, Refusal):
            return self._problem(problems.of_refusal(form), person=person)
        forged = forms.token_refusal(form, cookie=person.cookie, path=request.url.path)
        if forged is not None:
            return self._problem(problems.of_refusal(forged), person=person)
        return person, form

    async def _unconfirmed(
        self, plan_id: str, form: Mapping[str, str], person: Person
    ) -> Refusal | None:
        """Whether a plan of high risk lacks the typed namespace."""
        found = await self._review.look(plan_id, person.identity, person.groups)
        if isinstance(found, Refusal) or found.plan.risk.level != "high":
            return None
        if form.get("namespace", "").strip() == found.plan.namespace:
            return None
        return Refusal(
            code="namespace_not_typed",
            message="A plan of high risk is approved only with its namespace typed.",
        )

    async def _learn_provider(self) -> None:
        """Lets the Content-Security-Policy know where sign-in forms lead; a page needs no more."""
        with suppress(ProviderUnavailable, ProviderMisfit):
            await self._provider.metadata()

    def _answering(self, page: Page) -> Page:
        """The page, with faults told as pages."""

        async def answer(request: Request) -> Response:
            try:
                return await page(request)
            except Fault as fault:
                return self._problem(problems.of_fault(fault))
            except Exception as error:  # noqa: BLE001 - whatever it is, people get a page for it
                incident = secrets.token_hex(4)
                log.error("page.crashed", incident=incident, trace=trace_of(error))  # noqa: TRY400
                return self._problem(
                    problems.of_fault(Fault(f"The operator finds it as {incident}."))
                )

        return answer

    def _refused(self, refusal: Refusal, person: Person, plan_id: str) -> Response:
        return self._problem(problems.of_refusal(refusal), person=person, plan_id=plan_id)

    def _problem(
        self, problem: problems.Problem, *, person: Person | None = None, plan_id: str = ""
    ) -> Response:
        values = {"problem": problem, "plan_id": plan_id}
        answer = self._html("problem.html", values, person=person, status=problem.status)
        if problem.retry_after is not None:
            answer.headers["Retry-After"] = str(problem.retry_after)
        return answer

    def _html(
        self,
        template: str,
        values: Mapping[str, object],
        *,
        person: Person | None = None,
        status: int = 200,
    ) -> Response:
        frame = {
            "person": person,
            "separate": self._separate,
            "sign_out_token": forms.form_token(person.cookie, SIGN_OUT) if person else "",
        }
        return HTMLResponse(self._templates.render(template, {**frame, **values}), status)


def _plan_id(request: Request) -> str:
    """The plan's id; one that cannot be one is like one that does not exist."""
    plan_id = str(request.path_params["plan_id"])
    return plan_id if _PLAN_ID.fullmatch(plan_id) else "-"


def _single(request: Request) -> dict[str, str]:
    """The query, without what appears twice (RFC 6749, 3.1)."""
    query = request.query_params
    return {name: query[name] for name in query if len(query.getlist(name)) == 1}


def _to_sign_in(next_path: str) -> Response:
    return _see(f"{SIGN_IN}?next={quote(next_path, safe='')}")


def _depart(departure: Departure) -> Response:
    answer = _see(departure.url)
    _set(answer, departure.cookie)
    return answer


def _see(url: str) -> Response:
    return RedirectResponse(url, _SEE_OTHER)


def _set(answer: Response, cookie: Cookie) -> None:
    answer.set_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.max_age,
        path="/",
        secure=cookie.secure,
        httponly=True,
        samesite="lax",
    )
