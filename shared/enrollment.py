"""Enrolling a passkey: what an operator hands out, what comes back, and how people compare it.

An enrollment is begun by `worker.ops.passkeys`, carried out by a browser on the approval pages and
finished by `worker.ops.passkeys`, which believes nothing that it did not verify.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.digests import base64url, canonical, enrollment_challenge, from_base64url
from shared.errors import Refusal
from shared.passkeys import MAX_CREDENTIALS, Assertion, CredentialId, RpId

ENROLLMENT_S = 24 * 60 * 60
"""Operator and approver may be two people who are not at their desks at the same time."""
MAX_CODE_LENGTH = 8 * 1024
MAX_ANSWER_LENGTH = 12 * 1024


def _encoded(text: str) -> str:
    from_base64url(text)
    return text


_Encoded = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_encoded)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Enrollment(_Frozen):
    """One enrollment that an operator began: for whom, where, and a secret of its own."""

    version: Literal[1] = 1
    iss: Annotated[str, Field(min_length=1, max_length=512)]
    sub: Annotated[str, Field(min_length=1, max_length=255)]
    rp_id: RpId
    origin: Annotated[str, Field(max_length=300)]
    """Of the approval pages: the only origin at which the passkey may be made."""
    random: Annotated[str, Field(min_length=43, max_length=43)]
    """32 random bytes, base64url."""
    expires_at: int
    exclude: Annotated[tuple[CredentialId, ...], Field(max_length=MAX_CREDENTIALS)] = ()
    """Passkeys of this person that the policy has already."""

    def code(self) -> str:
        """Returns the text that is pasted into the page."""
        return base64url(self._document())

    def challenge(self) -> bytes:
        """Returns the challenge that the new passkey must answer."""
        return enrollment_challenge(self._document())

    def _document(self) -> bytes:
        return canonical(self.model_dump(mode="json"))


class Enrolled(_Frozen):
    """What the browser made of an enrollment, not verified: a new passkey and its first answer."""

    client_data: _Encoded
    attestation_object: _Encoded
    public_key: _Encoded
    """As SubjectPublicKeyInfo, on the browser's word: for the words that the page shows."""
    assertion: Assertion


def read_enrollment(code: str, *, now: int) -> Enrollment | Refusal:
    """Returns the enrollment that a code stands for, or why it cannot be carried out."""
    if len(code) > MAX_CODE_LENGTH:
        return _unreadable()
    try:
        enrollment = Enrollment.model_validate_json(from_base64url(code))
    except ValueError:  # pydantic's is one, too
        return _unreadable()
    if now >= enrollment.expires_at:
        return Refusal(
            code="enrollment_expired",
            message="This enrollment began too long ago; begin a new one.",
        )
    return enrollment


def read_enrolled(document: str) -> Enrolled | Refusal:
    """Returns what a browser made, or that it is unreadable."""
    if len(document) > MAX_ANSWER_LENGTH:
        return _unreadable()
    try:
        return Enrolled.model_validate_json(document)
    except ValidationError:
        return _unreadable()


def _unreadable() -> Refusal:
    return Refusal(
        code="enrollment_unreadable",
        message="This is no text of an enrollment, or a part of it is missing; copy it whole.",
    )
