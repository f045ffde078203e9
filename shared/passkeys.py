"""Passkeys on their way: who needs one, what is asked of a browser, what an authenticator signed.

Bounded shapes only; whether an assertion is believed is decided by `worker.passkeys`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import Refusal

MAX_CREDENTIAL_ID = 1364
"""Characters: an authenticator's longest credential id has 1023 bytes (CTAP 2.1, 6.1)."""
MAX_CREDENTIALS = 16
"""Passkeys of one person that a browser is asked for."""

REQUIRED = "passkey_required"
"""The code with which an applier says that a proof lacks a passkey; its details are a `Wanted`."""

_BASE64URL = r"^[A-Za-z0-9_-]+$"
CredentialId = Annotated[str, Field(max_length=MAX_CREDENTIAL_ID, pattern=_BASE64URL)]
RpId = Annotated[
    str, Field(max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+)*$")
]
"""The name that a passkey belongs to: the host of the approval pages, or a parent domain of it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PasskeyDemand(_Frozen):
    """For which risks a rule wants a passkey; in the policy also `required`, for all of them."""

    low: Literal["required"] | None = None
    medium: Literal["required"] | None = None
    high: Literal["required"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, value: object) -> object:
        if value == "required":
            return {"low": value, "medium": value, "high": value}
        return value

    def for_risk(self, level: Literal["low", "medium", "high"]) -> bool:
        """Says whether a plan of this risk needs a passkey."""
        return {"low": self.low, "medium": self.medium, "high": self.high}[level] is not None


class Assertion(_Frozen):
    """What an authenticator answered (WebAuthn, 5.2.2); all base64url. No secret, and signed."""

    credential_id: CredentialId
    client_data: Annotated[str, Field(max_length=2048, pattern=_BASE64URL)]
    authenticator_data: Annotated[str, Field(max_length=1024, pattern=_BASE64URL)]
    signature: Annotated[str, Field(max_length=1024, pattern=_BASE64URL)]


class Wanted(_Frozen):
    """Which passkeys an applier would accept from the person who signed in."""

    rp_id: RpId
    credentials: Annotated[
        tuple[CredentialId, ...], Field(min_length=1, max_length=MAX_CREDENTIALS)
    ]

    def details(self) -> dict[str, str]:
        """Returns it as the details of a refusal."""
        return {"rp_id": self.rp_id, "credentials": " ".join(self.credentials)}


def read_wanted(details: dict[str, str]) -> Wanted | None:
    """Returns what the details of a refusal ask for; None if they are none of ours."""
    try:
        return Wanted(
            rp_id=details.get("rp_id", ""),
            credentials=tuple(details.get("credentials", "").split()),
        )
    except ValidationError:
        return None


def read_assertion(document: str) -> Assertion | Refusal:
    """Returns what a browser sent, or that it is no answer of an authenticator."""
    try:
        return Assertion.model_validate_json(document)
    except ValidationError:
        return Refusal(
            code="passkey_unreadable", message="The answer of the passkey cannot be read."
        )
