"""Real servers on free ports and a real Chromium: the pages, the issuer, workers that check."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakeredis
import httpx2
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    expect,
    sync_playwright,
)

from api.client_key import ClientKey
from dev.issuer.app import create_app
from dev.issuer.settings import Settings
from shared.keysets import RemoteKeys
from shared.plans import Identity
from shared.settings import GatewaySettings
from tests.api.stage import FakeWorkers, make_app
from tests.browser.whole_stack import stack  # noqa: F401 - a fixture

CHROMIUM = next((p for p in ("/usr/bin/chromium",) if Path(p).exists()), shutil.which("chromium"))
APPROVER = "dev-approver"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_MS = 30_000
"""How long a page may take to show something: a machine may be slow."""
expect.set_options(timeout=PATIENCE_MS)


def clock() -> int:
    return int(time.time())


@dataclass(slots=True)
class SiteClock:
    """The real time, or so many seconds after it."""

    ahead: int = 0

    def __call__(self) -> int:
        return clock() + self.ahead


@dataclass(slots=True, kw_only=True)
class Site:
    """The pages and the issuer as they are served, and the workers behind them."""

    base: str
    issuer: str
    workers: FakeWorkers
    clock: SiteClock


def sign_in(page: Page, site: Site, path: str = "/approvals", who: str = APPROVER) -> None:
    """Opens a page as somebody who is not signed in yet, and signs in on the way."""
    page.goto(site.base + path)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.locator(f"button[value={who}]").click()
    page.wait_for_url(site.base + path)


@contextmanager
def serving(app: Any, listener: socket.socket) -> Iterator[None]:
    """Serves an application in a thread until the block ends."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def listen() -> tuple[socket.socket, str]:
    """A listening socket on a free port, and its origin."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("issuer")
    key = ClientKey.of(generate_private_key(SECP256R1()))
    jwks = folder / "approval.jwks.json"
    jwks.write_text(json.dumps({"keys": [key.public_jwk()]}))
    (pages_socket, base), (issuer_socket, issuer) = listen(), listen()
    redirect = f"{base}/approvals/callback"
    settings = Settings(
        state=folder / "state", issuer=issuer, approval_redirects=(redirect,), approval_jwks=jwks
    )
    server = fakeredis.FakeServer()
    now = SiteClock()
    workers = FakeWorkers(server, now)
    workers.approvers = {Identity(iss=issuer, sub="dev-approver")}
    pages = make_app(
        server,
        workers,
        now,
        client=httpx2.AsyncClient(trust_env=False),
        keys=RemoteKeys(issuer=issuer, require_https=False),
        settings=GatewaySettings(
            oauth_authority=issuer, approval_base_url=base, oauth_resource=f"{base}/mcp"
        ),
        key=key,
    )
    with ExitStack() as servers:
        servers.enter_context(serving(create_app(settings), issuer_socket))
        servers.enter_context(serving(pages, pages_socket))
        yield Site(base=base, issuer=issuer, workers=workers, clock=now)


@pytest.fixture(scope="module")  # an open Playwright keeps an event loop running in this thread
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (/usr/bin/chromium or on PATH)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@dataclass(slots=True, kw_only=True)
class Watch:
    """What a page did that it must not do."""

    violations: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def watch(page: Page, site: Site) -> Watch:
    """Notes violations of the policy, requests to third parties and dialogs of `page`."""
    seen = Watch()

    def console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            seen.violations.append(message.text)

    def dialog(dialog: Dialog) -> None:
        seen.dialogs.append(dialog.message)
        dialog.dismiss()

    def request(request: Request) -> None:
        if not request.url.startswith((site.base, site.issuer)):
            seen.foreign.append(request.url)

    page.on("console", console)
    page.on("dialog", dialog)
    page.on("request", request)
    return seen
