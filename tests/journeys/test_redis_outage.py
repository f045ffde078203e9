"""Redis is gone for ten seconds in the middle of traffic, and comes back: what callers notice."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from dev.redis_server import command as redis_command
from dev.stack.parts import GATEWAY, REDIS, WORKER
from dev.stack.processes import Running
from tests.journeys.live import Live, started
from tests.journeys.test_mcp import BOTH, INITIALIZE, _call

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

OUTAGE_S = 10
PATIENCE_S = 60
LONGEST_ANSWER_S = 30
"""A read's own deadline is 20 s; whoever waits longer than this hears nothing at all."""

TELLING = {"redis_unavailable", "worker_timeout", "no_worker", "temporarily_unavailable"}
"""Codes that say that something is away for now, and to come again."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A stack of this module's own: nobody else is to lose Redis."""
    with started(tmp_path_factory.mktemp("stack")) as it:
        yield it


def modern(tool: str, **arguments: object) -> tuple[dict[str, str], dict[str, Any]]:
    """Headers and body of a call of the newest revision, which needs no session."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    }
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}
    body = _call(tool, **arguments)
    body["params"] = {"name": tool, "arguments": arguments, "_meta": meta}
    return headers, body


@dataclass
class Reader:
    """Reads again and again, until told to stop; keeps what it was told."""

    live: Live
    stop: threading.Event = field(default_factory=threading.Event)
    codes: set[str] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    good: int = 0
    bad: int = 0

    def read(self) -> None:
        with client(self.live) as http:
            while not self.stop.is_set():
                code = self._once(http)
                if code == "":
                    self.good += 1
                else:
                    self.bad += 1
                    self.codes.add(code)
                    self.stop.wait(0.2)  # as a client does that was told to come again

    def _once(self, http: httpx2.Client) -> str:
        headers, body = modern("get_k8s_status", namespace=self.live.namespace)
        answer = http.post("/mcp", json=body, headers=headers)
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            if "retry-after" not in answer.headers:
                self.strange.append(f"503 without Retry-After: {answer.text}")
            return str(answer.json().get("code", answer.json().get("error")))
        if answer.status_code != httpx2.codes.OK:
            self.strange.append(f"{answer.status_code} {answer.text}")
            return "strange"
        result = told(answer)["result"]
        return str(result["_meta"]["infragate/code"]) if result.get("isError") else ""


def told(answer: httpx2.Response) -> Any:
    return answer.json()


@contextmanager
def client(live: Live, subject: str = "dev-requester") -> Iterator[httpx2.Client]:
    headers = {
        "authorization": f"Bearer {live.token(subject)}",
        "accept": BOTH,
        "content-type": "application/json",
    }
    with httpx2.Client(
        base_url=live.record.origin, headers=headers, timeout=LONGEST_ANSWER_S, trust_env=False
    ) as http:
        yield http


@contextmanager
def without_redis(live: Live) -> Iterator[None]:
    """Redis is killed, and started anew from its file after the block."""
    running = live.stack._running[REDIS]
    places = live.places
    command = redis_command(live.record.redis_port, places.redis, aof=True, acl=places.redis_users)
    running.kill()
    try:
        yield
    finally:
        live.stack._running[REDIS] = Running(command, os.environ, running.log)


def until(reader: Reader, more: int) -> None:
    """Waits for further good answers."""
    wanted, deadline = reader.good + more, time.monotonic() + PATIENCE_S
    while reader.good < wanted:
        assert time.monotonic() < deadline, f"no good answer any more: {reader.codes}"
        time.sleep(0.05)


def test_ten_seconds_without_redis_end_no_process_lose_no_session_and_are_told_clearly(
    own: Live,
) -> None:
    pids = {part: own.pid(part) for part in (GATEWAY, WORKER)}
    reader = Reader(live=own)
    thread = threading.Thread(target=reader.read)
    thread.start()
    try:
        with client(own) as mine:
            session = {
                "mcp-session-id": mine.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]
            }
            until(reader, 5)
            with without_redis(own):
                during = mine.post("/mcp", json=_call("get_allowed_namespaces"), headers=session)
                reader.stop.wait(OUTAGE_S)
            until(reader, 20)
            after = mine.post("/mcp", json=_call("get_allowed_namespaces"), headers=session)
        with client(own, "dev-approver") as thief:
            stolen = thief.post("/mcp", json=_call("get_allowed_namespaces"), headers=session)
    finally:
        reader.stop.set()
        thread.join()

    assert reader.strange == []
    assert reader.codes <= TELLING  # none at all if its call waited for the answer until then
    assert during.status_code == httpx2.codes.SERVICE_UNAVAILABLE
    assert during.headers["retry-after"]
    assert after.json()["result"]["structuredContent"]["namespaces"] == [own.namespace]
    assert stolen.status_code == httpx2.codes.NOT_FOUND
    assert {part: own.pid(part) for part in pids} == pids
    own.stack.require_alive()
