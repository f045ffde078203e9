"""Gateway replicas in one process around one Redis: the layers, shared sessions, a few tools."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.dispatcher import CallOptions
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestURLParams,
    ElicitResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from pydantic import SecretStr
from starlette.types import ASGIApp

from api.callers import current
from api.edge import at_edge
from api.oauth import Verifier
from api.plan_ear import PlanEar
from api.protected_resource import ProtectedResource
from api.sessions import SharedSessions
from shared.stores.connection import connect_async
from tests.api.asgi import HOST, Answer, Conversation, send_request, talking
from tests.api.test_edge import Inner, bearer
from tests.api.test_oauth import CLAIMS, ISSUER, NOW, RESOURCE, FakeKeys
from tests.shared.jose_tokens import sign

ALICE = sign({**CLAIMS, "scope": "mcp:tools"})
ALICE_ELSEWHERE = sign({**CLAIMS, "scope": "mcp:tools", "client_id": "another-program"})
BOB = sign({**CLAIMS, "scope": "mcp:tools", "sub": "bob"})
HANDSHAKE = "2025-11-25"
MODERN = "2026-07-28"
BOTH = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}

Context = ServerRequestContext[Any, Any]


def said(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)])


PATIENCE_S = 20
"""For Redis, and for tasks to end: a machine that is busy must not look like an outage."""


@dataclass
class Tools:
    """What the replicas of a test do. `go` lets the slow one end."""

    go: anyio.Event = field(default_factory=anyio.Event)
    began: anyio.Event = field(default_factory=anyio.Event)
    cancelled: anyio.Event = field(default_factory=anyio.Event)
    heard: anyio.Event = field(default_factory=anyio.Event)
    reported: list[tuple[float, float | None, str | None]] = field(default_factory=list)
    """What clients said of how far they are with a question."""
    finished: list[str] = field(default_factory=list)

    def server(self) -> Server[Any]:
        return Server(
            name="replicas", version="1", on_list_tools=self.listed, on_call_tool=self.called
        )

    async def listed(self, _: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        names = ("whoami", "slow", "silent", "ask", "announce")
        return ListToolsResult(
            tools=[Tool(name=name, input_schema={"type": "object"}) for name in names]
        )

    async def called(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        tools: dict[str, Callable[[Context], Awaitable[CallToolResult]]] = {
            "whoami": self.whoami,
            "slow": self.slow,
            "silent": self.silent,
            "ask": self.ask,
            "announce": self.announce,
        }
        return await tools[params.name](context)

    async def whoami(self, context: Context) -> CallToolResult:
        caller, client = current(), context.session.client_params
        assert caller is not None
        assert client is not None
        return said(f"{caller.sub} {client.client_info.name} {context.protocol_version}")

    async def slow(self, context: Context) -> CallToolResult:
        await context.session.report_progress(1, 2, "begun")
        self.began.set()
        try:
            await self.go.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        self.finished.append("slow")
        return said("slow is done")

    async def silent(self, _: Context) -> CallToolResult:
        await self.go.wait()
        return said("silent is done")

    async def ask(self, context: Context) -> CallToolResult:
        request = ElicitRequest(
            params=ElicitRequestURLParams(
                message="Open it?", url="https://example.com/", elicitation_id="e1"
            )
        )

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            self.reported.append((progress, total, message))
            self.heard.set()

        raw = await context.session._request_outbound.send_raw_request(
            "elicitation/create",
            request.params.model_dump(by_alias=True, mode="json", exclude_none=True),
            CallOptions(on_progress=hear),
        )
        return said(ElicitResult.model_validate(raw).action)

    async def announce(self, context: Context) -> CallToolResult:
        await context.session.send_resource_updated("plan://1")
        return said("announced")


@dataclass
class Replica:
    """One gateway of a test."""

    app: ASGIApp
    manager: SharedSessions

    async def post(
        self, message: object, session: Mapping[str, str] | None = None, token: str = ALICE
    ) -> Answer:
        return await send_request(
            self.app,
            headers={**bearer(token), **BOTH, **(session or {})},
            chunks=[message if isinstance(message, bytes) else json.dumps(message).encode()],
        )

    async def send(
        self, method: str, session: Mapping[str, str], token: str = ALICE, **headers: str
    ) -> Answer:
        """A request without a body that is answered at once."""
        given = {**bearer(token), "Accept": "text/event-stream", **session, **headers}
        return await send_request(self.app, method, headers=given)

    @asynccontextmanager
    async def under_way(
        self, message: object, session: Mapping[str, str]
    ) -> AsyncIterator[Conversation]:
        """A call whose answer has begun."""
        headers = {**bearer(ALICE), **BOTH, **session}
        body = json.dumps(message).encode()
        async with talking(self.app, "POST", headers, body) as conversation:
            yield conversation

    @asynccontextmanager
    async def listening(
        self, session: Mapping[str, str], **headers: str
    ) -> AsyncIterator[Conversation]:
        """A stream that was asked for with GET."""
        given = {**bearer(ALICE), "Accept": "text/event-stream", **session, **headers}
        async with talking(self.app, "GET", given) as conversation:
            yield conversation

    async def opened(
        self, version: str = HANDSHAKE, token: str = ALICE, **capabilities: Any
    ) -> dict[str, str]:
        """A fresh session, as the headers that speak in it."""
        answer = await self.post(initialize(version, **capabilities), token=token)
        assert answer.status == 200, answer.body
        session = {
            "Mcp-Session-Id": answer.headers["mcp-session-id"],
            "MCP-Protocol-Version": version,
        }
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await self.post(ready, session, token)).status == 202
        return session


def initialize(version: str = HANDSHAKE, name: str = "tests", **capabilities: Any) -> Any:
    params = {
        "protocolVersion": version,
        "capabilities": capabilities,
        "clientInfo": {"name": name, "version": "1"},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


def call(tool: str, request_id: int | str = 2) -> Any:
    params = {"name": tool, "arguments": {}, "_meta": {"progressToken": "p"}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def text_in(message: Any) -> str:
    return str(message["result"]["content"][0]["text"])


def behind_the_edge(manager: SharedSessions) -> ASGIApp:
    """A manager with the layers in front of it, for the tokens above."""
    return in_front_of(manager.handle_request)


def in_front_of(mcp: ASGIApp, **more: Any) -> ASGIApp:
    """The layers in front of anything."""
    keys = FakeKeys()
    return at_edge(
        mcp=mcp,
        other=Inner("other"),
        verifier=Verifier(keys=keys, issuer=ISSUER, resource=RESOURCE, clock=lambda: NOW),
        resource=ProtectedResource(resource=RESOURCE, issuer=ISSUER),
        allowed_hosts=[HOST],
        allowed_origins=[],
        **more,
    )


def at_work() -> list[str]:
    """The tasks of this loop, but the one by which event streams of a thread notice its end."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name != "_shutdown_watcher"]


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Fails when something that the block began is still at work a while after it."""
    idle = len(at_work())
    yield
    with anyio.fail_after(PATIENCE_S):
        while len(at_work()) > idle:  # noqa: ASYNC110 - tasks tell nobody of their end
            await anyio.sleep(0.01)


@asynccontextmanager
async def replicas(
    redis_url: str, tools: Tools | None = None, *, count: int = 2, timeout_s: float = PATIENCE_S
) -> AsyncIterator[list[Replica]]:
    """That many gateways, each with its own connections to one Redis."""
    tools = tools or Tools()
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            redis = connect_async(SecretStr(redis_url), timeout_s=timeout_s)
            stack.push_async_callback(redis.aclose)
            manager = SharedSessions(
                tools.server(), redis, PlanEar(), clock=time.time, max_request_body_size=1024 * 1024
            )
            await stack.enter_async_context(manager.run())
            made.append(Replica(app=behind_the_edge(manager), manager=manager))
        yield made
