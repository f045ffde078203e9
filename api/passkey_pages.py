"""The pages on which a passkey is used or made, with the one script that this needs.

When a passkey is asked for, the login is over and its proof waits, readable for the applier alone.
What the passkey signed is judged by the applier; a new passkey by an operator's command.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import forms
from api.frame import Frame, depart, plan_id_of, see, set_cookie
from api.headers import OWN_SCRIPT, POLICY
from api.login import Login, Person
from api.paths import ENROLL, ENROLLED, HOME
from api.refusing import Refusals
from api.review import Review
from shared.approvals import SignedStatement
from shared.digests import base64url, from_base64url, passkey_digest, words
from shared.enrollment import Enrollment, read_enrolled, read_enrollment
from shared.errors import Refusal
from shared.passkeys import REQUIRED, read_assertion, read_wanted

_USER_DOMAIN: Final = b"infragate/passkey-user/v1\0"


class PasskeyPages:
    """Using a passkey for a plan, and making a new one. `now` answers epoch seconds."""

    def __init__(
        self,
        *,
        frame: Frame,
        review: Review,
        login: Login,
        refusals: Refusals,
        now: Callable[[], int],
    ) -> None:
        self._frame = frame
        self._refusals = refusals
        self._review = review
        self._origin = login.origin
        self._proofs = login.waiting_proofs
        self._now = now

    def add_to(self, router: APIRouter) -> None:
        """Adds the routes; to be called before the address of a plan is."""
        for method, path, page in (
            ("GET", ENROLL, self.enroll),
            ("POST", ENROLL, self.begin),
            ("POST", ENROLLED, self.made),
            ("GET", f"{HOME}/{{plan_id}}/passkey", self.ask),
            ("POST", f"{HOME}/{{plan_id}}/passkey", self.use),
        ):
            self._frame.add(router, method, path, page)

    async def prove(self, signed: SignedStatement, token: str, person: Person) -> Response:
        """Brings the applier the proof of a login; the way on, to the passkey if it wants one."""
        plan_id = signed.statement.plan_id
        sealed = await self._review.sealed_proof(signed, token)
        if isinstance(sealed, Refusal):
            return await self._refusals.told(sealed, person, plan_id)
        answer = await self._review.carry(signed, sealed)
        if not isinstance(answer, Refusal):
            return see(f"{HOME}/{plan_id}")
        wanted = read_wanted(answer.details) if answer.code == REQUIRED else None
        if wanted is None:
            return await self._refusals.told(answer, person, plan_id)
        return depart(await self._proofs.keep(person.cookie, signed, sealed, wanted))

    async def ask(self, request: Request) -> Response:
        """Asks for the passkey that a plan's approval lacks."""
        plan_id = plan_id_of(request)
        person = await self._frame.visitor(request, f"{HOME}/{plan_id}")
        if isinstance(person, Response):
            return person
        waiting = await self._proofs.find(person.cookie, plan_id, request.cookies)
        if isinstance(waiting, Refusal):
            return await self._refusals.told(waiting, person, plan_id)
        found = await self._review.glance(plan_id, person.identity, person.groups)
        if isinstance(found, Refusal):
            return self._frame.refused(found, person)
        values = {
            "plan_id": plan_id,
            "plan": found.plan,
            "words": found.words,
            "challenge": base64url(waiting.signed.statement.passkey_challenge()),
            "wanted": waiting.wanted,
            "passkey_token": forms.form_token(person.cookie, f"{HOME}/{plan_id}/passkey"),
        }
        return self._scripted("passkey.html", values, person)

    async def use(self, request: Request) -> Response:
        """Brings the applier the waiting proof with what the passkey signed; once."""
        plan_id = plan_id_of(request)
        posted = await self._frame.posted(request)
        if isinstance(posted, Response):
            return posted
        person, form = posted
        assertion = read_assertion(form.get("answer", ""))
        if isinstance(assertion, Refusal):
            return self._frame.refused(assertion, person, plan_id)
        waiting = await self._proofs.find(person.cookie, plan_id, request.cookies, take=True)
        if isinstance(waiting, Refusal):
            return await self._refusals.told(waiting, person, plan_id)
        told = await self._review.carry(waiting.signed, waiting.sealed_token, assertion)
        answer = (
            await self._refusals.told(told, person, plan_id)
            if isinstance(told, Refusal)
            else see(f"{HOME}/{plan_id}")
        )
        set_cookie(answer, self._proofs.used(plan_id))
        return answer

    async def enroll(self, request: Request) -> Response:
        """Asks for the code with which an operator began an enrollment."""
        person = await self._frame.visitor(request, ENROLL)
        if isinstance(person, Response):
            return person
        return self._frame.html("enroll.html", _enrolling(person), person=person)

    async def begin(self, request: Request) -> Response:
        """Lets the browser make the passkey that a code is for. Nothing is stored."""
        posted = await self._frame.posted(request)
        if isinstance(posted, Response):
            return posted
        person, form = posted
        code = "".join(form.get("code", "").split())
        enrollment = self._enrollment(code, person)
        if isinstance(enrollment, Refusal):
            return self._frame.refused(enrollment, person)
        user = f"{enrollment.iss}\0{enrollment.sub}".encode()
        values = {
            "enrollment": enrollment,
            "challenge": base64url(enrollment.challenge()),
            "user_id": base64url(hashlib.sha256(_USER_DOMAIN + user).digest()),
        }
        return self._scripted("enroll.html", {**_enrolling(person), **values}, person)

    async def made(self, request: Request) -> Response:
        """Shows what the browser made, for the operator, with six words to compare."""
        posted = await self._frame.posted(request)
        if isinstance(posted, Response):
            return posted
        person, form = posted
        enrolled = read_enrolled(form.get("answer", ""))
        if isinstance(enrolled, Refusal):
            return self._frame.refused(enrolled, person)
        values = {
            "enrolled_words": words(passkey_digest(from_base64url(enrolled.public_key))),
            "answer": enrolled.model_dump_json(),
        }
        return self._frame.html("enroll.html", {**_enrolling(person), **values}, person=person)

    def _enrollment(self, code: str, person: Person) -> Enrollment | Refusal:
        """The enrollment, without mistakes that the operator's command would refuse in the end."""
        enrollment = read_enrollment(code, now=self._now())
        if isinstance(enrollment, Refusal):
            return enrollment
        if (enrollment.iss, enrollment.sub) != (person.identity.iss, person.identity.sub):
            return Refusal(
                code="enrollment_of_somebody_else",
                message=f"This code is for {enrollment.sub} at {enrollment.iss}.",
            )
        if enrollment.origin != self._origin:
            return Refusal(
                code="enrollment_elsewhere",
                message=f"This code is for the pages at {enrollment.origin}.",
            )
        return enrollment

    def _scripted(self, template: str, values: Mapping[str, object], person: Person) -> Response:
        answer = self._frame.html(template, values, person=person)
        answer.headers[POLICY] = OWN_SCRIPT
        return answer


def _enrolling(person: Person) -> dict[str, object]:
    """What the three stages of an enrollment's page have in common."""
    return {
        "enrollment": None,
        "enrolled_words": "",
        "code_token": forms.form_token(person.cookie, ENROLL),
        "made_token": forms.form_token(person.cookie, ENROLLED),
    }
