"""A gateway that is told to stop: everybody hears of it, and each call in flight is answered."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
import redis.asyncio

from dev.redis_server import free_port
from shared.envelopes import Envelope, unpack
from shared.messages import Refused, reply_json
from tests.api.desk_stage import worker
from tests.journeys.live import PATIENCE_S
from tests.journeys.test_mcp import BOTH

pytestmark = pytest.mark.real_redis

CALLS = 100
TOKEN = "for-this-test-alone"
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "authorization": f"Bearer {TOKEN}",
    "accept": BOTH,
    "content-type": "application/json",
    "mcp-protocol-version": MODERN,
    "mcp-method": "tools/call",
    "mcp-name": "get_deployment_diagnostics",
}
QUEUE = "q:local.read"


def call(number: int) -> dict[str, object]:
    arguments = {"namespace": "a", "name": f"web-{number}"}
    params = {"name": "get_deployment_diagnostics", "arguments": arguments, "_meta": META}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


async def announce(client: "redis.asyncio.Redis") -> None:
    """As a worker does; this test is the worker."""
    said = worker(worker="w", namespaces=("a",), seen_at=int(time.time()))
    await client.set("wk:worker:w", said.model_dump_json())
    await client.sadd("wk:workers", "w")


async def until_ready(http: httpx2.AsyncClient, gateway: "subprocess.Popen[bytes]") -> None:
    while gateway.poll() is None:
        try:
            if (await http.get("/readyz")).status_code == 200:
                return
        except httpx2.TransportError:
            await asyncio.sleep(0.05)
    pytest.fail("the gateway did not start")


def settings_for(redis_url: str, port: int) -> dict[str, str]:
    return {
        "INFRA_GATE_SERVES": "gateway",
        "INFRA_GATE_REDIS_URL": redis_url,
        "INFRA_GATE_PORT": str(port),
        "INFRA_GATE_OAUTH_RESOURCE": f"http://127.0.0.1:{port}/mcp",
        "INFRA_GATE_STATIC_BEARER_TOKEN": TOKEN,
        "INFRA_GATE_MAX_IN_FLIGHT": str(2 * CALLS),
        "INFRA_GATE_REQUESTS_AT_A_TIME": str(2 * CALLS),
        "INFRA_GATE_READ_TIMEOUT_SECONDS": "120",
        "INFRA_GATE_DRAIN_SECONDS": "120",
    }


async def answered(queue: "redis.asyncio.Redis") -> None:
    """Takes each call off the queue and answers it."""
    for _ in range(CALLS):
        message = await queue.rpop(QUEUE)
        assert isinstance(message, bytes)
        envelope = unpack(message)
        assert isinstance(envelope, Envelope)
        refused = Refused(id=envelope.id, code="not_found", message="There is none.")
        await queue.rpush(envelope.reply_to, reply_json(refused))


async def stopped_meanwhile(
    gateway: "subprocess.Popen[bytes]", port: int, queue: "redis.asyncio.Redis"
) -> list[httpx2.Response]:
    """Has calls in flight when the gateway is told to stop; returns their answers."""
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        timeout=PATIENCE_S,
        trust_env=False,
        limits=httpx2.Limits(max_connections=2 * CALLS),
    ) as http:
        await announce(queue)
        await until_ready(http, gateway)
        calls = [
            asyncio.create_task(http.post("/mcp", json=call(number), headers=HEADERS))
            for number in range(CALLS)
        ]
        while await queue.llen(QUEUE) < CALLS:
            assert not any(one.done() for one in calls)
            await asyncio.sleep(0.01)
        kept = await asyncio.open_connection("127.0.0.1", port)
        gateway.send_signal(signal.SIGTERM)
        assert await stopping(*kept)
        await answered(queue)
        return await asyncio.gather(*calls)


def test_a_gateway_that_stops_says_so_and_answers_each_call_in_flight(
    redis_url: str, tmp_path: Path
) -> None:
    port = free_port()

    async def story(gateway: "subprocess.Popen[bytes]") -> list[httpx2.Response]:
        queue = redis.asyncio.Redis.from_url(redis_url)
        try:
            return await stopped_meanwhile(gateway, port, queue)
        finally:
            await queue.aclose()

    with (tmp_path / "gateway.log").open("wb") as log:
        environment = os.environ | settings_for(redis_url, port)
        gateway = subprocess.Popen(
            [sys.executable, "-m", "api"], env=environment, stdout=log, stderr=log
        )
        try:
            answers = asyncio.run(story(gateway))
            assert gateway.wait(PATIENCE_S) == 0
        finally:
            gateway.kill()
            gateway.wait()
    assert [answer.status_code for answer in answers] == [200] * CALLS
    assert all("There is none." in answer.text for answer in answers)
    assert {answer.headers["connection"] for answer in answers} == {"close"}


async def stopping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Asks `/readyz` over an open connection until it says 503."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            status = await reader.readline()
            if b" 503 " in status:
                writer.close()
                return True
            length = 0
            while (line := await reader.readline()).strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            await reader.readexactly(length)
