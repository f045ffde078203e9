"""One replica of the fixture server: `python -m tests.conformance.replica PORT REDIS_URL HOST...`.

InfraGate's own edge, session manager and sealing around the tools of `contents` and `rounds`. Its
token is static, as in a local demo: the suite cannot sign in.
"""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ServerEvent,
    SubscriptionBus,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ElicitResult,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextResourceContents,
    Tool,
    UnsubscribeRequestParams,
)
from pydantic import SecretStr
from starlette.types import ASGIApp

from api.edge import at_edge
from api.oauth import Verifier
from api.plan_ear import PlanEar
from api.protected_resource import ProtectedResource
from api.sessions import SharedSessions
from shared.keysets import RemoteKeys
from shared.stores.connection import connect_async
from tests.conformance.contents import (
    NOTHING,
    RESOURCES,
    TEMPLATE,
    TOOLS,
    Context,
    done,
    image,
    resource,
    text,
)
from tests.conformance.rounds import ROUNDS, ask

TOKEN: Final = "conformance-token-of-no-worth"
SEALING_KEY: Final = b"of no worth either, thirty-two bytes"
ISSUER: Final = "http://127.0.0.1:3011"
BODY_LIMIT: Final = 1024 * 1024
HINT: Final = CacheHint(ttl_ms=1000, scope="private")
TRIGGERS: Final[dict[str, ServerEvent]] = {
    "test_trigger_tool_change": ToolsListChanged(),
    "test_trigger_prompt_change": PromptsListChanged(),
}


