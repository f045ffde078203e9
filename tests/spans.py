"""A tracer whose ended spans stay in memory, and words to look at them with."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.otel import OtelTracer


class Recorder(OtelTracer):
    """A tracer that remembers."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        super().__init__(self._kept, "tests")

    def ended(self) -> dict[str, ReadableSpan]:
        """Returns the ended spans by name, in the order in which they ended; names are single."""
        self._provider.force_flush()
        spans = self._kept.get_finished_spans()
        assert len({span.name for span in spans}) == len(spans)
        return {span.name: span for span in spans}


def above(span: ReadableSpan) -> int | None:
    """Returns the id of the span above."""
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    """Returns the span's own id."""
    assert span.context is not None
    return int(span.context.span_id)


def trace_of(span: ReadableSpan) -> int:
    """Returns the id of the span's trace."""
    assert span.context is not None
    return int(span.context.trace_id)


def told(span: ReadableSpan) -> dict[str, object]:
    """Returns what a span tells."""
    return dict(span.attributes or {})
