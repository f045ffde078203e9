"""Puts the real things together: the only place of the gateway that makes them."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
from fastapi import FastAPI
from mcp.server.lowlevel.server import Server
from starlette.types import ASGIApp

from api.client_key import read_client_key
from api.completing import Completer
from api.desk import Desk
from api.dispatch import Dispatch
from api.edge import AllowedHosts, at_edge
from api.fair_use import Allowance, FairUse
from api.headers import PageHeaders
from api.health import make_health
from api.login import Login
from api.numbering import Numbering
from api.oauth import ProtectedResource, Verifier
from api.pages import make_pages
from api.plan_ear import PlanEar
from api.provider import Provider, ProviderConfig, make_client
from api.remote import make_remote
from api.resources import Resources
from api.review import Review
from api.reviewed import Pins
from api.sessions import SharedSessions
from api.state_keys import request_state_security
from api.tools import SERVER_NAME, make_server
from api.visits import Visits
from shared.addresses import origin_of
from shared.keysets import RemoteKeys
from shared.logs import Log
from shared.release import VERSION
from shared.settings import GatewaySettings, is_loopback
from shared.stores.connection import AsyncRedis, connect_async
from shared.stores.logins import LoginStore
from shared.stores.mcp_follows import McpFollowStore
from shared.stores.mcp_proofs import McpProofStore
from shared.stores.mcp_rates import McpRateStore
from shared.stores.plans import PlanView

log = Log("gateway")


def make_app(settings: GatewaySettings) -> ASGIApp:
    """Returns what this process serves: agents, people, or on a laptop both."""
    redis = connect_async(
        settings.redis_url, timeout_s=settings.redis_timeout_s, ca_file=settings.redis_ca_file
    )
    dispatch = Dispatch(
        redis,
        _replica(settings),
        clock=time.time,
        max_in_flight=settings.max_in_flight,
    )
    keys = _provider_keys(settings)
    _say_what_is_not_covered(settings)
    ear = PlanEar()
    if settings.serves == "approvals":
        web = _web(settings, redis, dispatch, ear, sessions=None)
        return Numbering(_with_pages(web, settings, redis, dispatch, keys, ear))
    sessions = SharedSessions(
        _server(settings, redis, dispatch, ear),
        redis,
        ear,
        clock=time.time,
        max_request_body_size=settings.body_limit_bytes,
    )
    web = _web(settings, redis, dispatch, ear, sessions=sessions)
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
        ),
        allowed_hosts=_hosts(settings),
        allowed_origins=_origins(settings),
        max_body_bytes=settings.body_limit_bytes,
        fair_use=_fair_use(settings, redis),
    )


def _fair_use(settings: GatewaySettings, redis: AsyncRedis) -> Callable[[ASGIApp], ASGIApp]:
    """The layer that keeps one subject from taking everything."""
    allowance = Allowance(
        McpRateStore(
            redis,
            rate=settings.requests_per_second,
            burst=settings.requests_burst,
            clock=time.time,
        )
    )
    return partial(FairUse, allowance=allowance, at_a_time=settings.requests_at_a_time)


def _server(
    settings: GatewaySettings, redis: AsyncRedis, dispatch: Dispatch, ear: PlanEar
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
    )


def _web(
    settings: GatewaySettings,
    redis: AsyncRedis,
    dispatch: Dispatch,
    ear: PlanEar,
    *,
    sessions: SharedSessions | None,
) -> FastAPI:
    """The part that both kinds of process have: connections, their end, and health."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis.aclose)
            await dispatch.start()
            stack.push_async_callback(dispatch.stop)
            ears = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(ears.cancel_scope.cancel)
            ears.start_soon(ear.listen, redis)
            if sessions is not None:
                await stack.enter_async_context(sessions.run())
            log.info("gateway.started", serves=settings.serves, version=VERSION)
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
    review = Review(
        plans=PlanView(redis), dispatch=dispatch, pins=Pins.from_settings(settings), now=_now
    )
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
        )
    )
    guarded = PageHeaders(web, form_targets=provider.form_targets, production=settings.production)
    return _OwnHost(guarded, web, _hosts(settings))


class _OwnHost:
    """Asks pages for our own Host (DNS rebinding); health checks may come by any name."""

    def __init__(self, pages: ASGIApp, health: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._pages = AllowedHosts(pages, hosts)
        self._health = health

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # ASGI
        free = scope["type"] != "http" or scope["path"] in {"/healthz", "/readyz"}
        await (self._health if free else self._pages)(scope, receive, send)


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
    )


def _hosts(settings: GatewaySettings) -> tuple[str, ...]:
    """The names under which we are served; on a laptop also the usual ones of this machine.

    Pages with a process of their own have the one name that tells their cookies from the gateway's.
    """
    own = {urlsplit(url).netloc for url in _own_urls(settings)}
    return tuple(sorted(own | _further_hosts(settings)))


def _further_hosts(settings: GatewaySettings) -> set[str]:
    usual = {f"127.0.0.1:{settings.port}", f"localhost:{settings.port}"}
    alone = settings.production or settings.serves == "approvals"
    return set(settings.extra_hosts) | (set() if alone else usual)


def _origins(settings: GatewaySettings) -> tuple[str, ...]:
    """Whose pages may call: those of our own address; on a laptop under each of our names."""
    own = {origin_of(url) for url in _own_urls(settings)}
    if settings.production:
        return tuple(sorted(own))
    return tuple(sorted(own | {f"http://{host}" for host in _further_hosts(settings)}))


def _own_urls(settings: GatewaySettings) -> tuple[str, ...]:
    """What this process serves; the other kind of process has a name of its own."""
    urls = {"gateway": settings.oauth_resource, "approvals": settings.approval_base_url}
    return tuple(url for served, url in urls.items() if settings.serves in {"all", served})


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
