"""Whether a process is traced: only there, and only then, OpenTelemetry is imported."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import BadConfiguration
from shared.logs import Log
from shared.settings.traces import TraceSettings
from shared.tracing import Tracer

_log = Log("traces")


@contextmanager
def traced(settings: TraceSettings, service: str) -> Iterator[Tracer | None]:
    """Gives the tracer of this process while the block runs, or None where traces are off.

    `service` is its name, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` has another. At
    the end what waits is sent, for a second at most.

    Raises:
        BadConfiguration: an endpoint is set, and the packages are not installed.
    """
    if settings.traces_endpoint is None:
        yield None
        return
    try:
        from shared.otel import OtelTracer, collector  # noqa: PLC0415 - an extra, seldom on
    except ImportError:
        raise BadConfiguration(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: install the "
            "extra `otel` (opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http), or "
            "unset it."
        ) from None
    tracer = OtelTracer(collector(settings.traces_endpoint), service)
    # It speaks of each batch that is not taken; `shared.otel` says so once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    _log.info("traces.on", name=tracer.service)
    try:
        yield tracer
    finally:
        tracer.stop()
