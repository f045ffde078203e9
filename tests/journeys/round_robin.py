"""Gateway replicas as processes behind a proxy that sends every request to the next one."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dev.redis_server import free_port
from dev.stack.parts import GATEWAY, Wish, parts
from tests.journeys.live import Live

ROOT = Path(__file__).parents[2]
START_S = 30.0
STOP_S = 60.0
UNLIMITED = httpx2.Limits(max_connections=None, max_keepalive_connections=0)


class Proxy:
    """Each request goes to the next replica; one that cannot be reached is passed over."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.served: list[str] = []
        """Which replica answered, request by request."""
        self._turns = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._forward, scope, body, send, tasks.cancel_scope)
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

    async def _forward(
        self, scope: Scope, body: bytes, send: Send, done: anyio.CancelScope
    ) -> None:
        timeout = httpx2.Timeout(60, connect=2)
        async with httpx2.AsyncClient(trust_env=False, timeout=timeout, limits=UNLIMITED) as client:
            for turn in itertools.islice(self._turns, 4):
                target = self.targets[turn % len(self.targets)]
                request = client.build_request(
                    scope["method"], target + _path(scope), headers=scope["headers"], content=body
                )
                try:
                    answer = await client.send(request, stream=True)
                except httpx2.ConnectError:
                    continue  # nothing was sent: the next one can have it
                except httpx2.TransportError:
                    break  # whether it was begun is for the client to find out
                self.served.append(target)
                await self._pass_on(answer, send)
                done.cancel()
                return
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b"no replica"})
        done.cancel()

    async def _pass_on(self, answer: httpx2.Response, send: Send) -> None:
        start: Message = {
            "type": "http.response.start",
            "status": answer.status_code,
            "headers": [
                pair for pair in answer.headers.raw if pair[0].lower() != b"transfer-encoding"
            ],
        }
        await send(start)
        async for piece in answer.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The replicas and the address under which all of them are one."""

    live: Live
    port: int
    proxy: Proxy
    folder: Path
    names: tuple[str, ...] = ()
    """Further ones under which clients come."""
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def mcp(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start_one(self) -> str:
        """Starts a replica and returns its address when it answers."""
        port = free_port()
        target = f"http://127.0.0.1:{port}"
        wish = Wish(kubeconfig=None, namespaces=(self.live.namespace,), workers=1)
        own = next(
            one for one in parts(self.live.places, self.live.record, wish) if one.name == GATEWAY
        )
        environment = {
            **own.environment,
            "INFRA_GATE_PORT": str(port),
            "INFRA_GATE_ALLOWED_HOSTS": ",".join((f"127.0.0.1:{self.port}", *self.names)),
            # One subject is all of the traffic here.
            "INFRA_GATE_REQUESTS_PER_SECOND": "10000",
            "INFRA_GATE_REQUESTS_BURST": "10000",
        }
        with (self.folder / f"{port}.log").open("ab") as log:
            self.processes[target] = subprocess.Popen(
                [sys.executable, "-m", "api"],
                env={**os.environ, **environment},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until_it_answers(target, self.processes[target])
        self.proxy.targets.append(target)
        return target

    def stop_one(self, target: str) -> None:
        """Ends a replica as an orchestrator would: no new requests, then SIGTERM."""
        self.proxy.targets.remove(target)
        process = self.processes.pop(target)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0

    def logs(self) -> str:
        return "".join(path.read_text("utf-8") for path in self.folder.glob("*.log"))


@contextmanager
def fleet(
    live: Live,
    folder: Path,
    *,
    count: int = 2,
    entrance: Callable[[ASGIApp], ASGIApp] = lambda proxy: proxy,
    names: tuple[str, ...] = (),
) -> Iterator[Fleet]:
    """That many replicas of the stack's gateway, behind one address.

    `entrance` may put something in front of the round robin.
    """
    it = Fleet(live=live, port=free_port(), proxy=Proxy(), folder=folder, names=names)
    config = uvicorn.Config(
        entrance(it.proxy),
        port=it.port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="round robin")
    try:
        for _ in range(count):
            it.start_one()
        thread.start()
        yield it
    finally:
        server.should_exit = True
        if thread.ident is not None:
            thread.join(STOP_S)
        for process in it.processes.values():
            process.kill()
            process.wait()


def _path(scope: Scope) -> str:
    query = scope["query_string"].decode("ascii")
    return f"{scope['path']}?{query}" if query else str(scope["path"])


def until_it_answers(target: str, process: "subprocess.Popen[bytes]") -> None:
    """Returns when the process says that it is ready."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx2.get(f"{target}/readyz", trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the replica {target} does not answer")


def main(arguments: Sequence[str]) -> None:
    """Serves a port, request by request from the next target, until it is told to stop."""
    port, *targets = arguments
    proxy = Proxy()
    proxy.targets.extend(targets)
    uvicorn.run(proxy, port=int(port), log_level="warning", lifespan="off")


if __name__ == "__main__":
    main(sys.argv[1:])
