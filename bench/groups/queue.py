"""The queue hop: our dispatch and an empty verb, beside stock Celery and an empty task.

Both on one Redis, both asked from this process, so what a caller spends counts on both sides.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import redis
from pydantic import SecretStr

from api.dispatch import Dispatch
from bench.bench import Bench
from bench.figures import Figure, Found, per_second, seconds
from bench.processes import python, running
from bench.timing import Timed, joined
from dev.redis_server import RedisServer, free_port
from dev.stack.processes import Running
from shared.messages import ReadCall
from shared.stores.announcements import INDEX
from shared.stores.connection import connect_async

GROUP: Final = "queue"
CALLS: Final = {1: 200, 8: 400, 64: 640}
NOWHERE: Final = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "none",
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {"token": "none"}}],
}

Call = Callable[[], Awaitable[Any]]


def measure(bench: Bench) -> Found:
    """One worker process of ours with 16 threads; stock Celery with two processes."""
    with (
        tempfile.TemporaryDirectory(prefix="infragate-bench-") as folder,
        RedisServer(free_port(), Path(folder) / "redis") as server,
        _our_worker(server.url, Path(folder)),
        _stock_worker(server.url),
    ):
        return Found(figures=tuple(asyncio.run(_measured(bench, server.url))))


def _our_worker(url: str, folder: Path) -> AbstractContextManager[Running]:
    (folder / "kubeconfig").write_text(json.dumps(NOWHERE))
    environment = {
        "INFRA_GATE_REDIS_URL": url,
        "INFRA_GATE_WORKER_ROLES": "read",
        "KUBECONFIG": str(folder / "kubeconfig"),
        "INFRA_GATE_KEYS_ROOT": str(folder / "keys"),
        "INFRA_GATE_GUARD_AUDIT_ROOT": str(folder / "audit"),
        "K8S_MCP_APPROVAL_ROOT": str(folder),
    }
    asked = redis.Redis.from_url(url)
    return running(python("bench.hop_worker"), lambda: bool(asked.exists(INDEX)), environment)


def _stock_worker(url: str) -> AbstractContextManager[Running]:
    command = python(
        "celery", "-A", "bench.stock", "worker", "--concurrency", "2", "--loglevel", "WARNING"
    )
    asked = redis.Redis.from_url(url)
    return running(
        command, lambda: bool(asked.exists("_kombu.binding.celery")), {"BENCH_REDIS": url}
    )


async def _measured(bench: Bench, url: str) -> list[Figure]:
    client = connect_async(SecretStr(url), timeout_s=30)
    dispatch = Dispatch(client, "bench", clock=time.time, max_in_flight=256)
    await dispatch.start()
    with ThreadPoolExecutor(64) as threads:
        ask = _stock_call(url, threads)
        try:
            figures: list[Figure] = []
            for clients, calls in CALLS.items():
                figures += await _at(bench, dispatch, ask, clients, bench.few(calls, least=clients))
        finally:
            await dispatch.stop()
            await client.aclose()
    return figures


def _stock_call(url: str, threads: ThreadPoolExecutor) -> Call:
    """As the gateway would have to do it: a thread for each call, blocked until its answer."""
    from bench import stock  # noqa: PLC0415 - the worker's process reads the address on import

    stock.app.conf.update(broker_url=url, result_backend=url)

    def blocking() -> Any:
        return stock.echo.apply_async(({"name": "nginx"},)).get(timeout=60)

    async def call() -> Any:
        return await asyncio.get_running_loop().run_in_executor(threads, blocking)

    return call


async def _at(
    bench: Bench, dispatch: Dispatch, stock: Call, clients: int, calls: int
) -> list[Figure]:
    async def ours() -> Any:
        call = ReadCall(tool="echo", arguments={"name": "nginx"})
        return await dispatch.call("local", call, timeout_s=60, subject="bench")

    mine: list[Timed] = []
    theirs: list[Timed] = []
    for number in range(bench.rounds + 1):
        for one, taken in ((ours, mine), (stock, theirs)):
            timed = await _timed(one, calls=calls, clients=clients)
            if number:
                taken.append(timed)
    hop, celery = joined(mine), joined(theirs)
    who = "1 caller" if clients == 1 else f"{clients} callers"
    note = "reference: stock Celery, prefork with 2 processes, .get()"
    return [
        Figure(
            group=GROUP,
            name=f"queue round trip, {who}, p50",
            ours=seconds(hop.p50),
            reference=seconds(celery.p50),
            note=note,
        ),
        *(
            Figure(
                group=GROUP,
                name=f"queue round trips, {who}, calls/s",
                ours=per_second(hop.per_second),
                reference=per_second(celery.per_second),
                note=note,
            )
            for _ in range(clients > 1)
        ),
    ]


async def _timed(call: Call, *, calls: int, clients: int) -> Timed:
    each: list[float] = []

    async def caller() -> None:
        for _ in range(calls // clients):
            began = time.perf_counter()
            await call()
            each.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(clients)))
    return Timed(each=tuple(each), together=time.perf_counter() - began)
