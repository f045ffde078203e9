"""What gateway and workers share."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.settings.rules import insecure, when
from shared.settings.traces import TraceSettings

TERMINAL_CLIENT = "infra-gate-approval-cli"


class Common(TraceSettings):
    """What gateway and workers share."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, given: object) -> object:
        """An empty variable means unset where that is a choice: compose files have `${NAME:-}`.

        A list stays empty: no namespace at all is refused, not replaced by the default.
        """
        if not isinstance(given, dict):
            return given
        lists = {"K8S_MCP_ALLOWED_NAMESPACES", "INFRA_GATE_WORKER_ROLES"}
        return {name: value for name, value in given.items() if value != "" or name in lists}

    environment: Literal["Development", "Production"] = Field(
        default="Development", validation_alias="INFRA_GATE_ENVIRONMENT"
    )
    """Production refuses what is only good enough for a laptop; see `_production_refusals`."""

    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"), validation_alias="INFRA_GATE_REDIS_URL"
    )
    """May hold a password, so it is never printed. Production: rediss:// with a user."""

    drain_s: float = Field(default=20.0, ge=0, le=600, validation_alias="INFRA_GATE_DRAIN_SECONDS")
    """How long after SIGTERM calls in flight may take; a read takes no longer than this."""

    redis_ca_file: Path | None = Field(default=None, validation_alias="INFRA_GATE_REDIS_CA_FILE")
    """PEM file of the authority of Redis' certificate. None: this system's authorities."""

    redis_timeout_s: float = Field(
        default=3.0, gt=0, le=30, validation_alias="INFRA_GATE_REDIS_TIMEOUT_SECONDS"
    )
    """Seconds for one Redis command; a call must fail clearly well before its client gives up."""

    oauth_authority: str = Field(
        default="http://127.0.0.1:3011", validation_alias="INFRA_GATE_OAUTH_AUTHORITY"
    )
    """The identity provider's issuer, compared exactly: no trailing slash is added or removed."""

    oauth_metadata_address: str | None = Field(
        default=None, validation_alias="INFRA_GATE_OAUTH_METADATA_ADDRESS"
    )
    """Where the provider's metadata is fetched, if not at the issuer's well-known address."""

    oauth_require_https_metadata: bool = Field(
        default=True, validation_alias="INFRA_GATE_OAUTH_REQUIRE_HTTPS_METADATA"
    )
    """Loopback issuers are exempt in Development, so that the dev issuer works as it is."""

    approval_client_id: str = Field(
        default="infra-gate-approval-ui", validation_alias="INFRA_GATE_APPROVAL_OAUTH_CLIENT_ID"
    )
    """The approval pages' client at the provider: the audience that a proof may have."""

    approval_cli_client_id: str | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_CLI_CLIENT_ID"
    )
    """The public client of approvers' terminals; unset: none in Production, else the usual one."""

    log_format: Literal["text", "json"] = Field(
        default="text", validation_alias="INFRA_GATE_LOG_FORMAT"
    )
    """text for people at a terminal, json for a log collector."""

    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, validation_alias="INFRA_GATE_METRICS_PORT"
    )
    """Where Prometheus may scrape this process; never the port that agents or people come to.
    None: nowhere."""

    metrics_address: str = Field(
        default="127.0.0.1", min_length=1, validation_alias="INFRA_GATE_METRICS_ADDRESS"
    )
    """Of this machine, to listen on there. Who can reach it needs no login, so it stays inside."""

    @model_validator(mode="after")
    def _authority_needs_tls(self) -> Self:
        tls = self.redis_url.get_secret_value().startswith("rediss://")
        if self.redis_ca_file is not None and not tls:
            raise ValueError("INFRA_GATE_REDIS_CA_FILE needs rediss:// in INFRA_GATE_REDIS_URL")
        return self

    @property
    def production(self) -> bool:
        """Says whether the process runs for real."""
        return self.environment == "Production"

    @property
    def terminal_client_id(self) -> str | None:
        """Returns the client by which approvers sign in from a terminal; None: nobody does."""
        if self.approval_cli_client_id is None and not self.production:
            return TERMINAL_CLIENT
        return self.approval_cli_client_id

    @property
    def proof_audiences(self) -> tuple[str, ...]:
        """Returns the clients by whose logins a plan may be approved: pages, then terminals."""
        terminal = self.terminal_client_id
        return (self.approval_client_id, *(() if terminal is None else (terminal,)))

    def _common_refusals(self) -> list[str]:
        redis = urlsplit(self.redis_url.get_secret_value())
        return [
            *self._trace_refusals(),
            *insecure("INFRA_GATE_OAUTH_AUTHORITY", self.oauth_authority),
            *insecure("INFRA_GATE_OAUTH_METADATA_ADDRESS", self.oauth_metadata_address),
            *when(
                not self.oauth_require_https_metadata,
                "INFRA_GATE_OAUTH_REQUIRE_HTTPS_METADATA must stay true",
            ),
            *when(
                redis.scheme != "rediss" or not redis.username,
                "INFRA_GATE_REDIS_URL needs rediss:// and a user of its own",
            ),
            *when(
                "ssl_" in redis.query,
                "INFRA_GATE_REDIS_URL must not change how certificates are checked",
            ),
            *when(
                self.approval_cli_client_id == self.approval_client_id,
                "INFRA_GATE_APPROVAL_CLI_CLIENT_ID must name another client than the pages' one",
            ),
        ]