class Fixture:
    """The handlers of one replica."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self._bus = bus

    def server(self) -> Server[Any]:
        server: Server[Any] = Server(
            name="conformance",
            version="1",
            cache_hints={
                "tools/list": HINT,
                "prompts/list": HINT,
                "resources/list": HINT,
                "resources/templates/list": HINT,
                "resources/read": HINT,
            },
            on_list_tools=self.tools,
            on_call_tool=self.call,
            on_list_resources=self.resources,
            on_list_resource_templates=self.templates,
            on_read_resource=self.read,
            on_subscribe_resource=self.subscribe,
            on_unsubscribe_resource=self.unsubscribe,
            on_subscriptions_listen=ListenHandler(self._bus),
            on_list_prompts=self.prompts,
            on_get_prompt=self.prompt,
            on_completion=self.complete,
            on_set_logging_level=self.set_level,
        )
        security = RequestStateSecurity(keys=[SEALING_KEY])
        server.middleware.append(RequestStateBoundary(security, default_audience=server.name))
        return server

    async def tools(self, _: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        schemas = {name: schema for name, (schema, _) in TOOLS.items()}
        schemas |= dict.fromkeys([*ROUNDS, *TRIGGERS], NOTHING)
        return ListToolsResult(
            tools=[
                Tool(name=name, description=f"For the scenario of {name}.", input_schema=schema)
                for name, schema in schemas.items()
            ]
        )

    async def call(
        self, context: Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        if params.name in ROUNDS:
            return ROUNDS[params.name](context, params)
        if params.name in TRIGGERS:
            await self._bus.publish(TRIGGERS[params.name])
            return done(text("It has changed."))
        if params.name not in TOOLS:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}")
        return await TOOLS[params.name][1](context, params)

    async def resources(self, _: Context, __: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(
            resources=[
                Resource(uri=uri, name=uri.partition("://")[2], description="A fixture.")
                for uri in RESOURCES
            ]
        )

    async def templates(
        self, _: Context, __: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        template = ResourceTemplate(uri_template=TEMPLATE, name="template", description="By id.")
        return ListResourceTemplatesResult(resource_templates=[template])

    async def read(self, _: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = str(params.uri)
        if uri in RESOURCES:
            return ReadResourceResult(contents=[RESOURCES[uri]])
        before, after = TEMPLATE.split("{id}")
        if not (uri.startswith(before) and uri.endswith(after)):
            raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": uri})
        number = uri.removeprefix(before).removesuffix(after)
        said = f'{{"id":"{number}","templateTest":true,"data":"Data for ID: {number}"}}'
        contents = TextResourceContents(uri=uri, mime_type="application/json", text=said)
        return ReadResourceResult(contents=[contents])

    async def subscribe(self, _: Context, __: SubscribeRequestParams) -> EmptyResult:
        return EmptyResult()

    async def unsubscribe(self, _: Context, __: UnsubscribeRequestParams) -> EmptyResult:
        return EmptyResult()

    async def set_level(self, _: Context, __: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    async def prompts(self, _: Context, __: PaginatedRequestParams | None) -> ListPromptsResult:
        arguments = {
            "test_simple_prompt": (),
            "test_prompt_with_arguments": ("arg1", "arg2"),
            "test_prompt_with_embedded_resource": ("resourceUri",),
            "test_prompt_with_image": (),
            "test_input_required_result_prompt": (),
        }
        return ListPromptsResult(
            prompts=[
                Prompt(
                    name=name,
                    description="A fixture.",
                    arguments=[PromptArgument(name=one, required=True) for one in names],
                )
                for name, names in arguments.items()
            ]
        )

    async def prompt(
        self, _: Context, params: GetPromptRequestParams
    ) -> GetPromptResult | InputRequiredResult:
        given = params.arguments or {}
        if params.name == "test_simple_prompt":
            return said(text("This is a simple prompt for testing."))
        if params.name == "test_prompt_with_arguments":
            first, second = given["arg1"], given["arg2"]
            return said(text(f"Prompt with arguments: arg1='{first}', arg2='{second}'"))
        if params.name == "test_prompt_with_embedded_resource":
            embedded = resource(given["resourceUri"], "Embedded resource content for testing.")
            return said(embedded, text("Please process the embedded resource above."))
        if params.name == "test_prompt_with_image":
            return said(image(), text("Please analyze the image above."))
        if params.name == "test_input_required_result_prompt":
            got = (params.input_responses or {}).get("user_context")
            if not isinstance(got, ElicitResult):
                question = ask("What context should the prompt use?", context="string")
                return InputRequiredResult(input_requests={"user_context": question})
            return said(text(f"The context: {got.content}"))
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name}")

    async def complete(self, _: Context, params: CompleteRequestParams) -> CompleteResult:
        words = ("paris", "park", "party")
        found = [word for word in words if word.startswith(params.argument.value)]
        return CompleteResult(completion=Completion(values=found, total=len(found)))


def said(*content: Any) -> GetPromptResult:
    messages = [PromptMessage(role="user", content=one) for one in content]
    return GetPromptResult(messages=messages)


def make_replica(redis_url: str, hosts: Sequence[str]) -> ASGIApp:
    """The whole replica as one ASGI application."""
    redis = connect_async(SecretStr(redis_url), timeout_s=3)
    bus = InMemorySubscriptionBus()
    sessions = SharedSessions(
        Fixture(bus).server(),
        redis,
        PlanEar(),
        clock=time.time,
        max_request_body_size=BODY_LIMIT,
    )
    resource_url = f"http://{hosts[0]}/mcp"

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with sessions.run():
            yield
        await redis.aclose()

    web = FastAPI(lifespan=lifespan, openapi_url=None)

    @web.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ok"}

    return at_edge(
        mcp=sessions.handle_request,
        other=web,
        verifier=Verifier(
            keys=RemoteKeys(issuer=ISSUER, metadata_url=None, require_https=False),
            issuer=ISSUER,
            resource=resource_url,
            clock=time.time,
            static_token=TOKEN,
        ),
        resource=ProtectedResource(resource=resource_url, issuer=ISSUER),
        allowed_hosts=hosts,
        allowed_origins=[f"http://{host}" for host in hosts],
        max_body_bytes=BODY_LIMIT,
    )


def main(arguments: Sequence[str]) -> None:
    """Serves one replica until it is told to stop."""
    port, redis_url, *hosts = arguments
    uvicorn.run(make_replica(redis_url, hosts), port=int(port), log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1:])
