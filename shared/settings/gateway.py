"""The settings of the process that faces agents and approvers."""

from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from shared.settings.common import Common
from shared.settings.rules import (
    CommaSeparated,
    comma_separated,
    insecure,
    origin,
    raise_if_any,
    when,
)


class GatewaySettings(Common):
    """Settings of the process that faces agents and approvers. No cluster settings at all."""

    serves: Literal["all", "gateway", "approvals"] = Field(
        default="all", validation_alias="INFRA_GATE_SERVES"
    )
    """gateway: agents only. approvals: people only, at an origin of their own. all: both in one
    process and origin, for development: an owned gateway is not covered then."""

    host: str = Field(default="127.0.0.1", validation_alias="INFRA_GATE_HOST")
    port: int = Field(default=3001, ge=1, le=65535, validation_alias="INFRA_GATE_PORT")

    oauth_resource: str = Field(
        default="http://127.0.0.1:3001/mcp", validation_alias="INFRA_GATE_OAUTH_RESOURCE"
    )
    """The audience that tokens must carry and the address that clients use, compared exactly."""

    oauth_scope: str = Field(default="mcp:tools", validation_alias="INFRA_GATE_OAUTH_SCOPE")
    """The scope that means every tool."""

    dpop_required: bool = Field(default=False, validation_alias="INFRA_GATE_DPOP_REQUIRED")
    """Agents' tokens must be bound to a key (RFC 9449); bearer tokens are refused."""

    static_bearer_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        validation_alias=AliasChoices("INFRA_GATE_STATIC_BEARER_TOKEN", "INFRA_GATE_BEARER_TOKEN"),
    )
    """For local demos without an issuer. Off unless set; refused in Production."""

    approval_base_url: str = Field(
        default="http://127.0.0.1:3001", validation_alias="INFRA_GATE_APPROVAL_BASE_URL"
    )
    """Where people open approvals. Same origin as the gateway: an owned gateway is not covered."""

    approval_client_key_file: Path | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_CLIENT_KEY_FILE"
    )
    """PEM private key (EC P-256 or RSA) for private_key_jwt; without it the pages are off."""

    approval_authorization_endpoint: str | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_OAUTH_AUTHORIZATION_ENDPOINT"
    )
    """Overrides the provider's metadata, for providers reached by another name from browsers."""

    approval_token_endpoint: str | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_OAUTH_TOKEN_ENDPOINT"
    )
    """Overrides the provider's metadata, for providers reached by another name from the gateway."""

    seal_public_keys: CommaSeparated = Field(
        default=(), validation_alias="INFRA_GATE_SEAL_PUBLIC_KEYS"
    )
    """Pinned public keys of planners (base64url, comma separated). Empty: learnt in Development."""

    receipt_public_keys: CommaSeparated = Field(
        default=(), validation_alias="INFRA_GATE_RECEIPT_PUBLIC_KEYS"
    )
    """Pinned public keys of appliers (base64url, comma separated): whose records of decided plans
    are shown. Empty: learnt in Development, and in Production no history is shown."""

    proof_public_key: str | None = Field(
        default=None, validation_alias="INFRA_GATE_PROOF_PUBLIC_KEY"
    )
    """Pinned encryption key of the appliers (base64url). Empty: learnt in Development."""

    state_key_file: Path | None = Field(default=None, validation_alias="INFRA_GATE_STATE_KEY_FILE")
    """Secrets of 32 characters or more, one on each line, the same for all replicas: they seal what
    a client of 2026-07-28 carries while a person is asked. None: this replica's own."""

    read_timeout_s: float = Field(
        default=20.0, gt=0, le=120, validation_alias="INFRA_GATE_READ_TIMEOUT_SECONDS"
    )
    """Agents' clients give up after 60 s; a read that takes longer gets no better."""

    plan_timeout_s: float = Field(
        default=40.0, gt=0, le=120, validation_alias="INFRA_GATE_PLAN_TIMEOUT_SECONDS"
    )
    """A plan of 20 documents makes 40 calls to the API server."""

    apply_timeout_s: float = Field(
        default=55.0, gt=0, le=600, validation_alias="INFRA_GATE_APPLY_TIMEOUT_SECONDS"
    )
    """The answer, not the apply: a slower one goes on and the next call reports it."""

    stop_delay_s: float = Field(
        default=0.0, ge=0, le=60, validation_alias="INFRA_GATE_STOP_DELAY_SECONDS"
    )
    """After SIGTERM the port stays open for this long, so that balancers see `/readyz` say no."""

    body_limit_bytes: int = Field(
        default=1024 * 1024, ge=64 * 1024, validation_alias="INFRA_GATE_BODY_LIMIT_BYTES"
    )
    """A manifest of 256 KiB, escaped twice, with room."""

    max_in_flight: int = Field(default=32, ge=1, validation_alias="INFRA_GATE_MAX_IN_FLIGHT")
    """Calls waiting for workers in one replica; more are refused, so that these are answered."""

    requests_per_second: float = Field(
        default=100.0, gt=0, le=100_000, validation_alias="INFRA_GATE_REQUESTS_PER_SECOND"
    )
    """Of one subject, at all replicas together; an agent at work sends a few."""

    requests_burst: int = Field(
        default=400, ge=1, le=1_000_000, validation_alias="INFRA_GATE_REQUESTS_BURST"
    )
    """How many of them may come at once after a pause."""

    requests_at_a_time: int = Field(
        default=64, ge=1, le=100_000, validation_alias="INFRA_GATE_REQUESTS_AT_A_TIME"
    )
    """Of one subject, being answered by all replicas together."""

    extra_hosts: CommaSeparated = Field(default=(), validation_alias="INFRA_GATE_ALLOWED_HOSTS")
    """Host headers that are accepted beside those of the resource and the approval address."""

    @field_validator("seal_public_keys", "receipt_public_keys", "extra_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return comma_separated(value)

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.production:
            raise_if_any(self._production_refusals())
        return self

    def _production_refusals(self) -> list[str]:
        return [
            *self._common_refusals(),
            *insecure("INFRA_GATE_OAUTH_RESOURCE", self.oauth_resource),
            *insecure("INFRA_GATE_APPROVAL_BASE_URL", self.approval_base_url),
            *when(
                self.static_bearer_token is not None,
                "INFRA_GATE_STATIC_BEARER_TOKEN is for local demos only; unset it",
            ),
            *when(not self.seal_public_keys, "INFRA_GATE_SEAL_PUBLIC_KEYS must pin the planners"),
            *when(not self.proof_public_key, "INFRA_GATE_PROOF_PUBLIC_KEY must pin the appliers"),
            *when(
                self.serves == "all",
                "INFRA_GATE_SERVES must be gateway or approvals, in processes of their own",
            ),
            *when(
                origin(self.approval_base_url) == origin(self.oauth_resource),
                "INFRA_GATE_APPROVAL_BASE_URL needs an origin other than the gateway's",
            ),
            *when(
                self.serves == "gateway" and self.state_key_file is None,
                "INFRA_GATE_STATE_KEY_FILE must name the secrets that all replicas share",
            ),
            *when(
                self.serves == "approvals" and self.approval_client_key_file is None,
                "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE must name the approval client's key",
            ),
            *when(
                self.serves == "gateway" and self.approval_client_key_file is not None,
                "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE must not be given to the gateway",
            ),
        ]
