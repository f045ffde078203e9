"""Whatever is sent to /mcp is answered, never with a 500, and leaves nothing at work."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.asgi import talking
from tests.api.replicas import (
    ALICE,
    BOTH,
    MODERN,
    Replica,
    Tools,
    at_work,
    call,
    initialize,
    replicas,
)
from tests.api.test_edge import bearer

pytestmark = pytest.mark.real_redis

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
METHODS = st.sampled_from(
    [
        *("initialize", "ping", "tools/list", "tools/call", "server/discover", "resources/read"),
        *("notifications/initialized", "notifications/cancelled", "notifications/progress"),
        *("logging/setLevel", "completion/complete", "subscriptions/listen", "", "nonsense"),
    ]
)
MESSAGES = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={
        "id": st.integers() | st.text(max_size=300),
        "method": METHODS,
        "params": JSON_VALUES
        | st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["whoami", "announce", "slow", "none"]),
                "arguments": JSON_VALUES,
                "_meta": JSON_VALUES,
                "requestId": JSON_VALUES,
                "progressToken": JSON_VALUES,
                "progress": JSON_VALUES,
                "protocolVersion": JSON_VALUES,
                "clientInfo": JSON_VALUES,
                "capabilities": JSON_VALUES,
            },
        ),
        "result": JSON_VALUES,
        "error": JSON_VALUES,
    },
)
REQUESTS = st.builds(
    lambda method, params: {"jsonrpc": "2.0", "id": 3, "method": method, "params": params},
    METHODS,
    st.dictionaries(st.sampled_from(["name", "arguments", "uri", "_meta", "level"]), JSON_VALUES),
)
KNOWN = [initialize(), call("whoami"), {"jsonrpc": "2.0", "id": "x" * 70_000, "method": "ping"}]
BODIES = (
    st.binary(max_size=60)
    | st.builds(lambda value: json.dumps(value).encode(), JSON_VALUES)
    | st.builds(lambda value: json.dumps(value).encode(), MESSAGES)
    | st.builds(lambda value: json.dumps(value).encode(), REQUESTS)
    | st.sampled_from([json.dumps(each).encode() for each in KNOWN])
    | st.sampled_from(
        [
            b"[" * 20_000,
            b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": ' + b'{"a":' * 500 + b"1",
            b'{"jsonrpc": "2.0", "id": 1e999, "method": "ping"}',
            b'{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}',
            b"\xff\xfe{}",
        ]
    )
)
PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=80)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Accept": st.sampled_from(["*/*", "application/json", "text/event-stream", ""]) | PLAIN,
        "Content-Type": st.sampled_from(["application/json; charset=x", "text/plain"]) | PLAIN,
        "MCP-Protocol-Version": st.sampled_from(["2024-11-05", "2025-11-25", MODERN, "2099-01-01"])
        | PLAIN,
        "Mcp-Method": st.sampled_from(["ping", "tools/call"]) | PLAIN,
        "Mcp-Name": PLAIN,
        "Last-Event-ID": st.sampled_from(["session.0-0", "abc.1-1", "session.9-9"]) | PLAIN,
    },
)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as it:
        yield it


@contextmanager
def one_replica(portal: BlockingPortal, url: str) -> Iterator[tuple[Replica, dict[str, str], int]]:
    """A replica, a session of it, and how many tasks it has when nobody asks for anything."""
    tools = Tools()
    tools.go.set()
    with portal.wrap_async_context_manager(replicas(url, tools, count=1)) as (replica,):
        session = portal.call(replica.opened)
        yield replica, session, len(portal.call(_tasks))


async def _tasks() -> list[str]:
    return at_work()


async def _status(replica: Replica, method: str, headers: dict[str, str], body: bytes) -> int:
    async with talking(replica.app, method, headers, body) as conversation:
        return conversation.status


async def _settled(idle: int) -> None:
    with anyio.fail_after(10):
        while len(at_work()) > idle:  # noqa: ASYNC110 - tasks tell nobody of their end
            await anyio.sleep(0.01)


def test_anything_is_answered_and_nothing_stays_at_work(
    redis_url: str, portal: BlockingPortal
) -> None:
    with one_replica(portal, redis_url) as (replica, session, idle):

        @settings(max_examples=300)
        @given(
            method=st.sampled_from(["POST", "POST", "POST", "GET", "DELETE", "PUT"]),
            in_session=st.booleans(),
            headers=st.just({}) | HEADERS,
            body=BODIES,
        )
        def anything(method: str, in_session: bool, headers: dict[str, str], body: bytes) -> None:
            mine = session if in_session and method != "DELETE" else {}
            sent: dict[str, Any] = {**bearer(ALICE), **BOTH, **mine, **headers}
            status = portal.call(_status, replica, method, sent, body)
            assert status < 500, (status, method, sent, body)

        anything()
        portal.call(_settled, idle)
        assert portal.call(replica.post, call("whoami"), session).status == 200
