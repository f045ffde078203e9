"""A collector that takes OTLP/HTTP and keeps what it was sent: nothing but that."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_S = 60.0


class Collector:
    """What was sent, as bytes and as spans."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.spans: list[tuple[str, Span]] = []
        """With the name of the process' service."""
        self._changed = threading.Condition()

    def take(self, body: bytes) -> None:
        """Keeps one request."""
        sent = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.raw.append(body)
            for each in sent.resource_spans:
                service = next(
                    one.value.string_value
                    for one in each.resource.attributes
                    if one.key == "service.name"
                )
                self.spans += [
                    (service, span) for scope in each.scope_spans for span in scope.spans
                ]
            self._changed.notify_all()

    def trace_with(self, *names: str) -> list[tuple[str, Span]]:
        """Waits until one trace has spans of all these names, and returns that trace."""
        with self._changed:
            found: list[list[tuple[str, Span]]] = []

            def complete() -> bool:
                traces = {bytes(span.trace_id) for _, span in self.spans}
                found[:] = [
                    whole for one in traces if set(names) <= names_of(whole := self.of(one))
                ]
                return bool(found)

            assert self._changed.wait_for(complete, PATIENCE_S), sorted(names_of(self.spans))
            return found[0]

    def of(self, trace_id: bytes) -> list[tuple[str, Span]]:
        """Returns the spans of one trace."""
        return [(service, span) for service, span in self.spans if span.trace_id == trace_id]


def names_of(spans: list[tuple[str, Span]]) -> set[str]:
    """Returns the names of some spans."""
    return {span.name for _, span in spans}


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector on a free port, and its base address."""
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
