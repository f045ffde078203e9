"""Traces are off unless an operator names a collector; then it may be away, and nothing waits."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from shared.errors import BadConfiguration
from shared.otel import Exporting
from shared.settings import GatewaySettings, WorkerSettings, read_gateway_settings
from shared.traces import traced
from shared.tracing import Kind
from tests.spans import Recorder

REPOSITORY = Path(__file__).parents[2]
EXPORTING = ("opentelemetry.exporter", "opentelemetry.sdk.trace.export", "requests")
BASE = "http://127.0.0.1:9"


def loaded_by(code: str) -> set[str]:
    """The modules that some code loads."""
    show = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", show], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("process", ["api", "worker"])
def test_a_process_that_is_not_traced_loads_neither_our_tracer_nor_an_exporter(
    process: str,
) -> None:
    """The API is loaded by `mcp`, the SDK's metrics by `redis`, both of their own accord."""
    loaded = loaded_by(f"import {process}.__main__, shared.traces")

    assert "shared.traces" in loaded
    assert not {name for name in loaded if name.startswith(("shared.otel", *EXPORTING))}


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({}, None),
        ({"traces_base": f"{BASE}/"}, f"{BASE}/v1/traces"),
        ({"traces_base": BASE, "traces_address": f"{BASE}/own"}, f"{BASE}/own"),
        ({"traces_base": BASE, "traces_exporter": "none"}, None),
        ({"traces_base": BASE, "traces_disabled": "true"}, None),
    ],
)
def test_spans_go_where_the_standard_variables_say(
    given: dict[str, str], endpoint: str | None
) -> None:
    assert GatewaySettings(**given).traces_endpoint == endpoint  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
    ],
)
def test_what_is_not_spoken_stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(BadConfiguration, match=name.removeprefix("OTEL_")) as refused:
        read_gateway_settings()

    assert value not in str(refused.value).replace("'otlp' or 'none'", "")


@pytest.mark.promise("trace-token-by-tls")
def test_production_sends_the_collectors_token_by_tls_only() -> None:
    given = {"traces_headers": "authorization=t", "traces_base": "http://collector:4318"}

    assert WorkerSettings(**given)._trace_refusals()  # type: ignore[arg-type]
    assert not WorkerSettings(**(given | {"traces_base": "https://collector"}))._trace_refusals()  # type: ignore[arg-type]
    assert not WorkerSettings(traces_base="http://collector:4318")._trace_refusals()


def test_without_the_packages_the_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "shared.otel", None)
    settings = GatewaySettings(traces_base=BASE)

    with pytest.raises(BadConfiguration, match="extra `otel`"), traced(settings, "tests"):
        pytest.fail("it started")


@pytest.mark.parametrize("process", ["api", "worker"])
def test_a_process_that_lacks_the_packages_does_not_start_and_says_why(process: str) -> None:
    lacking = "import sys; sys.modules['opentelemetry.exporter'] = None"
    start = f"from {process}.__main__ import main; sys.argv[1:] = []; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", f"{lacking}; {start}"],
        cwd=REPOSITORY,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": BASE},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "install the extra `otel`" in done.stderr
    assert "Traceback" not in done.stderr


def test_off_is_no_tracer() -> None:
    with traced(GatewaySettings(), "tests") as tracer:
        assert tracer is None


def test_the_tracer_is_not_the_process_global_one() -> None:
    before = trace.get_tracer_provider()
    recorder = Recorder()
    with trace.get_tracer("mcp-python-sdk").start_as_current_span("theirs", attributes={"a": "b"}):
        recorder.begin("ours", Kind.SERVER).end()

    assert trace.get_tracer_provider() is before
    assert set(recorder.ended()) == {"ours"}


class Away(SpanExporter):
    """A collector that is away until it is back."""

    back = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS if self.back else SpanExportResult.FAILURE


def test_a_collector_that_is_away_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    away = Away()
    exporting = Exporting(away)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            exporting.export(())
        away.back = True
        for _ in range(2):
            exporting.export(())

    assert [record.msg for record in caplog.records] == ["traces.lost", "traces.back"]
