"""Whether and where a process sends traces: the names that OpenTelemetry gave these settings.

What is not here (sampler, batches, certificates, resource attributes) its SDK reads for itself,
once traces are on.
"""

from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings

from shared.settings.rules import is_loopback, when


class TraceSettings(BaseSettings):
    """Off unless an endpoint is set."""

    traces_base: str | None = Field(
        default=None,
        pattern="^https?://",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    """Base address of the collector's OTLP/HTTP; traces go to `v1/traces` below it."""

    traces_address: str | None = Field(
        default=None,
        pattern="^https?://",
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    )
    """The same for traces only, used as it is."""

    traces_protocol: Literal["http/protobuf"] = Field(
        default="http/protobuf",
        validation_alias=AliasChoices(
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
        ),
    )
    """gRPC is not spoken."""

    traces_headers: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"
        ),
    )
    """May hold the collector's token: Production sends it by https:// only. The SDK reads it."""

    traces_exporter: Literal["otlp", "none"] = Field(
        default="otlp", validation_alias="OTEL_TRACES_EXPORTER"
    )
    """none: no traces, whatever the endpoint."""

    traces_disabled: bool = Field(default=False, validation_alias="OTEL_SDK_DISABLED")
    """true: the same."""

    @property
    def traces_endpoint(self) -> str | None:
        """Returns where spans are posted to; None: nowhere, and nothing is traced."""
        if self.traces_disabled or self.traces_exporter == "none":
            return None
        if self.traces_address is not None or self.traces_base is None:
            return self.traces_address
        return f"{self.traces_base.rstrip('/')}/v1/traces"

    def _trace_refusals(self) -> list[str]:
        """What Production has against it: a collector inside may be plain, a token to it not."""
        endpoint = self.traces_endpoint
        plain = endpoint is not None and not endpoint.startswith("https://")
        return when(
            plain and self.traces_headers is not None and not is_loopback(endpoint or ""),
            "OTEL_EXPORTER_OTLP_HEADERS needs https:// in OTEL_EXPORTER_OTLP_ENDPOINT",
        )
