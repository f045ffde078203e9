"""What the gateway counts: at its doors, in words of its own, and never for the internet."""

from functools import partial
from typing import Any

import anyio
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api.catalog import BY_NAME
from api.metrics import Counted, Metrics
from shared.messages import Answer, Role
from tests.api.desk_stage import Office
from tests.api.test_app import BEARER, INITIALIZE, gateway, settings_for
from tests.api.test_app import BOTH as ACCEPTS
from tests.api.test_dispatch import CALL, Stage, play
from tests.api.test_edge import Inner, call, make_stack
from tests.api.test_oauth import CLAIMS
from tests.shared.jose_tokens import sign


class Seconds:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def text_of(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_a_tool_call_is_counted_with_its_outcome_and_timed() -> None:
    metrics = Metrics(tools=BY_NAME)
    metrics.called("get_k8s_status", "ok", 0.2)
    metrics.called("get_k8s_status", "queue_full", 0.1)

    counted = partial(value, metrics.registry, "infragate_tool_calls_total")
    assert counted(tool="get_k8s_status", outcome="ok") == 1
    assert counted(tool="get_k8s_status", outcome="queue_full") == 1
    name = "infragate_tool_call_seconds_sum"
    assert value(metrics.registry, name, tool="get_k8s_status") == pytest.approx(0.3)


def test_the_tool_layer_counts_every_answer() -> None:
    office, metrics = Office(), Metrics(tools=BY_NAME)

    async def main() -> None:
        async with office.client(metrics=metrics) as client:
            await client.call_tool("get_allowed_namespaces", {})
            await client.call_tool("get_k8s_status", {"namespace": "elsewhere"})
            await client.call_tool("rm -rf", {})

    anyio.run(main)

    counted = partial(value, metrics.registry, "infragate_tool_calls_total")
    assert counted(tool="get_allowed_namespaces", outcome="ok") == 1
    assert counted(tool="get_k8s_status", outcome="namespace_not_allowed") == 1
    assert counted(tool="unknown", outcome="unknown_tool") == 1


@pytest.mark.promise("metrics-name-nobody")
def test_words_that_others_chose_are_in_no_label_of_the_gateways_figures() -> None:
    metrics, canary = Metrics(tools=BY_NAME), "canary-alice"
    metrics.called(canary, canary, 1.0)
    metrics.called("get_k8s_status", canary, 1.0)
    metrics.token_refused(canary)
    metrics.answered("mcp", canary, 200)

    assert canary not in text_of(metrics.registry)
    samples = (one for family in metrics.registry.collect() for one in family.samples)
    names = {name for sample in samples for name in sample.labels}
    assert names <= {
        *("tool", "outcome", "role", "door", "method", "status", "code", "limit", "process"),
        *("version", "le"),
    }


def test_the_edges_share_is_what_the_workers_did_not_have() -> None:
    seconds = Seconds()
    metrics = Metrics(tools=BY_NAME, monotonic=seconds)
    with metrics.passing():
        seconds.now += 0.25
        with metrics.with_workers(Role.READ):
            seconds.now += 3
        seconds.now += 0.25
        metrics.called("get_k8s_status", "ok", 3.5)

    assert value(metrics.registry, "infragate_edge_seconds_sum") == 0.5
    assert value(metrics.registry, "infragate_dispatch_seconds_sum", role="read") == 3


def test_the_time_of_people_is_nobodys_share() -> None:
    metrics = Metrics(tools=BY_NAME)
    with metrics.passing():
        metrics.called("apply_approved_plan", "ok", 280.0)

    assert value(metrics.registry, "infragate_edge_seconds_count") == 0


@pytest.mark.real_redis
def test_a_call_is_in_flight_until_its_answer_is_there(redis_url: str) -> None:
    metrics = Metrics()
    flying = partial(value, metrics.registry, "infragate_calls_in_flight", role="read")

    async def story(stage: Stage) -> None:
        await stage.announce("w", "a")

        async def work() -> None:
            envelope = await stage.next_call()
            assert flying() == 1
            await stage.reply(Answer(id=envelope.id, body="done"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await stage.dispatch.call("local", CALL, timeout_s=30, subject="me")

    play(redis_url, story, metrics=metrics)

    assert flying() == 0
    assert value(metrics.registry, "infragate_dispatch_seconds_count", role="read") == 1


def test_requests_are_counted_by_door_and_status_and_refused_tokens_by_code() -> None:
    metrics = Metrics()
    stack = make_stack(metrics=metrics)
    stack.post(call("get_k8s_status"))
    stack.post(call("get_k8s_status"), token=None)
    stack.post(call("get_k8s_status"), token=sign({**CLAIMS, "aud": "https://elsewhere"}))
    stack.send("GET", "/approvals")

    counted = partial(value, metrics.registry, "infragate_http_requests_total")
    assert counted(door="mcp", method="POST", status="200") == 1
    assert counted(door="mcp", method="POST", status="401") == 2
    assert counted(door="pages", method="GET", status="200") == 1
    assert value(metrics.registry, "infragate_tokens_refused_total", code="claim_audience") == 1


def test_a_lifespan_is_no_request() -> None:
    inner = Inner("inner")
    counted = Counted(inner, Metrics(), door="mcp")

    async def nothing(*_: Any) -> Any:
        return {}

    anyio.run(counted, {"type": "lifespan"}, nothing, nothing)

    assert inner.seen[0]["type"] == "lifespan"


@pytest.mark.real_redis
def test_sessions_that_are_opened_are_counted(redis_url: str) -> None:
    metrics = Metrics(tools=BY_NAME)
    with gateway(settings_for(redis_url), metrics) as client:
        opened = client.post("/mcp", json=INITIALIZE, headers={**BEARER, **ACCEPTS})

    assert opened.status_code == 200
    assert value(metrics.registry, "infragate_mcp_sessions_opened_total") == 1


@pytest.mark.real_redis
@pytest.mark.promise("metrics-off-the-public-port")
@pytest.mark.parametrize("serves", ["all", "gateway"])
@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/mcp/metrics", "/.well-known/metrics"])
def test_where_agents_and_people_come_there_are_no_metrics(
    redis_url: str, serves: str, path: str
) -> None:
    settings = settings_for(redis_url, serves=serves, metrics_port=9464)
    with gateway(settings) as client:
        answer = client.get(path, headers=BEARER)

    assert answer.status_code == 404
    assert "infragate_" not in answer.text
