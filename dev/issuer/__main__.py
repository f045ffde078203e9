"""`python -m dev.issuer`: refuses production, says loudly what it is, serves until told to stop."""

import argparse
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.issuer.settings import (
    DEFAULT_APPROVAL_REDIRECT,
    DEFAULT_PORT,
    DEFAULT_RESOURCE,
    Settings,
)
from shared.errors import BadConfiguration, Fault

ENVIRONMENT = "INFRA_GATE_ENVIRONMENT"
REFUSED = 2
"""Exit code for a configuration under which this issuer must not run."""
_BANNER = """
  ############################################################
  #                                                          #
  #                   DEVELOPMENT   ONLY                     #
  #                                                          #
  #    This identity provider signs in anybody as anybody.   #
  #    Never let a real cluster's gateway trust it.          #
  #                                                          #
  ############################################################
"""


def main(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> int:
    """Serves the issuer, or prints a token (`token`). Answers the exit code."""
    if environment.get(ENVIRONMENT, "").strip().lower() == "production":
        print(
            f"The development issuer does not run with {ENVIRONMENT}=Production: "
            "it signs in anybody as anybody. "
            "Set INFRA_GATE_OAUTH_AUTHORITY to your identity provider instead.",
            file=sys.stderr,
        )
        return REFUSED
    options = _parser().parse_args(arguments)
    try:
        return _print_token(options) if options.command == "token" else _serve(options)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return REFUSED if isinstance(fault, BadConfiguration) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.issuer", description=_doc())
    parser.add_argument("command", nargs="?", choices=["serve", "token"], default="serve")
    add = parser.add_argument
    add("--port", type=int, default=DEFAULT_PORT)
    add("--host", default="127.0.0.1", help="address to listen on (in a container: 0.0.0.0)")
    add("--state", type=Path, required=True, help="folder of keys, clients and logins")
    add("--issuer", help="the exact issuer URL; default http://127.0.0.1:PORT")
    add("--allowed-host", action="append", default=[], help="one more Host value, as name:port")
    add("--resource", action="append", help=f"audience of tokens; default {DEFAULT_RESOURCE}")
    add("--approval-client-jwks", type=Path, help="public keys of the approval pages' client")
    add("--approval-redirect", action="append", help=f"default {DEFAULT_APPROVAL_REDIRECT}")
    add("--subject", default="dev-requester", help="whose token `token` prints")
    add("--scope", default="mcp:tools", help="what the token of `token` may do")
    return parser


def _doc() -> str:
    return "OpenID provider for development. Not for production: it signs in anybody as anybody."


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        state=options.state,
        issuer=_issuer(options),
        resources=tuple(options.resource or [DEFAULT_RESOURCE]),
        approval_redirects=tuple(options.approval_redirect or [DEFAULT_APPROVAL_REDIRECT]),
        approval_jwks=options.approval_client_jwks,
        allowed_hosts=tuple(options.allowed_host),
    )


def _issuer(options: argparse.Namespace) -> str:
    return (options.issuer or f"http://127.0.0.1:{options.port}").rstrip("/")


def _print_token(options: argparse.Namespace) -> int:
    from dev.issuer.minting import mint_token  # noqa: PLC0415 - the server starts faster without

    resource = options.resource[0] if options.resource else None
    print(mint_token(_issuer(options), options.state, options.subject, options.scope, resource))
    return 0


def _serve(options: argparse.Namespace) -> int:
    import uvicorn  # noqa: PLC0415 - the refusals above need no server

    from dev.issuer.app import create_app  # noqa: PLC0415 - likewise

    logging.basicConfig(level=logging.INFO, format="issuer: %(message)s")
    settings = _settings(options)
    app = create_app(settings)
    listener = _listen(options.host, options.port)
    print(
        f"{_BANNER}\n  issuer {settings.issuer}, tokens for {settings.resources[0]}\n", flush=True
    )
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    signal.signal(signal.SIGTERM, _leave)  # uvicorn raises the signal again when it has stopped
    signal.signal(signal.SIGINT, _leave)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        PortTaken: somebody else has the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"The issuer cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def _leave(_signal: int, _frame: object) -> None:
    sys.exit(0)


class PortTaken(Fault):
    """The address to listen on is in use or not ours."""

    code = "port_taken"


if __name__ == "__main__":
    sys.exit(main())
