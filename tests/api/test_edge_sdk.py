"""The layers in front of the real MCP SDK: both eras see the caller, sessions belong to one."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from api.callers import current
from api.edge import at_edge
from api.oauth import Verifier
from api.protected_resource import ProtectedResource
from tests.api.asgi import HOST, Answer, send_request
from tests.api.test_edge import METADATA, Inner, bearer
from tests.api.test_oauth import CLAIMS, ISSUER, NOW, RESOURCE, FakeKeys
from tests.shared.jose_tokens import sign

ALICE = sign({**CLAIMS, "scope": "mcp:tools"})
BOB = sign({**CLAIMS, "scope": "mcp:tools", "sub": "bob"})
CAROL = sign({**CLAIMS, "scope": "mcp:tools.read", "sub": "carol"})
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": {"name": "curl", "version": "1"},
    },
}
MODERN = "2026-07-28"


def get_k8s_status() -> str:
    shown, caller = get_access_token(), current()
    assert shown is not None
    assert caller is not None
    return f"{caller.sub} {shown.subject} {shown.client_id} {shown.token}"


def apply_approved_plan() -> str:
    return "applied"


@asynccontextmanager
async def serving() -> AsyncIterator[ASGIApp]:
    server = MCPServer("InfraGate")
    server.add_tool(get_k8s_status)
    server.add_tool(apply_approved_plan)
    server.streamable_http_app(transport_security=TransportSecuritySettings(allowed_hosts=[HOST]))
    async with server.session_manager.run():
        yield at_edge(
            mcp=server.session_manager.handle_request,
            other=Inner("other"),
            verifier=Verifier(keys=FakeKeys(), issuer=ISSUER, resource=RESOURCE, clock=lambda: NOW),
            resource=ProtectedResource(resource=RESOURCE, issuer=ISSUER),
            allowed_hosts=[HOST],
            allowed_origins=[],
        )


async def post(
    app: ASGIApp, token: str, message: object, headers: Mapping[str, str] | None = None
) -> Answer:
    sent = {
        **bearer(token),
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **(headers or {}),
    }
    return await send_request(app, headers=sent, chunks=[json.dumps(message).encode()])


def call(tool: str, **params: object) -> dict[str, object]:
    params = {"name": tool, "arguments": {}, **params}
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}


async def opened_session(app: ASGIApp, token: str) -> dict[str, str]:
    answer = await post(app, token, INITIALIZE)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    session = {"Mcp-Session-Id": answer.headers["mcp-session-id"]}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await post(app, token, ready, session)).status == 202
    return session


def said(result: Any) -> str:
    return str(result["result"]["content"][0]["text"])


def test_a_handshake_client_is_known_to_the_tools() -> None:
    async def main() -> None:
        async with serving() as app:
            session = await opened_session(app, ALICE)
            answer = await post(app, ALICE, call("get_k8s_status"), session)
            assert said(answer.message()).startswith("alice alice codex sha256:")

    anyio.run(main)


def test_a_stateless_client_is_known_to_the_tools() -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "curl", "version": "1"},
    }
    headers = {
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "get_k8s_status",
    }

    async def main() -> None:
        async with serving() as app:
            answer = await post(app, BOB, call("get_k8s_status", _meta=meta), headers)
            assert answer.status == 200, answer.body
            assert said(answer.json()).startswith("bob bob codex sha256:")

    anyio.run(main)


@pytest.mark.promise("sessions-are-personal")
def test_a_session_is_of_no_use_to_another_person() -> None:
    async def main() -> None:
        async with serving() as app:
            session = await opened_session(app, ALICE)
            assert (await post(app, BOB, call("get_k8s_status"), session)).status == 404

    anyio.run(main)


def test_the_step_up_happens_before_the_sdk_is_asked() -> None:
    async def main() -> None:
        async with serving() as app:
            session = await opened_session(app, CAROL)
            allowed = await post(app, CAROL, call("get_k8s_status"), session)
            refused = await post(app, CAROL, call("apply_approved_plan"), session)
            assert said(allowed.message()).startswith("carol")
            assert refused.status == 403
            assert METADATA in refused.headers["www-authenticate"]

    anyio.run(main)


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
def test_a_plain_get_says_that_the_session_id_is_required(accept: str) -> None:
    async def main() -> None:
        async with serving() as app:
            answer = await send_request(app, "GET", headers={**bearer(ALICE), "Accept": accept})
            assert answer.status == 400
            assert "session id" in answer.json()["error"]["message"]

    anyio.run(main)
