"""The private names of the SDK that shared sessions lean on: this fails when they move."""

import inspect
from typing import Any

import anyio
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_connection
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared._stream_protocols import WriteStream
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import ServerMessageMetadata

from api.answering import Answering
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


def test_a_dispatcher_counts_its_ids_on_from_a_number_that_can_be_set() -> None:
    send, receive = anyio.create_memory_object_stream[Any](0)
    with send, receive:
        dispatcher = JSONRPCDispatcher(receive, send)
        dispatcher._next_id = 41

        assert dispatcher._allocate_id() == 42


def test_what_else_is_used_is_called_as_it_is_used() -> None:
    assert REQUEST_CANCELLED == -32800
    assert {"request_context", "on_request_unanswered", "related_request_id"} <= set(
        parameters(ServerMessageMetadata)
    )
    assert parameters(JSONRPCDispatcher)[:2] == ["read_stream", "write_stream"]
    assert {"inline_methods"} <= set(parameters(JSONRPCDispatcher))
    writes = {
        name for name in vars(WriteStream) if name in {"send", "aclose", "__aenter__", "__aexit__"}
    }
    assert writes <= set(vars(Answering))
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
