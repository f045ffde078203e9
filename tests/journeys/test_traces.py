"""An operator who names a collector sees one trace from the tool call to the API calls."""

import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dev.redis_server import free_port
from tests.journeys import canaries
from tests.journeys.collector import Collector, collecting
from tests.journeys.live import Agent, Live, started
from tests.journeys.person import Person

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SCALE = {"name": "nginx", "replicas": 3, "reason": "canary-reason-61d0"}


@pytest.fixture(scope="module")
def collected(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Live, Collector]]:
    """A stack whose processes are traced, with canaries planted."""
    with collecting() as (collector, address), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with started(tmp_path_factory.mktemp("traced")) as live:
            canaries.plant(live)
            yield live, collector


def parents(trace: list[tuple[str, Span]]) -> dict[str, str]:
    """Under which span of the trace each span is, by name."""
    names = {bytes(span.span_id): span.name for _, span in trace}
    return {span.name: names.get(bytes(span.parent_span_id), "") for _, span in trace}


def told(span: Span) -> dict[str, str | int]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_one_trace_leads_from_a_tool_call_through_the_queue_to_the_api_calls(
    collected: tuple[Live, Collector],
) -> None:
    live, collector = collected

    async def look(agent: Agent) -> None:
        await agent.facts("get_k8s_status", namespace=live.namespace)

    live.run(look)

    pods = "GET /api/v1/namespaces/{namespace}/pods"
    trace = collector.trace_with("tools/call get_k8s_status", "queue wait", "process read", pods)
    above = parents(trace)
    assert above["tools/call get_k8s_status"] == ""
    assert above["queue put"] == "tools/call get_k8s_status"
    assert above["queue wait"] == above["process read"] == "queue put"
    assert above[pods] == "process read"
    services = {span.name: service for service, span in trace}
    assert services["queue put"] == "infragate-gateway"
    assert services[pods] == "infragate-worker"
    facts = {span.name: told(span) for _, span in trace}
    root = facts["tools/call get_k8s_status"]
    assert root["infragate.outcome"] == "ok"
    assert root["k8s.namespace.name"] == live.namespace
    assert root["infragate.request.id"] == facts["process read"]["infragate.request.id"]
    assert facts[pods]["http.response.status_code"] == 200
    trace_id = trace[0][1].trace_id.hex()
    for part in ("gateway", "worker"):
        line = next(
            line
            for line in (live.places.logs / f"{part}.log").read_text().splitlines()
            if f'trace_id="{trace_id}"' in line
        )
        assert f'request="{root["infragate.request.id"]}"' in line


@pytest.mark.promise("traces-hold-no-values")
def test_a_change_is_traced_step_by_step_and_no_value_leaves_in_a_span(
    collected: tuple[Live, Collector],
) -> None:
    live, collector = collected
    plans: list[str] = []

    async def change(agent: Agent) -> None:
        named = {"namespace": live.namespace, "name": canaries.NAME}
        await agent.facts("get_k8s_resource", kind="ConfigMap", **named)
        await agent.facts("get_deployment_diagnostics", **named)
        await agent.call("get_pod_logs", namespace="canary-namespace-77b1", podName="x")
        plan = await agent.facts("request_scale_deployment", namespace=live.namespace, **SCALE)
        plans.append(plan["planId"])
        with Person(live) as person:
            assert person.approve(plan["approvalUrl"]).status_code == 200
        applied = await agent.facts("apply_approved_plan", planId=plan["planId"])
        assert applied["status"] == "applied"

    live.run(change)

    planned = parents(collector.trace_with("plan store", "process plan"))
    assert planned["plan preview"] == planned["plan store"] == "process plan"
    steps = {"plan open", "apply check", "apply claim", "apply write", "apply rollout"}
    trace = collector.trace_with(*steps, "process apply", "tools/call apply_approved_plan")
    assert {parents(trace)[one] for one in steps} == {"process apply"}
    assert {told(span).get("infragate.plan.id") for _, span in trace} == {plans[0], None}
    sent = b"\n".join(collector.raw)
    wanted = {**canaries.canaries(live), "a reason": "canary-", "a token": "eyJ"}
    assert not [name for name, value in wanted.items() if value.encode() in sent]


def test_calls_go_on_while_the_collector_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        patch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        with started(tmp_path_factory.mktemp("away")) as live:

            async def look(agent: Agent) -> None:
                await agent.facts("get_k8s_status", namespace=live.namespace)

            live.run(look)
            log = live.places.logs / "gateway.log"
            while "traces.lost" not in log.read_text():  # until the test's own time-out
                time.sleep(0.05)
            live.run(look)
    assert log.read_text().count("traces.lost") == 1
