"""Puts the real things together: the only place of the gateway that makes them."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import anyio
from fastapi import FastAPI
from mcp.server.lowlevel.server import Server
from starlette.types import ASGIApp

from api import own_names
from api.allowance import Allowance
from api.catalog import BY_NAME
from api.client_key import read_client_key
from api.completing import Completer
from api.desk import Desk
from api.dispatch import Dispatch
from api.edge import OwnHost, at_edge
from api.fair_use import FairUse
from api.headers import PageHeaders
from api.health import make_health
from api.login import Login
from api.metrics import Counted, Metrics
from api.numbering import Numbering
from api.oauth import Verifier
from api.pages import make_pages
from api.past import Memory
from api.plan_ear import PlanEar
from api.protected_resource import ProtectedResource
from api.provider import Provider, ProviderConfig, make_client
from api.queue_room import QueueRoom
from api.remote import make_remote
from api.resources import Resources
from api.review import Review
from api.serving_with import serving_with
from api.sessions import SharedSessions
from api.sources import Pins, Sources
from api.standing import Standing
from api.state_keys import request_state_security
from api.tools import SERVER_NAME, make_server
from api.visits import Visits
from shared.keysets import RemoteKeys
from shared.logs import Log
from shared.release import VERSION
from shared.settings import GatewaySettings, is_loopback
from shared.stores.connection import AsyncRedis, connect, connect_async
from shared.stores.history import HistoryView
from shared.stores.logins import LoginStore
from shared.stores.mcp_follows import McpFollowStore
from shared.stores.mcp_proofs import McpProofStore
from shared.stores.mcp_shares import McpShareStore
from shared.stores.overview import overview
from shared.stores.plan_view import PlanView
from shared.tracing import Tracer

log = Log("gateway")

Background: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""What a process does beside its requests, until it is cancelled."""


def make_metrics(settings: GatewaySettings) -> Metrics:
    """Returns the figures of this process; where agents come to it, also those of all in Redis."""
    metrics = Metrics(settings.serves, tools=BY_NAME)
    if settings.serves != "approvals" and settings.metrics_port is not None:
        redis = connect(  # of its own: the listener's thread is not on the event loop
            settings.redis_url, timeout_s=settings.redis_timeout_s, ca_file=settings.redis_ca_file
        )
        metrics.registry.register(Standing(partial(overview, redis), time.time))
    return metrics


def make_app(
    settings: GatewaySettings, metrics: Metrics | None = None, tracer: Tracer | None = None
) -> ASGIApp:
    """Returns what this process serves: agents, people, or on a laptop both.

    With a `tracer` the tool calls of agents are traced.
    """
    metrics = metrics or make_metrics(settings)
    redis = connect_async(
        settings.redis_url, timeout_s=settings.redis_timeout_s, ca_file=settings.redis_ca_file
    )
    dispatch = Dispatch(
        redis,
        _replica(settings),
        clock=time.time,
        max_in_flight=settings.max_in_flight,
        metrics=metrics,
    )
    keys = _provider_keys(settings)
    _say_what_is_not_covered(settings)
    ear = PlanEar()
    hears: Background = partial(ear.listen, redis)
    if settings.serves == "approvals":
        web = _web(settings, redis, dispatch, hears, sessions=None)
        pages = _with_pages(web, settings, redis, dispatch, keys, ear)
        return Numbering(Counted(pages, metrics, door="pages"))
    sessions = SharedSessions(
        _server(settings, redis, dispatch, ear, metrics),
        redis,
        ear,
        clock=time.time,
        max_request_body_size=settings.body_limit_bytes,
        metrics=metrics,
    )
    allowance = _allowance(settings, redis)
    web = _web(settings, redis, dispatch, hears, allowance.keep_up, sessions=sessions)
    other: ASGIApp = web
    if settings.serves == "all":
        other = _with_pages(web, settings, redis, dispatch, keys, ear)
    return at_edge(
        mcp=sessions.handle_request,
        other=other,
        verifier=_verifier(settings, keys, redis),
        resource=ProtectedResource(
            resource=settings.oauth_resource,
            issuer=settings.oauth_authority,
            full_scope=settings.oauth_scope,
            bound_tokens_only=settings.dpop_required,
        ),
        allowed_hosts=own_names.hosts(settings),
        allowed_origins=own_names.origins(settings),
        max_body_bytes=settings.body_limit_bytes,
        fair_use=partial(FairUse, allowance=allowance, metrics=metrics),
        room=QueueRoom(dispatch.admission, dispatch.workers, metrics).refusal,
        metrics=metrics,
        tracer=tracer,
    )


