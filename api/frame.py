"""What all pages for people share: who is there, what they posted, pages, problems, redirects."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import forms, problems
from api.cookies import Cookie, Departure
from api.headers import LIVE, POLICY
from api.login import Login, Person
from api.paths import SIGN_IN, SIGN_OUT, safe_path
from api.rendering import Asset, Templates
from shared import request_ids
from shared.errors import Fault, Refusal
from shared.logs import Log, trace_of

_PLAN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEE_OTHER: Final = 303

Page = Callable[[Request], Awaitable[Response]]

log = Log("pages")


class Frame:
    """Makes pages, reads forms. `separate`: the pages have an origin and a process of their own."""

    def __init__(self, login: Login, *, separate: bool) -> None:
        self._login = login
        self._separate = separate
        self._templates = Templates()

    def add(self, router: APIRouter, method: str, path: str, page: Page) -> None:
        """Adds a page to the routes, with its faults told as pages."""
        methods = ["GET", "HEAD"] if method == "GET" else [method]
        router.add_api_route(path, self._answering(page), methods=methods, response_model=None)

    def asset(self, name: str) -> Asset | None:
        """Returns a static file."""
        return self._templates.assets.get(name)

    async def visitor(self, request: Request, next_path: str) -> Person | Response:
        """Returns who is signed in; else the way to the sign-in, and from there to `next_path`."""
        idle = request.headers.get("x-live") is not None  # fetched by the page itself
        return await self._login.person(request.cookies, idle=idle) or to_sign_in(next_path)

    async def posted(self, request: Request) -> tuple[Person, Mapping[str, str]] | Response:
        """Returns who posted a form of ours and what is in it; or the page that says why not."""
        foreign = forms.sender_refusal(request.headers, origin=self._login.origin)
        if foreign is not None:
            return self.refused(foreign, plan_id=_named_in(request))
        person = await self._login.person(request.cookies)
        if person is None:
            path = request.url.path.rpartition("/")[0]
            return to_sign_in(safe_path(path))
        form = await forms.read_form(request)
        if isinstance(form, Refusal):
            return self.refused(form, person)
        forged = forms.token_refusal(form, cookie=person.cookie, path=request.url.path)
        if forged is not None:
            return self.refused(forged, person, _named_in(request))
        return person, form

    def refused(
        self,
        refusal: Refusal,
        person: Person | None = None,
        plan_id: str = "",
        *,
        instead: object = None,
    ) -> Response:
        """Returns the page that says why something was not done.

        `instead` is what became of the plan, as `api.showing` tells it.
        """
        problem = problems.of_refusal(refusal)
        return self._problem(problem, person=person, plan_id=plan_id, instead=instead)

    def html(
        self,
        template: str,
        values: Mapping[str, object],
        *,
        person: Person | None = None,
        status: int = 200,
    ) -> Response:
        """Returns a page made of a template."""
        frame = {
            "person": person,
            "separate": self._separate,
            "sign_out_token": forms.form_token(person.cookie, SIGN_OUT) if person else "",
        }
        answer = HTMLResponse(self._templates.render(template, {**frame, **values}), status)
        if values.get("live"):
            answer.headers[POLICY] = LIVE
        return answer

    def _answering(self, page: Page) -> Page:
        async def answer(request: Request) -> Response:
            try:
                return await page(request)
            except Fault as fault:
                got = request.method == "GET"
                way = {"again": request.url.path} if got else {"plan_id": _named_in(request)}
                return self._problem(problems.of_fault(fault), **way)
            except Exception as error:  # noqa: BLE001 - whatever it is, people get a page for it
                log.error("page.crashed", trace=trace_of(error))  # noqa: TRY400 - places only
                return self._problem(problems.of_fault(Fault("The operator's log has more.")))

        return answer

    def _problem(self, problem: problems.Problem, **facts: Any) -> Response:
        known = {"person": None, "plan_id": "", "instead": None, "again": ""}
        values = {**known, **facts, "problem": problem, "request_id": request_ids.current()}
        person = values["person"]
        answer = self.html("problem.html", values, person=person, status=problem.status)
        if problem.retry_after is not None:
            answer.headers["Retry-After"] = str(problem.retry_after)
        return answer


def plan_id_of(request: Request) -> str:
    """Returns the plan's id; one that cannot be one is like one that does not exist."""
    plan_id = str(request.path_params["plan_id"])
    return plan_id if _PLAN_ID.fullmatch(plan_id) else "-"


def _named_in(request: Request) -> str:
    """The plan that a form was about; empty when it was about none."""
    return plan_id_of(request) if "plan_id" in request.path_params else ""


def to_sign_in(next_path: str) -> Response:
    """Returns the way to the sign-in, which ends on `next_path`."""
    return see(f"{SIGN_IN}?next={quote(next_path, safe='')}")


def depart(departure: Departure) -> Response:
    """Returns the way to where a person continues, with the cookie that ties it to the browser."""
    answer = see(departure.url)
    set_cookie(answer, departure.cookie)
    return answer


def see(url: str) -> Response:
    """Returns the way to another page."""
    return RedirectResponse(url, _SEE_OTHER)


def set_cookie(answer: Response, cookie: Cookie) -> None:
    """Adds a cookie to an answer."""
    answer.set_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.max_age,
        path="/",
        secure=cookie.secure,
        httponly=True,
        samesite="lax",
    )
