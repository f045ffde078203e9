"""Starts the gateway: `python -m api`."""

import logging
import sys

import uvicorn
from starlette.types import ASGIApp

from api.app import make_app, make_metrics
from api.draining import LAST_S, Draining, DrainingServer
from shared.errors import BadConfiguration
from shared.garbage import spare_what_lives_on
from shared.logs import configure
from shared.metrics import served
from shared.settings import GatewaySettings, read_gateway_settings
from shared.traces import traced

STARTUP_FAILED = 3
"""Uvicorn's own exit code for it."""


def main() -> None:
    """Serves until SIGTERM; exits with 2 when the configuration cannot be used."""
    try:
        settings = read_gateway_settings()
        configure("gateway", settings.log_format)
        # The SDK logs session ids, uvicorn its own life, httpx2 every request to the provider.
        for chatty in ("mcp", "uvicorn.error", "httpx2"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        metrics = make_metrics(settings)
        with traced(settings, _service(settings)) as tracer:
            app = make_app(settings, metrics, tracer)
            with served(metrics.registry, settings.metrics_address, settings.metrics_port):
                _serve(app, settings)
    except BadConfiguration as error:
        print(error, file=sys.stderr)  # noqa: T201 - there may be no log yet
        raise SystemExit(2) from None


def _service(settings: GatewaySettings) -> str:
    return "infragate-approvals" if settings.serves == "approvals" else "infragate-gateway"


def _serve(app: ASGIApp, settings: GatewaySettings) -> None:
    draining = Draining(app)
    config = uvicorn.Config(
        draining,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_S,
    )
    server = DrainingServer(
        config, draining, delay_s=settings.stop_delay_s, drain_s=settings.drain_s
    )
    spare_what_lives_on()
    server.run()
    if not server.started:
        raise SystemExit(STARTUP_FAILED)


if __name__ == "__main__":
    main()
