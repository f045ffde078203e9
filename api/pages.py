"""The people's door: routes of the approval pages; each reads a request and calls one function.

A GET never changes a plan. The callback only continues what a POST of the same browser began.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from anyio.to_thread import run_sync as in_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import forms, showing
from api.frame import Frame, depart, plan_id_of, see, set_cookie, to_sign_in
from api.freshness import stale_refusal
from api.history_pages import HistoryPages
from api.inbox_pages import InboxPages
from api.live import Ear, Streams, Watched
from api.login import Arrival, Login, Person
from api.passkey_pages import PasskeyPages
from api.past import Memory
from api.paths import CALLBACK, HOME, SIGN_IN, SIGN_OUT, plan_path, safe_path
from api.provider import Provider, ProviderMisfit, ProviderUnavailable
from api.refusing import Refusals
from api.review import Review
from api.reviewed import Reviewed, stamp_of
from api.rollback_pages import RollbackPages
from shared.addresses import origin_of
from shared.errors import Refusal
from shared.settings import GatewaySettings

LATELY_S: Final = 24 * 60 * 60
"""Of how long the page says how much its reader has approved."""


def make_pages(
    *,
    review: Review,
    login: Login,
    provider: Provider,
    settings: GatewaySettings,
    now: Callable[[], int],
    ear: Ear,
    memory: Memory,
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
        ear=ear,
        memory=memory,
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
        ear: Ear,
        memory: Memory,
    ) -> None:
        self._review = review
        self._login = login
        self._provider = provider
        self._now = now
        self._frame = Frame(login, separate=separate)
        self._refusals = Refusals(frame=self._frame, review=review, now=now)
        streams = Streams(login=login, ear=ear, now=now)
        self._inbox = InboxPages(frame=self._frame, review=review, streams=streams, now=now)
        self._history = HistoryPages(frame=self._frame, review=review, memory=memory, now=now)
        self._rollbacks = RollbackPages(frame=self._frame, review=review, refusals=self._refusals)
        self._passkeys = PasskeyPages(
            frame=self._frame, review=review, login=login, refusals=self._refusals, now=now
        )

    def router(self) -> APIRouter:
        """Returns the routes; fixed addresses come before those of plans."""
        router = APIRouter(include_in_schema=False)
        self._inbox.add_to(router)
        self._history.add_to(router)
        self._passkeys.add_to(router)
        self._rollbacks.add_to(router)
        for method, path, page in (
            ("GET", f"{HOME}/static/{{name}}", self.asset),
            ("GET", SIGN_IN, self.sign_in_page),
            ("POST", SIGN_IN, self.sign_in),
            ("GET", CALLBACK, self.callback),
            ("POST", SIGN_OUT, self.sign_out),
            ("GET", f"{HOME}/{{plan_id}}", self.plan),
            ("POST", f"{HOME}/{{plan_id}}/approve", self.approve),
            ("POST", f"{HOME}/{{plan_id}}/deny", self.deny),
            ("GET", f"{HOME}/{{plan_id}}/approve", self.back),
            ("GET", f"{HOME}/{{plan_id}}/deny", self.back),
            ("GET", f"{HOME}/{{rest:path}}", self.missing),
        ):
            self._frame.add(router, method, path, page)
        return router

    async def plan(self, request: Request) -> Response:
        """One plan: everything that is sealed, and the buttons that fit its state."""
        plan_id = plan_id_of(request)
        person = await self._frame.visitor(request, f"{HOME}/{plan_id}")
        if isinstance(person, Response):
            return person
        await self._learn_provider()
        found = await self._review.look_closely(plan_id, person.identity, person.groups)
        if isinstance(found, Refusal):
            return self._frame.refused(found, person)
        since = self._now() - LATELY_S
        lately = await self._review.approvals_of(person.identity, since=since)
        made = partial(self._plan_page, found, person, lately)
        return await in_thread(made)  # thousands of lines; streams and others go on meanwhile

    async def approve(self, request: Request) -> Response:
        """Asks the applier for a statement and sends the person to sign in to it."""
        plan_id = plan_id_of(request)
        posted = await self._frame.posted(request)
        if isinstance(posted, Response):
            return posted
        person, form = posted
        unconfirmed = await self._unconfirmed(plan_id, form, person)
        if unconfirmed is not None:
            return await self._refusals.told(unconfirmed, person, plan_id)
        signed = await self._review.challenge(
            plan_id, digest=form.get("digest", ""), approver=person.identity
        )
        if isinstance(signed, Refusal):
            return await self._refusals.told(signed, person, plan_id)
        return depart(await self._login.begin_approval(person, plan_id, signed))

    async def deny(self, request: Request) -> Response:
        """Denies a plan, or takes back its approval."""
        plan_id = plan_id_of(request)
        posted = await self._frame.posted(request)
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
            return await self._refusals.told(refused, person, plan_id)
        return see(f"{HOME}/{plan_id}")

    async def back(self, request: Request) -> Response:
        """Who opens the address of a form, as a reload of its answer does, gets to the plan."""
        return see(f"{HOME}/{plan_id_of(request)}")

    async def missing(self, request: Request) -> Response:
        """Any other address."""
        person = await self._login.person(request.cookies)
        nothing = Refusal(code="page_not_found", message="Nothing is at this address.")
        return self._frame.refused(nothing, person)

    async def sign_in_page(self, request: Request) -> Response:
        """Explains what signing in here is for; link unfurlers get no further than this."""
        await self._learn_provider()
        values = {"next_path": safe_path(request.query_params.get("next", HOME))}
        return self._frame.html("login.html", values)

    async def sign_in(self, request: Request) -> Response:
        """Begins a sign-in for looking."""
        refused = forms.sender_refusal(request.headers, origin=self._login.origin)
        form = refused or await forms.read_form(request)
        if isinstance(form, Refusal):
            return self._frame.refused(form)
        return depart(await self._login.begin(form.get("next", HOME)))

    async def callback(self, request: Request) -> Response:
        """Continues a login that this browser began: a sign-in, or the proof of an approval."""
        arrival = await self._login.arrive(_single(request), request.cookies)
        if isinstance(arrival, Refusal):
            return self._frame.refused(arrival)
        answer = await (
            self._signed_in(arrival, request)
            if arrival.login.approving is None
            else self._proven(arrival, request)
        )
        set_cookie(answer, arrival.spent)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ends the session for looking."""
        posted = await self._frame.posted(request)
        if isinstance(posted, Response):
            return posted
        answer = see(SIGN_IN)
        set_cookie(answer, await self._login.sign_out(posted[0]))
        return answer

    async def asset(self, request: Request) -> Response:
        """A style sheet, icon or script; the address names the version, so it may be kept."""
        asset = self._frame.asset(str(request.path_params["name"]))
        if asset is None:
            return Response(status_code=404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    def _plan_page(self, found: Reviewed, person: Person, approved_lately: int) -> Response:
        plan_id = found.plan.id
        path = f"{HOME}/{plan_id}"
        values = {
            "sheet": showing.sheet(found, now=self._now()),
            "approved_lately": approved_lately,
            "live": Watched(events=plan_path(plan_id, "events"), stamp=stamp_of(found)),
            "approve_token": forms.form_token(person.cookie, f"{path}/approve"),
            "deny_token": forms.form_token(person.cookie, f"{path}/deny"),
            "rollback_token": forms.form_token(person.cookie, f"{path}/rollback"),
            "apply_token": forms.form_token(person.cookie, f"{path}/apply"),
        }
        return self._frame.html("plan.html", values, person=person)

    async def _signed_in(self, arrival: Arrival, request: Request) -> Response:
        cookie = await self._login.sign_in(arrival, request.cookies)
        if isinstance(cookie, Refusal):
            return self._frame.refused(cookie)
        answer = see(arrival.login.next_path)
        set_cookie(answer, cookie)
        return answer

    async def _proven(self, arrival: Arrival, request: Request) -> Response:
        person = await self._login.person(request.cookies)
        approving = arrival.login.approving
        if approving is None or person is None:
            return to_sign_in(arrival.login.next_path)
        return await self._passkeys.prove(approving.signed, arrival.token, person)

    async def _unconfirmed(
        self, plan_id: str, form: Mapping[str, str], person: Person
    ) -> Refusal | None:
        """Whether the cluster has changed, or a plan of high risk lacks the typed namespace."""
        found = await self._review.look_closely(plan_id, person.identity, person.groups)
        if isinstance(found, Refusal):
            return None
        namespace = form.get("namespace", "").strip()
        if found.plan.risk.level != "high" or namespace == found.plan.namespace:
            return stale_refusal(found)
        return Refusal(
            code="namespace_not_typed",
            message="A plan of high risk is approved only with its namespace typed.",
        )

    async def _learn_provider(self) -> None:
        """Lets the Content-Security-Policy know where sign-in forms lead; a page needs no more."""
        with suppress(ProviderUnavailable, ProviderMisfit):
            await self._provider.metadata()


def _single(request: Request) -> dict[str, str]:
    """The query, without what appears twice (RFC 6749, 3.1)."""
    query = request.query_params
    return {name: query[name] for name in query if len(query.getlist(name)) == 1}
