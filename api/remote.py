"""The terminals' door: approvers' programs fetch sealed plans here and leave decisions, as JSON.

It carries and decides nothing. A terminal believes signatures only (`api.terminal`), so whoever
owns this process can refuse service and no more. A GET never changes a plan.
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from api import problems
from api.review import Review
from api.reviewed import Reviewed
from api.visits import Visits
from shared.approvals import SignedStatement
from shared.errors import Fault, Refusal
from shared.manifests import JSON
from shared.plans import MAX_REASON_LENGTH

ROOT: Final = "/approvals/api"
MAX_BODY_BYTES: Final = 64 * 1024
"""The largest ID token, encrypted and in base64url, beside its statement."""

_PLAN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STATUS: Final = {
    "not_signed_in": HTTPStatus.UNAUTHORIZED,
    "body_malformed": HTTPStatus.BAD_REQUEST,
}

Answer = Callable[[Request], Awaitable[dict[str, JSON] | Refusal]]
_B = TypeVar("_B", bound="_Body")


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Challenge(_Body):
    digest: str


class _Proof(_Body):
    signed: SignedStatement
    sealed_token: str


class _Deny(_Body):
    reason: str = Field(default="", max_length=MAX_REASON_LENGTH)


def make_remote(*, review: Review, visits: Visits) -> APIRouter:
    """Returns the routes for terminals, to be mounted at the root, before those of the pages."""
    return Remote(review, visits).router()


class Remote:
    """The door: one method for each thing that a terminal asks."""

    def __init__(self, review: Review, visits: Visits) -> None:
        self._review = review
        self._visits = visits

    def router(self) -> APIRouter:
        """Returns the routes."""
        router = APIRouter(include_in_schema=False)
        plan = f"{ROOT}/plans/{{plan_id}}"
        for method, path, answer in (
            ("POST", f"{ROOT}/session", self.begin),
            ("POST", f"{ROOT}/session/end", self.end),
            ("GET", plan, self.plan),
            ("POST", f"{plan}/challenge", self.challenge),
            ("POST", f"{plan}/proof", self.proof),
            ("POST", f"{plan}/deny", self.deny),
        ):
            router.add_api_route(path, _told(answer), methods=[method], response_model=None)
        return router

    async def begin(self, request: Request) -> dict[str, JSON] | Refusal:
        """An ID token for the terminals' client becomes a session for looking."""
        bearer = await self._visits.begin(request.headers)
        return bearer if isinstance(bearer, Refusal) else {"session": bearer}

    async def end(self, request: Request) -> dict[str, JSON] | Refusal:
        """Ends the session."""
        await self._visits.end(request.headers)
        return {}

    async def plan(self, request: Request) -> dict[str, JSON] | Refusal:
        """One plan as it is sealed, and what Redis and the workers say about it."""
        session = await self._visits.session(request.headers)
        if isinstance(session, Refusal):
            return session
        found = await self._review.look(
            _plan_id(request), session.identity, frozenset(session.groups)
        )
        return found if isinstance(found, Refusal) else _carried(found)

    async def challenge(self, request: Request) -> dict[str, JSON] | Refusal:
        """The applier's statement for one approver and the plan with one digest."""
        session = await self._visits.session(request.headers)
        if isinstance(session, Refusal):
            return session
        body = await _read(request, _Challenge)
        if isinstance(body, Refusal):
            return body
        signed = await self._review.challenge(
            _plan_id(request), digest=body.digest, approver=session.identity
        )
        return signed if isinstance(signed, Refusal) else dict(signed.model_dump(mode="json"))

    async def proof(self, request: Request) -> dict[str, JSON] | Refusal:
        """A proof that only the applier can read, on its way."""
        session = await self._visits.session(request.headers)
        if isinstance(session, Refusal):
            return session
        body = await _read(request, _Proof)
        if isinstance(body, Refusal):
            return body
        about = body.signed.statement
        if (about.plan_id, about.approver) != (_plan_id(request), session.identity):
            return _malformed()
        answer = await self._review.carry(body.signed, body.sealed_token)
        return answer if isinstance(answer, dict | Refusal) else _malformed()

    async def deny(self, request: Request) -> dict[str, JSON] | Refusal:
        """Denies a plan, or takes its approval back."""
        session = await self._visits.session(request.headers)
        if isinstance(session, Refusal):
            return session
        body = await _read(request, _Deny)
        if isinstance(body, Refusal):
            return body
        refused = await self._review.deny(
            _plan_id(request),
            reason=body.reason,
            approver=session.identity,
            groups=frozenset(session.groups),
        )
        return refused or {}


def _carried(found: Reviewed) -> dict[str, JSON]:
    receipts = (*found.co_receipts, *((found.receipt,) if found.receipt else ()))
    refusal = found.viewer_refusal
    return {
        "document": found.plan.document().decode(),
        "seal": found.seal,
        "state": found.state.value,
        "simulated": found.simulated,
        "cluster_live": found.cluster_live,
        "refusal": None if refusal is None else _error(refusal.code, refusal.message),
        "receipts": [one.model_dump(mode="json") for one in receipts],
    }


def _told(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """The answer as JSON, refusals and faults included; browsers' pages get none.

    No page of ours speaks to this door, and a page of somebody else's must not: browsers name the
    origin, or how the request came about, and programs do not.
    """

    async def respond(request: Request) -> Response:
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            refusal = Refusal(code="not_for_pages", message="This address is for terminals.")
            return _refused(refusal)
        try:
            told = await answer(request)
        except Fault as fault:
            problem = problems.of_fault(fault)
            return JSONResponse(_error(problem.code, problem.reason), problem.status)
        return _refused(told) if isinstance(told, Refusal) else JSONResponse(told)

    return respond


def _refused(refusal: Refusal) -> Response:
    status = _STATUS.get(refusal.code) or problems.of_refusal(refusal).status
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(_error(refusal.code, refusal.message), status, headers)


def _error(code: str, message: str) -> dict[str, JSON]:
    return {"code": code, "message": message}


async def _read(request: Request, kind: type[_B]) -> _B | Refusal:
    """The body of a request: bounded, nothing unknown in it."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return _malformed()
        return kind.model_validate_json(bytes(body))
    except (ClientDisconnect, ValidationError):
        return _malformed()


def _plan_id(request: Request) -> str:
    """The plan's id; one that cannot be one is like one that does not exist."""
    plan_id = str(request.path_params["plan_id"])
    return plan_id if _PLAN_ID.fullmatch(plan_id) else "-"


def _malformed() -> Refusal:
    return Refusal(code="body_malformed", message="The request cannot be read; nothing was done.")