def _allowance(settings: GatewaySettings, redis: AsyncRedis) -> Allowance:
    """What keeps one subject from taking everything."""
    return Allowance(
        McpShareStore(
            redis,
            secrets.token_hex(8),
            rate=settings.requests_per_second,
            burst=settings.requests_burst,
            at_a_time=settings.requests_at_a_time,
        )
    )


def _server(
    settings: GatewaySettings,
    redis: AsyncRedis,
    dispatch: Dispatch,
    ear: PlanEar,
    metrics: Metrics,
) -> Server[Any]:
    """What agents speak with."""
    plans = PlanView(redis)
    desk = Desk(dispatch, plans, ear, settings, time.time)
    return make_server(
        desk,
        VERSION,
        resources=Resources(desk, plans, McpFollowStore(redis), ear, clock=time.time),
        completer=Completer(desk, settings.oauth_scope),
        security=request_state_security(settings.state_key_file, audience=SERVER_NAME),
        metrics=metrics,
    )


def _web(
    settings: GatewaySettings,
    redis: AsyncRedis,
    dispatch: Dispatch,
    *beside: Background,
    sessions: SharedSessions | None,
) -> FastAPI:
    """The part that both kinds of process have: what goes on `beside` requests, and health."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis.aclose)
            await dispatch.start()
            stack.push_async_callback(dispatch.stop)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            for each in beside:
                tasks.start_soon(each)
            if sessions is not None:
                await stack.enter_async_context(sessions.run())
            log.info("gateway.started", serves=settings.serves, version=VERSION, **serving_with())
            yield
            log.info("gateway.stopping")

    web = FastAPI(
        title="InfraGate", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    web.include_router(make_health(dispatch, time.time))
    return web


def _with_pages(
    web: FastAPI,
    settings: GatewaySettings,
    redis: AsyncRedis,
    dispatch: Dispatch,
    keys: RemoteKeys,
    ear: PlanEar,
) -> ASGIApp:
    if settings.approval_client_key_file is None:
        log.warning("pages.off", reason="INFRA_GATE_APPROVAL_CLIENT_KEY_FILE is not set")
        return web
    config = ProviderConfig.from_settings(settings)
    provider = Provider(
        config,
        key=read_client_key(settings.approval_client_key_file),
        client=make_client(config),
        now=_now,
    )
    login = Login(
        store=LoginStore(redis),
        provider=provider,
        keys=keys,
        base_url=settings.approval_base_url,
        now=_now,
    )
    pins = Pins.from_settings(settings)
    review = Review(Sources(plans=PlanView(redis), dispatch=dispatch, pins=pins, now=_now))
    if settings.terminal_client_id is not None:
        web.include_router(
            make_remote(
                review=review,
                visits=Visits(
                    store=LoginStore(redis),
                    keys=keys,
                    issuer=settings.oauth_authority,
                    client_id=settings.terminal_client_id,
                    now=_now,
                ),
            )
        )
    web.include_router(
        make_pages(
            review=review,
            login=login,
            provider=provider,
            settings=settings,
            now=_now,
            ear=ear,
            memory=Memory(history=HistoryView(redis), dispatch=dispatch, pins=pins),
        )
    )
    guarded = PageHeaders(web, form_targets=provider.form_targets, production=settings.production)
    return OwnHost(guarded, web, own_names.hosts(settings))


def _replica(settings: GatewaySettings) -> str:
    """A random id; by its first word Redis tells the gateway's replies from those of the pages."""
    kind = "approvals" if settings.serves == "approvals" else "gateway"
    return f"{kind}-{secrets.token_hex(8)}"


def _provider_keys(settings: GatewaySettings) -> RemoteKeys:
    lenient = not settings.production and is_loopback(settings.oauth_authority)
    return RemoteKeys(
        issuer=settings.oauth_authority,
        metadata_url=settings.oauth_metadata_address,
        require_https=settings.oauth_require_https_metadata and not lenient,
    )


def _verifier(settings: GatewaySettings, keys: RemoteKeys, redis: AsyncRedis) -> Verifier:
    static = settings.static_bearer_token
    return Verifier(
        keys=keys,
        issuer=settings.oauth_authority,
        resource=settings.oauth_resource,
        clock=time.time,
        full_scope=settings.oauth_scope,
        static_token=static.get_secret_value() if static else None,
        spend=McpProofStore(redis).spend,
        bound_tokens_only=settings.dpop_required,
    )


def _say_what_is_not_covered(settings: GatewaySettings) -> None:
    if settings.serves == "all":
        log.warning(
            "approvals.share_the_gateways_origin",
            meaning="a compromised gateway is not covered in this mode",
        )
    if settings.static_bearer_token is not None:
        log.warning("static_bearer.on", meaning="for local demos only")


def _now() -> int:
    return int(time.time())
