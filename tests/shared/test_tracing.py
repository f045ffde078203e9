"""A span is a step of the one around it and tells ids and codes; without a trace it is nothing."""

import threading
from contextvars import copy_context

import pytest
from opentelemetry.trace import StatusCode

from shared import tracing
from shared.errors import ClusterTimeout, Refusal
from shared.tracing import NOTHING, TRACEPARENT, Kind, span, step, within
from tests.spans import Recorder, above, id_of, told, trace_of

THEIRS = f"00-{'a' * 32}-{'b' * 16}-01"
CANARY = "canary-5d1e is secret"


def test_outside_of_a_trace_a_span_is_nothing() -> None:
    with span("plan read", Kind.INTERNAL, plan="p") as begun:
        assert begun is NOTHING
        begun.note(outcome="ok")
    assert tracing.trace_id() == ""


def test_a_span_is_a_step_of_the_span_around_it_also_in_another_thread() -> None:
    recorder = Recorder()

    def elsewhere() -> None:
        with span("there"):
            pass

    with within(recorder.begin("root", Kind.SERVER)), span("here"):
        thread = threading.Thread(target=copy_context().run, args=(elsewhere,))
        thread.start()
        thread.join()

    spans = recorder.ended()
    assert above(spans["root"]) is None
    assert above(spans["here"]) == id_of(spans["root"])
    assert above(spans["there"]) == id_of(spans["here"])


def test_a_trace_goes_on_in_another_process_by_its_traceparent() -> None:
    gateway, worker = Recorder(), Recorder()
    with within(gateway.begin("root", Kind.SERVER)) as root:
        assert TRACEPARENT.fullmatch(root.traceparent)
        assert tracing.trace_id() == root.traceparent.split("-")[1]
    with within(worker.begin("process", Kind.CONSUMER, parent=root.traceparent)):
        pass

    process = worker.ended()["process"]
    assert above(process) == id_of(gateway.ended()["root"])
    assert trace_of(process) == int(root.traceparent.split("-")[1], 16)


def test_a_link_leaves_the_trace_our_own() -> None:
    recorder = Recorder()
    recorder.begin("root", Kind.SERVER, links=[THEIRS]).end()

    root = recorder.ended()["root"]
    assert root.parent is None
    assert trace_of(root) != int("a" * 32, 16)
    assert [link.context.trace_id for link in root.links] == [int("a" * 32, 16)]


@pytest.mark.promise("traces-hold-no-values")
def test_a_fault_is_told_by_its_code_and_anything_else_as_other() -> None:
    recorder = Recorder()
    with pytest.raises(ClusterTimeout), within(recorder.begin("fault", Kind.CLIENT)):
        raise ClusterTimeout(CANARY)
    with pytest.raises(ValueError, match="canary"), within(recorder.begin("crash", Kind.CLIENT)):
        raise ValueError(CANARY)

    spans = recorder.ended()
    assert told(spans["fault"]) == {"error.type": "cluster_timeout"}
    assert told(spans["crash"]) == {"error.type": "other"}
    assert {one.status.status_code for one in spans.values()} == {StatusCode.ERROR}
    assert "canary" not in "".join(one.to_json() for one in spans.values())


@pytest.mark.promise("traces-hold-no-values")
def test_what_reads_like_more_than_a_name_is_not_told() -> None:
    recorder = Recorder()
    facts = {"plan": "p-1", "namespace": CANARY, "outcome": "x" * 129}
    recorder.begin("root", Kind.SERVER, status=200, **facts).end()  # type: ignore[arg-type]

    assert told(recorder.ended()["root"]) == {
        "infragate.plan.id": "p-1",
        "k8s.namespace.name": "other",
        "infragate.outcome": "other",
        "http.response.status_code": 200,
    }


def test_a_step_that_refuses_says_so_by_its_code() -> None:
    recorder = Recorder()

    @step("plan read")
    def refusing() -> Refusal:
        return Refusal(code="guardrail", message=CANARY)

    with within(recorder.begin("root", Kind.SERVER)):
        assert refusing().code == "guardrail"

    assert told(recorder.ended()["plan read"]) == {"infragate.outcome": "guardrail"}
