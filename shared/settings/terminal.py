"""The settings of an approver's terminal."""

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from shared.settings.common import TERMINAL_CLIENT, Common
from shared.settings.rules import CommaSeparated, comma_separated, is_secure


class TerminalSettings(BaseSettings):
    """Settings of an approver's terminal, which believes what is pinned here and nothing else.

    No defaults for what trust rests on, in any environment: whoever has not pinned keys sees no
    plan.
    """

    model_config = Common.model_config

    approval_base_url: str = Field(validation_alias="INFRA_GATE_APPROVAL_BASE_URL")
    """The approvals service; it carries sealed documents and is believed in nothing."""

    oauth_authority: str = Field(validation_alias="INFRA_GATE_OAUTH_AUTHORITY")
    """The identity provider's issuer, compared exactly."""

    oauth_metadata_address: str | None = Field(
        default=None, validation_alias="INFRA_GATE_OAUTH_METADATA_ADDRESS"
    )

    client_id: str = Field(
        default=TERMINAL_CLIENT, validation_alias="INFRA_GATE_APPROVAL_CLI_CLIENT_ID"
    )
    """The public client at the provider, as appliers and approvals service name it."""

    seal_public_keys: CommaSeparated = Field(
        min_length=1, validation_alias="INFRA_GATE_SEAL_PUBLIC_KEYS"
    )
    """Planners whose plans are shown (base64url, comma separated)."""

    receipt_public_keys: CommaSeparated = Field(
        min_length=1, validation_alias="INFRA_GATE_RECEIPT_PUBLIC_KEYS"
    )
    """Appliers whose statements and receipts are believed (base64url, comma separated)."""

    proof_public_key: str = Field(validation_alias="INFRA_GATE_PROOF_PUBLIC_KEY")
    """The appliers' encryption key (base64url): nobody else can read a login."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("seal_public_keys", "receipt_public_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return comma_separated(value)

    @field_validator("approval_base_url", "oauth_authority", "oauth_metadata_address")
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        if value is not None and not is_secure(value):
            raise ValueError("needs https:// without a name and password (http:// on loopback)")
        return value
