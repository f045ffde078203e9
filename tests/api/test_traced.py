"""A trace begins with a tool call, when its request came; what a client sends is a link at most."""

import asyncio
from typing import Any

import pytest

from api.traced import Traced, tool_call
from shared.tracing import NOTHING
from tests.spans import Recorder, told

THEIRS = f"00-{'a' * 32}-{'b' * 16}-00"


def root_of(headers: list[tuple[bytes, bytes]], meta: dict[str, Any] | None = None) -> Any:
    """The span of a call that came with these headers and this `_meta`, at 5 ns."""
    recorder = Recorder()

    async def app(*_: object) -> None:
        with tool_call("get_k8s_status", meta):
            pass

    traced = Traced(app, recorder, lambda: 5)
    asyncio.run(traced({"type": "http", "headers": headers}, None, None))  # type: ignore[arg-type]
    return recorder.ended()["tools/call get_k8s_status"]


def test_the_span_begins_when_the_request_came() -> None:
    root = root_of([])

    assert root.start_time == 5
    assert (root.kind.name, root.parent, root.links) == ("SERVER", None, ())
    assert told(root)["gen_ai.tool.name"] == "get_k8s_status"


@pytest.mark.promise("clients-choose-no-trace")
@pytest.mark.parametrize(
    ("headers", "meta"),
    [([(b"traceparent", THEIRS.encode())], None), ([], {"traceparent": THEIRS})],
)
def test_a_clients_traceparent_is_a_link_and_decides_nothing(
    headers: list[tuple[bytes, bytes]], meta: dict[str, Any] | None
) -> None:
    root = root_of(headers, meta)  # recorded, although the client's flags say no

    assert root.parent is None
    assert root.get_span_context().trace_id != int("a" * 32, 16)
    assert [link.context.span_id for link in root.links] == [int("b" * 16, 16)]


@pytest.mark.parametrize("said", ["", "00-no", f"00-{'0' * 32}-{'b' * 16}-01", "canary\nline"])
def test_a_traceparent_that_is_none_is_left_out(said: str) -> None:
    assert not root_of([(b"traceparent", said.encode())], {"traceparent": said}).links


def test_where_traces_are_off_a_tool_call_is_no_span() -> None:
    with tool_call("get_k8s_status", {"traceparent": THEIRS}) as span:
        assert span is NOTHING
