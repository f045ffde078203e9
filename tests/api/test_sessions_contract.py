"""The private names of the SDK that shared sessions lean on: this fails when they move."""

import inspect
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_connection
from mcp.server.streamable_http import GET_STREAM_KEY, EventStore, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher

from api.sessions import SharedSessions


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_method_that_is_replaced_is_the_one_that_serves_the_handshake_era() -> None:
    wanted = ["self", "scope", "receive", "send"]
    source = inspect.getsource(StreamableHTTPSessionManager._handle_request)

    assert parameters(StreamableHTTPSessionManager._handle_stateful_request) == wanted
    assert parameters(SharedSessions._handle_stateful_request) == wanted
    assert "await self._handle_stateful_request(scope, receive, send)" in source
    assert "await handle_modern_request(" in source


def test_the_manager_has_the_task_group_and_the_lifespan_while_it_runs() -> None:
    async def main() -> None:
        manager = StreamableHTTPSessionManager(Server(name="x", version="1"))
        assert manager._task_group is None
        async with manager.run():
            assert manager._task_group is not None
            assert manager._lifespan_state is not None
        assert manager._task_group is None

    anyio.run(main)


def test_a_transport_takes_in_what_is_sent_to_its_writer() -> None:
    async def main() -> None:
        transport = StreamableHTTPServerTransport(mcp_session_id="x")
        assert transport._read_stream_writer is None
        async with transport.connect() as (reading, _), anyio.create_task_group() as tasks:
            assert transport._read_stream_writer is not None
            tasks.start_soon(transport._read_stream_writer.send, RuntimeError("in"))
            assert isinstance(await reading.__anext__(), RuntimeError)
            await transport.terminate()
            assert transport.is_terminated

    anyio.run(main)


def test_a_dispatcher_counts_its_ids_on_from_a_number_that_can_be_set() -> None:
    send, receive = anyio.create_memory_object_stream[Any](0)
    with send, receive:
        dispatcher = JSONRPCDispatcher(receive, send)
        dispatcher._next_id = 41

        assert dispatcher._allocate_id() == 42


def test_what_else_is_used_is_called_as_it_is_used() -> None:
    store = {name: parameters(getattr(EventStore, name)) for name in EventStore.__abstractmethods__}

    assert store == {
        "store_event": ["self", "stream_id", "message"],
        "replay_events_after": ["self", "last_event_id", "send_callback"],
    }
    assert GET_STREAM_KEY == "_GET_stream"
    assert {"mcp_session_id", "event_store", "retry_interval"} <= set(
        parameters(StreamableHTTPServerTransport)
    )
    assert parameters(Connection.from_envelope) == [
        "protocol_version",
        "client_info",
        "client_capabilities",
        "outbound",
    ]
    assert {"session_id"} <= set(parameters(Connection.for_loop))
    assert parameters(serve_connection)[:4] == [
        "server",
        "dispatcher",
        "connection",
        "lifespan_state",
    ]
