"""Puts the issuer together: the only place that makes its parts and gives them addresses."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dev.issuer.assertions import ClientAuthentication
from dev.issuer.authorize import Authorize, Logout
from dev.issuer.clients import Clients
from dev.issuer.codes import Codes
from dev.issuer.endpoints import Endpoints
from dev.issuer.fence import Fence
from dev.issuer.files import own_folder
from dev.issuer.grants import Grants
from dev.issuer.keys import Keyring
from dev.issuer.metadata import authorization_server, openid_configuration
from dev.issuer.pages import FOLDER, Pages
from dev.issuer.par import PushedRequests
from dev.issuer.proofs import Proofs
from dev.issuer.refresh import RefreshTokens
from dev.issuer.sessions import Sessions
from dev.issuer.settings import Settings
from dev.issuer.shortcut import Shortcut
from dev.issuer.tokens import Tokens


def create_app(settings: Settings) -> Starlette:
    """The issuer as an ASGI application; its state is read from `settings.state`.

    Raises:
        BadConfiguration: a state file or the approval client's JWKS cannot be used.
    """
    own_folder(settings.state)
    keys = Keyring(settings.state / "keys.json", clock=settings.clock)
    clients = Clients(settings)
    sessions = Sessions(settings.state / "sessions.json", clock=settings.clock)
    refresh = RefreshTokens(settings.state / "refresh.json", clock=settings.clock)
    tokens = Tokens(settings, keys)
    codes = Codes(settings.clock, refresh)
    pushed = PushedRequests(settings, clients)
    pages = Pages()
    authorize = Authorize(
        settings, clients=clients, pushed=pushed, sessions=sessions, codes=codes, pages=pages
    )
    endpoints = Endpoints(
        clients=clients,
        authentication=ClientAuthentication(settings, clients),
        pushed=pushed,
        grants=Grants(codes, refresh, tokens),
        proofs=Proofs(settings),
        tokens=tokens,
    )
    return Starlette(
        routes=[
            *_published(settings, keys),
            *_for_people(authorize, Logout(settings, sessions, pages)),
            *_for_programs(endpoints),
            *_for_development(Shortcut(settings, keys, tokens)),
        ],
        middleware=[Middleware(Fence, hosts=settings.hosts, issuer=settings.issuer)],
    )


def _published(settings: Settings, keys: Keyring) -> list[Route | Mount]:
    async def server(http: Request) -> Response:
        return JSONResponse(authorization_server(settings, host=http.headers["host"]))

    async def provider(http: Request) -> Response:
        return JSONResponse(openid_configuration(settings, host=http.headers["host"]))

    async def jwks(_: Request) -> Response:
        return JSONResponse(keys.jwks())

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "environment": "development only"})

    return [
        Route("/.well-known/oauth-authorization-server", server),
        Route("/.well-known/openid-configuration", provider),
        Route("/jwks", jwks),
        Route("/healthz", health),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]


def _for_people(authorize: Authorize, logout: Logout) -> list[Route]:
    async def to_logout(_: Request) -> Response:
        return RedirectResponse("/authorize/logout", 303)

    return [
        Route("/authorize", authorize.show),
        Route("/authorize/login", authorize.sign_in, methods=["POST"]),
        Route("/authorize/logout", logout.ask),
        Route("/authorize/logout", logout.sign_out, methods=["POST"]),
        Route("/logout", to_logout),
    ]


def _for_programs(endpoints: Endpoints) -> list[Route]:
    return [
        Route("/register", endpoints.register, methods=["POST"]),
        Route("/par", endpoints.push, methods=["POST"]),
        Route("/token", endpoints.token, methods=["POST"]),
        Route("/userinfo", endpoints.userinfo, methods=["GET", "POST"]),
    ]


def _for_development(shortcut: Shortcut) -> list[Route]:
    return [
        Route("/_dev/token", shortcut.token, methods=["POST"]),
        Route("/_dev/rotate", shortcut.rotate, methods=["POST"]),
    ]
