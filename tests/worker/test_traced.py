"""A worker goes on with the gateway's trace: the wait in the queue, the work, each API call."""

from contextlib import suppress

import pytest

from shared.envelopes import Envelope, pack, unpack
from shared.errors import ClusterFault
from shared.messages import Role
from shared.tracing import Kind, within
from tests.spans import Recorder, above, id_of, told
from worker.cluster.access import Access, FixedHeaders
from worker.cluster.connection import Connection
from worker.cluster.paths import template_of, url_of
from worker.traced import processing

THEIRS = f"00-{'a' * 32}-{'b' * 16}-01"


def envelope(traceparent: str | None) -> Envelope:
    return Envelope(
        id="c1",
        request="c" * 32,
        reply_to="r:me",
        sent_at=100.0,
        deadline=110.0,
        call={"verb": "read"},
        traceparent=traceparent,
    )


def test_the_wait_in_the_queue_and_the_work_are_below_the_gateways_span() -> None:
    recorder = Recorder()
    with processing(recorder, envelope(THEIRS), Role.READ, "read", now=101.5):
        pass

    spans = recorder.ended()
    assert [above(span) for span in spans.values()] == [int("b" * 16, 16)] * 2
    assert spans["queue wait"].start_time == 100 * 10**9
    assert told(spans["process read"]) == {
        "infragate.verb": "read",
        "infragate.role": "read",
        "messaging.message.id": "c1",
        "infragate.request.id": "c" * 32,
    }


def test_where_the_gateway_is_not_traced_the_worker_begins_the_trace() -> None:
    recorder = Recorder()
    with processing(recorder, envelope(None), Role.READ, "read", now=99.0):  # clocks differ
        pass

    spans = recorder.ended()
    assert spans["queue wait"].parent is None
    assert spans["queue wait"].start_time == 99 * 10**9
    assert above(spans["process read"]) == id_of(spans["queue wait"])


def test_a_trace_that_the_gateway_does_not_keep_is_not_kept_here() -> None:
    recorder = Recorder()
    with processing(recorder, envelope(THEIRS[:-2] + "00"), Role.READ, "read", now=101.0):
        pass

    assert recorder.ended() == {}


@pytest.mark.parametrize("traceparent", [None, THEIRS])
def test_an_envelope_carries_the_span_that_it_comes_of(traceparent: str | None) -> None:
    sent = envelope(traceparent)
    raw = pack(sent, queue="local.read")

    assert unpack(raw) == sent
    assert (b"traceparent" in raw) is (traceparent is not None)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        (url_of("Pod", "shop"), "/api/v1/namespaces/{namespace}/pods"),
        (
            url_of("Pod", "pods", "namespaces", subresource="log"),
            "/api/v1/namespaces/{namespace}/pods/{name}/log",
        ),
        (
            url_of("Deployment", "apps", "web"),
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
        ),
        (url_of("Namespace", "", "shop"), "/api/v1/namespaces/{namespace}"),
        ("/version", "/version"),
    ],
)
def test_the_template_of_a_path_has_no_names(path: str, template: str) -> None:
    assert template_of(path) == template


def test_an_api_call_is_a_span_without_names_and_its_fault_a_code() -> None:
    recorder = Recorder()
    connection = Connection(
        Access(server="http://127.0.0.1:9", credentials=FixedHeaders(), tls=None),
        timeout_s=5,
        user_agent="tests",
    )
    with within(recorder.begin("root", Kind.CONSUMER)), suppress(ClusterFault):
        connection.read(url_of("Pod", "shop", "canary-name"), {"q": "canary-query"})

    call = recorder.ended()["GET /api/v1/namespaces/{namespace}/pods/{name}"]
    assert above(call) == id_of(recorder.ended()["root"])
    assert call.kind.name == "CLIENT"
    assert told(call) == {
        "http.request.method": "GET",
        "url.template": "/api/v1/namespaces/{namespace}/pods/{name}",
        "server.address": "127.0.0.1",
        "server.port": 9,
        "error.type": "cluster_unreachable",
    }
    assert "canary" not in call.to_json()
