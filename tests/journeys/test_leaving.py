"""Clients that leave: their calls are not begun, or stop; what an applier has begun is ended."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.journeys.live import PATIENCE_S, Live
from tests.journeys.test_mcp import BOTH, INITIALIZE

pytestmark = pytest.mark.stack

MODERN = "2026-07-28"
LATENCY_MS = 5000
"""Of the simulated cluster's answer to the first of a call's requests: so long the gateway has to
note that its client left."""


@pytest.fixture
def curl(live: Live) -> Iterator[httpx2.Client]:
    with live.http(**headers_of(live)) as client:
        yield client


@pytest.fixture
def sandbox(live: Live) -> Iterator[httpx2.Client]:
    """The simulated cluster's own door, after the next look at a Deployment was made slow."""
    token = json.loads((live.places.sandbox / "tokens.json").read_text())["admin"]
    with httpx2.Client(
        base_url=f"https://127.0.0.1:{live.record.sandbox_port}/_sandbox",
        headers={"Authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=str(live.places.sandbox / "ca.crt")),
        trust_env=False,
    ) as client:
        fault = {"match": {"resource": "deployments"}, "fault": "latency", "ms": LATENCY_MS}
        client.post("/faults", json=[fault]).raise_for_status()
        yield client


def headers_of(live: Live) -> dict[str, str]:
    return {
        "authorization": f"Bearer {live.token()}",
        "accept": BOTH,
        "content-type": "application/json",
    }


def asks_and_leaves(
    live: Live, sandbox: httpx2.Client, call: dict[str, object], headers: dict[str, str]
) -> None:
    """Sends a call, and closes its connection when a worker has asked the cluster for it."""

    async def story() -> None:
        async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
            everything = headers_of(live) | headers
            asked = asyncio.create_task(client.post(live.mcp, json=call, headers=everything))
            # A fault is spent by the request that it slows down.
            while sandbox.get("/faults").json():  # noqa: ASYNC110 - the sandbox tells nobody
                await asyncio.sleep(0.01)
            assert not asked.done()
            asked.cancel()
            await asyncio.wait([asked])

    asyncio.run(story())


def diagnosed(live: Live, **meta: object) -> dict[str, object]:
    """A call that needs several requests to the cluster, one after the other."""
    arguments = {"namespace": live.namespace, "name": "nginx"}
    params = {"name": "get_deployment_diagnostics", "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


def logged(live: Live, part: str, pattern: str) -> list[str]:
    """What a part has logged of that kind by now."""
    log = live.places.logs / f"{part}.log"
    return [line for line in log.read_text().splitlines() if re.search(pattern, line)]


def lines(live: Live, part: str, pattern: str, beyond: int = 0) -> list[str]:
    """The same, as soon as it is more than there was."""
    latest = time.monotonic() + PATIENCE_S
    while True:
        found = logged(live, part, pattern)
        if len(found) > beyond:
            return found
        assert time.monotonic() < latest, f"{part} did not log {pattern}"
        time.sleep(0.01)


def test_a_modern_client_that_closes_its_stream_stops_the_worker(
    live: Live, sandbox: httpx2.Client
) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = {
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": "get_deployment_diagnostics",
    }
    begun = "call.left .*begun=true"
    before = len(logged(live, "gateway", begun))
    asks_and_leaves(live, sandbox, diagnosed(live, **meta), headers)

    left = lines(live, "gateway", begun, beyond=before)[-1]
    request = left.rpartition('request="')[2].rstrip('"')
    [done] = lines(live, "worker", f"call.done .*{request}")
    assert 'outcome="caller_left"' in done


def test_a_cancellation_in_a_session_stops_the_worker(
    live: Live, curl: httpx2.Client, sandbox: httpx2.Client
) -> None:
    session = {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
    before = len(logged(live, "worker", "call.done"))
    asks_and_leaves(live, sandbox, diagnosed(live), session)
    cancelled = {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 7, "reason": "r"},
    }
    assert curl.post("/mcp", json=cancelled, headers=session).status_code == 202

    done = lines(live, "worker", "call.done", beyond=before)[-1]
    assert 'outcome="caller_left"' in done


def test_a_client_of_a_session_that_loses_its_connection_stops_nothing(
    live: Live, curl: httpx2.Client, sandbox: httpx2.Client
) -> None:
    session = {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
    before = len(logged(live, "worker", "call.done"))
    asks_and_leaves(live, sandbox, diagnosed(live), session)

    done = lines(live, "worker", "call.done", beyond=before)[-1]
    assert 'outcome="answer"' in done
