"""A tracer by OpenTelemetry, which sends spans to a collector. Imported only by `shared.traces`.

The provider is our own and never the process' global one: libraries that trace by that (`mcp` does,
with texts of exceptions) export nothing. Spans are sent in batches by a thread; what waits is
bounded, and what the collector does not take is thrown away.
"""

import threading
from collections.abc import Sequence
from typing import Any, Final, Unpack

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from shared.logs import Log
from shared.release import VERSION
from shared.tracing import Facts, Kind, Span, plain

FLUSH_S: Final = 1.0
"""What is still to be sent when the process stops gets this long."""

ATTRIBUTES: Final = {
    "tool": "gen_ai.tool.name",
    "outcome": "infragate.outcome",
    "request": "infragate.request.id",
    "call": "messaging.message.id",
    "queue": "messaging.destination.name",
    "verb": "infragate.verb",
    "role": "infragate.role",
    "plan": "infragate.plan.id",
    "namespace": "k8s.namespace.name",
    "cluster": "k8s.cluster.name",
    "method": "http.request.method",
    "template": "url.template",
    "status": "http.response.status_code",
    "server": "server.address",
    "port": "server.port",
    "error": "error.type",
}
"""The names of `Facts` by OpenTelemetry's semantic conventions, and ours where those have none."""

_log = Log("traces")


def collector(endpoint: str) -> SpanExporter:
    """Returns what posts spans to an endpoint; certificates, headers, times by the environment."""
    return Exporting(OTLPSpanExporter(endpoint=endpoint))


class OtelTracer:
    """A `Tracer` on a provider of its own, whose ended spans go to `exporter`."""

    def __init__(self, exporter: SpanExporter, service: str) -> None:
        """`service` is its name unless the environment has another."""
        ours = Resource.create({"service.name": service, "service.version": VERSION})
        resource = ours.merge(OTELResourceDetector().detect())
        self.service = str(resource.attributes["service.name"])
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("infragate", VERSION)

    def begin(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None = None,
        links: Sequence[str] = (),
        since_ns: int | None = None,
        **facts: Unpack[Facts],
    ) -> Span:
        """Begins a span, see `shared.tracing.Tracer`."""
        begun = self._tracer.start_span(
            name,
            _below(trace.NonRecordingSpan(_context_of(parent)) if parent else None),
            trace.SpanKind(kind.value),
            attributes=_attributes(facts),
            links=[trace.Link(_context_of(link)) for link in links],
            start_time=since_ns,
        )
        return _OtelSpan(self._tracer, begun)

    def stop(self) -> None:
        """Sends what waits, for `FLUSH_S` at most; the SDK itself would wait for half a minute."""
        last = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(FLUSH_S)
        if last.is_alive():
            _log.warning("traces.unsent", seconds=FLUSH_S)


class Exporting(SpanExporter):
    """Passes batches on; that the collector does not take them is said once, until it does."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch; one that is not taken is lost."""
        result = self._exporter.export(spans)
        lost = result is not SpanExportResult.SUCCESS
        if lost and not self._lost:
            _log.warning("traces.lost", spans=len(spans))
        if self._lost and not lost:
            _log.warning("traces.back")
        self._lost = lost
        return result

    def shutdown(self) -> None:
        """Gives up what is being sent."""
        self._exporter.shutdown()


class _OtelSpan:
    """A `Span` that OpenTelemetry records."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        context = span.get_span_context()
        ids = f"{context.trace_id:032x}-{context.span_id:016x}"
        self.traceparent = f"00-{ids}-{context.trace_flags & 1:02x}"

    def note(self, **facts: Unpack[Facts]) -> None:
        self._span.set_attributes(_attributes(facts))
        if "error" in facts:
            self._span.set_status(trace.StatusCode.ERROR)

    def child(self, name: str, kind: Kind, **facts: Unpack[Facts]) -> Span:
        begun = self._tracer.start_span(
            name, _below(self._span), trace.SpanKind(kind.value), attributes=_attributes(facts)
        )
        return _OtelSpan(self._tracer, begun)

    def end(self) -> None:
        self._span.end()


def _below(parent: trace.Span | None) -> Context:
    """The context of a new span: never the current one, which any library may have set."""
    return Context() if parent is None else trace.set_span_in_context(parent, Context())


def _attributes(facts: Facts) -> dict[str, str | int]:
    given: dict[str, Any] = dict(facts)
    return {ATTRIBUTES[name]: plain(value) for name, value in given.items()}


def _context_of(traceparent: str) -> trace.SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return trace.SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16) & 1),
    )
