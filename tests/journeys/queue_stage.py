"""A gateway's dispatch and real worker processes around one Redis, for the journeys of calls."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from api.dispatch import Dispatch
from shared.errors import RedisUnavailable
from shared.messages import Announcement, Role
from shared.stores.connection import connect_async

ROOT = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 60.0
"""On a busy machine; a worker allows itself far less."""

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {token: none}}]
"""


class WorkerProcess:
    """One `tests.journeys.queue_worker`, with its log."""

    def __init__(self, redis_url: str, folder: Path, **variables: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kubeconfig").write_text(KUBECONFIG)
        self.folder = folder
        self._log = folder / "worker.log"
        environment = {
            **os.environ,
            "INFRA_GATE_REDIS_URL": redis_url,
            "KUBECONFIG": str(folder / "kubeconfig"),
            "INFRA_GATE_KEYS_ROOT": str(folder / "keys"),
            "INFRA_GATE_GUARD_AUDIT_ROOT": str(folder / "audit"),
            "K8S_MCP_APPROVAL_ROOT": str(folder),
            "INFRA_GATE_LOG_FORMAT": "json",
            "INFRA_GATE_DRAIN_SECONDS": "4",
            **variables,
        }
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.journeys.queue_worker"],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log_text(self) -> str:
        """Everything that the process has written."""
        return self._log.read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = (json.loads(line) for line in self.log_text().splitlines())
        return [line for line in lines if line["event"] == name]

    async def said(self, name: str) -> None:
        """Returns when the log has a line of this event."""
        async with asyncio.timeout(60):
            while not self.events(name):  # noqa: ASYNC110 - another process's log
                await asyncio.sleep(0.1)

    def ask_to_stop(self) -> None:
        """Sends the signal of an orchestrator."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Ends it as an orchestrator would; returns its exit code."""
        self.ask_to_stop()
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """Ends it without asking."""
        self.process.kill()
        self.process.wait()


@asynccontextmanager
async def dispatching(
    url: str, replica: str = "me", *, max_in_flight: int = 64, timeout_s: float = 2
) -> AsyncIterator[Dispatch]:
    """A started dispatch on a Redis."""
    redis = connect_async(SecretStr(url), timeout_s=timeout_s)
    dispatch = Dispatch(redis, replica, clock=time.time, max_in_flight=max_in_flight)
    await dispatch.start()
    try:
        yield dispatch
    finally:
        await dispatch.stop()
        await redis.aclose()


async def until(
    dispatch: Dispatch, enough: Callable[[tuple[Announcement, ...]], bool]
) -> tuple[Announcement, ...]:
    """Waits until the announced workers are as wanted; Redis may have been away just now."""
    async with asyncio.timeout(START_S):
        while True:
            with suppress(RedisUnavailable):
                if enough(workers := await dispatch.workers()):
                    return workers
            await asyncio.sleep(0.1)


async def until_served(dispatch: Dispatch, role: Role = Role.READ) -> None:
    """Waits until some worker has `role`."""
    await until(dispatch, lambda workers: any(role in worker.roles for worker in workers))
