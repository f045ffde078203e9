"""What a worker counts: calls that come and are done, what it asks of Kubernetes, its rules."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared.errors import ClusterFault, ClusterTimeout, Refusal
from shared.manifests import Kind, ObjectRef
from shared.messages import PlanCall, ReadCall, Role
from shared.plans import Operation
from shared.results import Hits
from tests.worker.canned import CannedServer, Reply, canned_server, kubeconfig
from tests.worker.context import context_for
from tests.worker.test_anchoring import Desk
from tests.worker.test_delivery import Rig, good
from tests.worker.test_tasks import READ, replies
from tests.worker.worlds import ADA, NOW, ROB, a_plan
from worker import guarding, reading, verbs
from worker.app import _metrics
from worker.cluster import Cluster
from worker.context import Context
from worker.intents import Wanted
from worker.metrics import CountedNotices, Metrics
from worker.notices import Event, Notice
from worker.queue_ages import QueueAges


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def context(redis_url: str, tmp_path: Path) -> Context:
    return context_for(redis_url, tmp_path)


@pytest.mark.real_redis
def test_a_call_is_counted_by_verb_and_outcome_with_its_wait_and_its_time(
    context: Context,
) -> None:
    replies(context, lambda *_: {}, READ, Role.READ)
    replies(context, lambda *_: Refusal(code="not_found", message=""), READ, Role.READ)

    counted = partial(value, context.metrics, "infragate_worker_calls_total", verb="read")
    assert counted(outcome="answer") == 1
    assert counted(outcome="not_found") == 1
    assert value(context.metrics, "infragate_worker_call_seconds_count", verb="read") == 2
    assert value(context.metrics, "infragate_queue_wait_seconds_sum", role="read") == 60


@pytest.mark.real_redis
def test_a_thread_is_busy_while_a_call_is_done(context: Context) -> None:
    seen: list[int] = []
    replies(context, lambda *_: seen.append(context.metrics.busy), READ, Role.READ)

    assert seen == [1]
    assert value(context.metrics, "infragate_worker_busy_threads") == 0


@pytest.mark.promise("metrics-name-nobody")
def test_words_that_others_chose_are_in_no_label_of_a_workers_figures() -> None:
    metrics, canary = Metrics(), "canary-alice"
    metrics.done(canary, canary, 1.0)
    metrics.dropped(canary)
    with pytest.raises(ClusterFault), metrics.asking("get"):
        raise ClusterFault(canary)
    plan = a_plan(id=canary, namespace=canary, summary=canary, reason=canary)
    metrics.told(Notice.of(Event.APPROVED, plan, canary, at=NOW, by=ADA, detail=canary))

    text = generate_latest(metrics.registry).decode()
    assert canary not in text
    assert ADA.sub not in text.split()
    samples = (one for family in metrics.registry.collect() for one in family.samples)
    assert {name for sample in samples for name in sample.labels} <= {
        *("role", "reason", "verb", "outcome", "kind", "rule", "event", "decision"),
        *("process", "version", "le"),
    }


@pytest.mark.real_redis
def test_messages_that_are_not_done_are_counted_by_reason(redis_url: str, tmp_path: Path) -> None:
    rig = Rig(context_for(redis_url, tmp_path))
    for raw in (good(), good(deadline=999.0), b"{}"):
        rig.push(raw)
    rig.run()

    dropped = partial(value, rig.context.metrics, "infragate_queue_dropped_total")
    assert dropped(reason="expired") == 1
    assert dropped(reason="message_unreadable") == 1


def test_requests_to_kubernetes_are_timed_by_verb_and_outcome(tmp_path: Path) -> None:
    metrics = Metrics()
    with canned_server() as server:
        path = kubeconfig(tmp_path, server.url)
        cluster = Cluster.connect(path, name="canned", timeout_s=5, timed=metrics.asking)
        _ask(cluster, server)

    counted = partial(value, metrics, "infragate_kubernetes_request_seconds_count")
    assert counted(verb="get", outcome="ok") == 1
    assert counted(verb="get", outcome="cluster_unreachable") == 1
    assert counted(verb="stream", outcome="not_found") == 1


def _ask(cluster: Cluster, server: CannedServer) -> None:
    path = "/api/v1/namespaces/shop/pods/web"
    server.on("GET", path, Reply(body={"kind": "Pod"}), Reply(status=500, body={}))
    cluster.get("Pod", "shop", "web")
    with pytest.raises(ClusterFault):
        cluster.get("Pod", "shop", "web")
    with pytest.raises(ClusterFault):
        cluster.logs("shop", "web", container="c", tail_lines=1, previous=False, limit_bytes=9)


def test_a_fault_of_kubernetes_passes_through_its_timing() -> None:
    metrics = Metrics()
    with pytest.raises(ClusterTimeout), metrics.asking("apply"):
        raise ClusterTimeout("late")

    name = "infragate_kubernetes_request_seconds_count"
    assert value(metrics, name, verb="apply", outcome="cluster_timeout") == 1


@pytest.mark.real_redis
def test_each_rule_that_stops_a_plan_is_counted(context: Context) -> None:
    wanted = Wanted(ref=ObjectRef.of(Kind.DEPLOYMENT, "demo", "web"), kind=Kind.DEPLOYMENT)
    call = PlanCall(
        operation=Operation.SCALE, namespace="mcp-nginx-demo", replicas=99, requester=ROB
    )
    refusal = guarding.request_refusal(wanted, call, None, context)

    assert refusal is not None
    hits = partial(value, context.metrics, "infragate_guardrail_hits_total", kind="refused")
    assert hits(rule=refusal.details["rule"]) == 1


@pytest.mark.real_redis
def test_what_was_cut_out_and_marked_in_a_read_is_counted_by_rule(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = Hits(redactions={"jwt": 2}, injections={"override": 1})
    result = SimpleNamespace(namespace="demo", hits=hits, wire=dict)
    monkeypatch.setattr(reading, "answer", lambda *_, **__: result)
    verbs.read(ReadCall(tool="get_pod_logs", arguments={}), context, lambda *_: None)

    counted = partial(value, context.metrics, "infragate_guardrail_hits_total")
    assert counted(kind="redacted", rule="jwt") == 2
    assert counted(kind="marked", rule="override") == 1


def test_what_becomes_of_plans_is_counted_and_passed_on() -> None:
    passed: list[Notice] = []
    inner = SimpleNamespace(tell=passed.append, stop=passed.clear)
    metrics = Metrics()
    notices = CountedNotices(inner, metrics)
    waits = Notice.of(Event.WAITS, a_plan(), "d", at=NOW)
    approved = Notice.of(Event.APPROVED, a_plan(), "d", at=NOW + 90, by=ADA)
    for notice in (waits, approved):
        notices.tell(notice)

    assert passed == [waits, approved]
    assert value(metrics, "infragate_plan_events_total", event="waits") == 1
    assert value(metrics, "infragate_plan_events_total", event="applied") == 0
    assert value(metrics, "infragate_decision_seconds_sum", decision="approved") == 90
    assert value(metrics, "infragate_decision_seconds_count", decision="denied") == 0
    notices.stop()
    assert passed == []


def test_a_plan_that_cannot_be_read_has_no_time_to_decide() -> None:
    metrics = Metrics()
    metrics.told(Notice(event=Event.DENIED, plan_id="p", digest="d", at=NOW))

    assert value(metrics, "infragate_plan_events_total", event="denied") == 1
    assert value(metrics, "infragate_decision_seconds_count", decision="denied") == 0


def test_how_far_the_audit_log_is_ahead_of_its_anchors_is_shown(desk: Desk) -> None:
    metrics = Metrics()
    metrics.watch_anchors(desk.anchoring.behind)
    assert value(metrics, "infragate_audit_unanchored_records") == 0
    desk.record(3)
    desk.seconds += 7

    assert value(metrics, "infragate_audit_unanchored_records") == 3
    assert value(metrics, "infragate_audit_unanchored_seconds") == 7
    desk.anchoring.anchor()
    assert value(metrics, "infragate_audit_unanchored_records") == 0


@pytest.mark.real_redis
def test_the_oldest_waiting_call_tells_how_long_a_queue_waits(
    redis_url: str, tmp_path: Path
) -> None:
    rig, registry = Rig(context_for(redis_url, tmp_path)), CollectorRegistry()
    queues = {"local.read": Role.READ, "local.plan": Role.PLAN}
    ages = QueueAges(rig.context.redis, queues, lambda: 1_000.0)
    registry.register(ages)
    rig.push(good())
    rig.push(b"{}", queue="local.plan")
    seconds = partial(registry.get_sample_value, "infragate_queue_oldest_call_seconds")

    assert seconds({"role": "read"}) == 10
    assert seconds({"role": "plan"}) == 0


@pytest.mark.real_redis
def test_a_worker_is_put_together_with_its_figures(context: Context) -> None:
    metrics = _metrics(context.settings, context.redis, None)

    assert value(metrics, "infragate_worker_threads") == context.settings.threads
    assert value(metrics, "infragate_queue_oldest_call_seconds", role="apply") == 0
