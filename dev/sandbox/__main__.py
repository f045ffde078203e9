"""Starts the simulated cluster as a process: `python -m dev.sandbox --port N --state DIR`.

Prints one line when it is ready, stops on SIGTERM or SIGINT.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dev.sandbox import kubeconfig, rbac
from dev.sandbox.admission import Admission
from dev.sandbox.sandbox import Sandbox, Settings

PLANNERS_POLICY = Path(__file__).parents[2] / "deploy" / "kubernetes" / "admission-policy.yaml"


def main(argv: list[str] | None = None) -> int:
    options = _arguments(argv)
    state: Path = options.state
    identities = rbac.load(options.rbac) if options.rbac else rbac.standard()
    files = options.admission or _policies_of(options.seed, options.emulate)
    if not files:
        identities.pop("planner", None)  # RBAC alone would let it write
    try:
        admission = _admission(files)
    except ValueError as error:
        print(f"simulated cluster: {error}", file=sys.stderr)
        return 2
    credentials = kubeconfig.prepare(state, list(identities), datetime.now(UTC))
    try:
        listener = socket.create_server((options.host, options.port), backlog=256)
        # asyncio does so only for sockets it made; without it a reply waits 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        print(f"simulated cluster: port {options.port}: {error.strerror}", file=sys.stderr)
        return 1
    port = listener.getsockname()[1]
    settings = Settings(
        modern=options.emulate != "1.20",
        pace=options.pace,
        demo=options.seed == "demo",
        state=None if options.forget else state,
    )
    url = options.url or f"https://127.0.0.1:{port}"
    kubeconfig.write(state, credentials, url)
    asyncio.run(_serve(settings, credentials, identities, listener, url, admission))
    return 0


def _policies_of(seed: str, emulate: str) -> list[Path]:
    """The demo's policies: the one that is shipped, where it is and servers know such things."""
    shipped = seed == "demo" and emulate != "1.20" and PLANNERS_POLICY.exists()
    return [PLANNERS_POLICY] if shipped else []


def _admission(files: list[Path]) -> Admission:
    """Raises ValueError for a file that cannot be obeyed."""
    if not files:
        return Admission()
    # Not in images, which have no policies either, and slow to import.
    from dev.sandbox import policies  # noqa: PLC0415

    return Admission(policies.load(files))


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dev.sandbox", description="A simulated Kubernetes API server."
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback, or all of a container")
    parser.add_argument("--url", help="what kubeconfigs name, if reached by another name")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="certificates and kubeconfigs")
    parser.add_argument("--seed", choices=("none", "demo"), default="none")
    parser.add_argument("--emulate", choices=("1.36", "1.20"), default="1.36")
    parser.add_argument("--pace", type=float, default=1.0, help="1: a rollout takes 1 to 2 s")
    parser.add_argument("--rbac", type=Path, help="JSON file with other rules")
    parser.add_argument(
        "--admission",
        type=Path,
        action="append",
        metavar="FILE",
        help="policies and bindings; the demo has the planner's if none is named",
    )
    parser.add_argument("--forget", action="store_true", help="keep no objects between runs")
    return parser.parse_args(argv)


class _Uvicorn(uvicorn.Server):
    """Says when it is ready, and does not wait for idle clients when told to stop."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event, line: str) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._line = line

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own would raise the signal again before the objects are saved."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._line, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        self.force_exit = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpToolsProtocol) and _is_over(connection.cycle):
                # Closed politely, TLS waits for the client's farewell, and Python 3.12 for TLS.
                connection.transport.abort()
        await super().shutdown(sockets)


def _is_over(cycle: RequestResponseCycle | None) -> bool:
    """Whether the last request of a connection, if it had one, has been answered."""
    return cycle is None or cycle.response_complete


async def _serve(
    settings: Settings,
    credentials: kubeconfig.Credentials,
    identities: dict[str, rbac.Identity],
    listener: socket.socket,
    url: str,
    admission: Admission,
) -> None:
    tokens = {token: name for name, token in credentials.tokens.items()}
    sandbox = Sandbox(settings, identities=identities, tokens=tokens, admission=admission)
    sandbox.start()
    config = uvicorn.Config(
        sandbox.server,
        ssl_certfile=credentials.certificate,
        ssl_keyfile=credentials.key,
        log_level="warning",
        access_log=False,
        lifespan="off",
        http="httptools",
        ws="none",
        loop="asyncio",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    version = "v1.36" if settings.modern else "v1.20"
    line = f"simulated cluster {version} ready at {url}"
    try:
        await _Uvicorn(config, sandbox.server.stopping, line).serve([listener])
    finally:
        await sandbox.stop()


if __name__ == "__main__":
    raise SystemExit(main())
