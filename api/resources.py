"""What agents can read and follow beside the tools: the rules of this place, and their plans."""

import json
from collections.abc import Callable
from typing import Any, Final

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    TextResourceContents,
    UnsubscribeRequestParams,
)

from api import plan_results
from api.asking import ends_the_call
from api.callers import current
from api.desk import Desk
from api.following import plan_id_in, plan_uri, watch
from api.plan_ear import PlanEar
from shared.errors import Fault, Refusal
from shared.plans import Plan
from shared.stores.mcp_follows import Followed, McpFollowStore
from shared.stores.plan_records import StoredPlan
from shared.stores.plan_view import PlanView

POLICY_URI: Final = "infragate://policy"
MAX_STREAMS: Final = 1000
"""Of one replica; each is an open connection."""
LONGEST_S: Final = 60 * 60
"""Then a client listens anew, with a token that is still good."""

RESOURCE_NOT_FOUND: Final = -32002
"""The handshake era's code; the newest revision says `INVALID_PARAMS`."""

_POLICY: Final = Resource(
    name="policy",
    title="What is allowed here",
    uri=POLICY_URI,
    description="Namespaces, and the rules for changes in each.",
    mime_type="text/markdown",
)
_PLAN: Final = ResourceTemplate(
    name="plan",
    title="A plan of yours",
    uri_template=plan_uri("{planId}"),
    description="What has become of a plan. Subscribe to hear of the person's decision.",
    mime_type="application/json",
)
_GENERAL: Final = (
    "# What is allowed here\n\n"
    "You may look at Deployments, ReplicaSets, Pods, Services, ConfigMaps (key names), events and "
    "logs of the namespaces below; nothing of any other namespace, and never a Secret. You may "
    "request to create, change and delete Deployments, Services and ConfigMaps there. Every "
    "request becomes a plan; a person approves or denies it, within an hour. Manifests are YAML "
    "1.2 or JSON without anchors, aliases, tags or unknown fields."
)

Context = ServerRequestContext[Any, Any]


class Resources:
    """The resources, and who is told when a plan changes."""

    def __init__(
        self,
        desk: Desk,
        plans: PlanView,
        follows: McpFollowStore,
        ear: PlanEar,
        *,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives epoch seconds."""
        self._desk = desk
        self._plans = plans
        self._follows = follows
        self._ear = ear
        self._clock = clock
        self._streams = 0

    async def listed(
        self, _context: Context, _params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        """Answers `resources/list`."""
        return ListResourcesResult(resources=[_POLICY])

    async def templates(
        self, _context: Context, _params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """Answers `resources/templates/list`."""
        return ListResourceTemplatesResult(resource_templates=[_PLAN])

    async def read(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Answers `resources/read`."""
        try:
            if params.uri == POLICY_URI:
                return _text(params.uri, await self._policy(), "text/markdown")
            stored, plan = await self._plan(context, params.uri)
        except Fault as fault:
            raise MCPError(code=INTERNAL_ERROR, message=str(fault)) from fault
        seen = self._desk.seen(stored, plan)
        shown = plan_results.status(
            plan, digest=stored.sealed.digest, state=seen.state, url=seen.url
        )
        return _text(params.uri, json.dumps(shown, ensure_ascii=False), "application/json")

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Answers `resources/subscribe` of the handshake era: the session's stream will tell."""
        try:
            stored, plan = await self._plan(context, params.uri)
            session_id = _session_id(context)
            if not await self._follows.follow(session_id, plan.id, self._known(stored, plan)):
                raise MCPError(code=INVALID_PARAMS, message="Too many subscriptions")
        except Fault as fault:
            raise MCPError(code=INTERNAL_ERROR, message=str(fault)) from fault
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Answers `resources/unsubscribe`."""
        plan_id = plan_id_in(params.uri)
        try:
            if plan_id is not None:
                await self._follows.unfollow(_session_id(context), plan_id)
        except Fault as fault:
            raise MCPError(code=INTERNAL_ERROR, message=str(fault)) from fault
        return EmptyResult()

    async def listen(
        self, context: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Answers `subscriptions/listen` of the newest revision, for as long as somebody listens.

        The bus is this stream's alone: nobody hears of another person's plan.
        """
        if self._streams >= MAX_STREAMS:
            raise MCPError(code=INTERNAL_ERROR, message="Subscription limit reached")
        known = await self._own(context, params)
        bus = InMemorySubscriptionBus()
        handler = ListenHandler(bus)

        async def end_in_time() -> None:
            await anyio.sleep(LONGEST_S)
            handler.close()

        self._streams += 1
        try:
            async with anyio.create_task_group() as beside:
                beside.start_soon(end_in_time)
                if known:
                    beside.start_soon(watch, self._plans, known, bus, self._ear, self._clock)
                result = await handler(context, params)
                beside.cancel_scope.cancel()
        finally:
            self._streams -= 1
        return result

    async def _policy(self) -> str:
        rules = await self._desk.rules()
        parts = [_GENERAL]
        for namespace, sentences in sorted(rules.items()):
            parts += [f"\n## Namespace {namespace}\n", *(f"- {each}" for each in sentences)]
        return "\n".join(parts) + "\n"

    async def _plan(self, context: Context, uri: str) -> tuple[StoredPlan, Plan]:
        """The caller's plan.

        Raises:
            MCPError: there is none of theirs.
            RedisUnavailable: nobody knows.
        """
        caller, plan_id = current(), plan_id_in(uri)
        if caller is not None and plan_id is not None:
            found = await self._desk.own_plan(caller, plan_id)
            if not isinstance(found, Refusal):
                return found
        raise MCPError(code=_not_found(context), message="Resource not found", data={"uri": uri})

    async def _own(
        self, context: Context, params: SubscriptionsListenRequestParams
    ) -> dict[str, Followed]:
        """The caller's plans among what they want to hear of; of others nothing is ever heard."""
        found = {}
        for uri in (params.notifications.resource_subscriptions or ())[:50]:
            try:
                stored, plan = await self._plan(context, uri)
            except (MCPError, Fault):
                continue
            found[plan.id] = self._known(stored, plan)
        return found

    def _known(self, stored: StoredPlan, plan: Plan) -> Followed:
        """What the caller could find out of a plan now."""
        state = self._desk.seen(stored, plan).state
        return Followed(state=state.value, expires_at=plan.expires_at)


def _text(uri: str, text: str, mime_type: str) -> ReadResourceResult:
    contents = TextResourceContents(uri=uri, text=text, mime_type=mime_type)
    return ReadResourceResult(contents=[contents])


def _not_found(context: Context) -> int:
    return INVALID_PARAMS if ends_the_call(context) else RESOURCE_NOT_FOUND


def _session_id(context: Context) -> str:
    """The session of a request.

    Raises:
        MCPError: it has none, and so no stream on which anything could be told.
    """
    request = context.request
    shown = request.headers.get("mcp-session-id") if request is not None else None
    if not shown:
        raise MCPError(code=INVALID_PARAMS, message="Subscriptions need a session")
    return str(shown)
