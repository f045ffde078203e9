"""The approvals service as a terminal uses it: it carries documents and is believed in nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx2
from pydantic import TypeAdapter, ValidationError

from api.terminal.asking import NoAnswer, ask
from shared.approvals import SignedReceipt, SignedStatement
from shared.errors import Refusal

MAX_TEXT: Final = 500
_RECEIPTS: Final = TypeAdapter(tuple[SignedReceipt, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A plan as it came, and what the service says about it. `refusal`: why not to try."""

    document: bytes
    seal: str
    state: str
    receipts: tuple[SignedReceipt, ...]
    refusal: Refusal | None


class Carrier:
    """One visit. What is sent and fetched is for the approver's eyes and the applier's."""

    def __init__(self, client: httpx2.Client, base_url: str) -> None:
        self._client = client
        self._root = base_url.rstrip("/") + "/approvals/api"
        self._bearer = ""

    def begin(self, token: str) -> Refusal | None:
        """Signs in with the ID token of a login for looking.

        Raises:
            NoAnswer: the service does not answer.
        """
        told = self._ask("/session", {}, bearer=token)
        if isinstance(told, Refusal):
            return told
        session = told.get("session")
        self._bearer = session if isinstance(session, str) and session.isascii() else ""
        return None if self._bearer else _unusable()

    def end(self) -> None:
        """Signs out.

        Raises:
            NoAnswer: the service does not answer; the session idles out.
        """
        if self._bearer:
            self._ask("/session/end", {})
            self._bearer = ""

    def plan(self, plan_id: str) -> Carried | Refusal:
        """Returns one plan.

        Raises:
            NoAnswer: the service does not answer.
        """
        told = self._ask(f"/plans/{plan_id}", None)
        if isinstance(told, Refusal):
            return told
        document, seal, state = (told.get(name) for name in ("document", "seal", "state"))
        if not (isinstance(document, str) and isinstance(seal, str) and isinstance(state, str)):
            return _unusable()
        try:
            receipts = _RECEIPTS.validate_python(told.get("receipts"))
        except ValidationError:
            return _unusable()
        refusal = told.get("refusal")
        return Carried(
            document=document.encode("utf-8", "surrogatepass"),
            seal=seal,
            state=state,
            receipts=receipts,
            refusal=_refusal(refusal) if isinstance(refusal, dict) else None,
        )

    def challenge(self, plan_id: str, digest: str) -> SignedStatement | Refusal:
        """Returns what is said to be the applier's statement.

        Raises:
            NoAnswer: the service does not answer.
        """
        told = self._ask(f"/plans/{plan_id}/challenge", {"digest": digest})
        if isinstance(told, Refusal):
            return told
        try:
            return SignedStatement.model_validate(told)
        except ValidationError:
            return _unusable()

    def proof(
        self, plan_id: str, signed: SignedStatement, sealed: str
    ) -> Mapping[str, object] | Refusal:
        """Sends a proof on its way; returns what the applier is said to have answered.

        Raises:
            NoAnswer: whether it arrived is unknown.
        """
        body = {"signed": signed.model_dump(mode="json"), "sealed_token": sealed}
        return self._ask(f"/plans/{plan_id}/proof", body)

    def deny(self, plan_id: str, reason: str) -> Refusal | None:
        """Denies a plan, or takes its approval back.

        Raises:
            NoAnswer: whether it arrived is unknown.
        """
        told = self._ask(f"/plans/{plan_id}/deny", {"reason": reason})
        return told if isinstance(told, Refusal) else None

    def _ask(
        self, path: str, body: Mapping[str, object] | None, *, bearer: str = ""
    ) -> Mapping[str, object] | Refusal:
        try:
            answer = ask(self._client, self._root + path, body=body, bearer=bearer or self._bearer)
        except NoAnswer as fault:
            raise NoAnswer(f"The approvals service: {fault}") from None
        if answer.status == HTTPStatus.OK:
            return answer.document
        if answer.status == HTTPStatus.NOT_FOUND and "code" not in answer.document:
            return Refusal(
                code="no_terminals", message="The approvals service does not serve terminals."
            )
        return _refusal(answer.document)


def _refusal(told: Mapping[str, object]) -> Refusal:
    """The service's own words, which say what they like: whoever prints them makes them visible."""
    code, message = told.get("code"), told.get("message")
    if not isinstance(code, str) or not isinstance(message, str):
        return _unusable()
    return Refusal(code=f"said_{code[:MAX_TEXT]}", message=message[:MAX_TEXT])


def _unusable() -> Refusal:
    return Refusal(
        code="answer_unusable", message="The approvals service answered what makes no sense."
    )
