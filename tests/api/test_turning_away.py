"""A call that finds no place in its queue: the HTTP status says so, to both eras of clients."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from api.metrics import Metrics
from api.sessions import SharedSessions
from api.turning_away import TurningAway, turn_away
from dev.redis_server import free_port
from shared.errors import Fault, NoWorker, QueueFull, ShareFull
from shared.manifests import JSON
from shared.messages import Call
from shared.stores.connection import connect_async
from tests.api.asgi import Answer
from tests.api.desk_stage import Office, Workers
from tests.api.replicas import Replica, call, in_front_of
from tests.api.test_modern import requested
from tests.api.test_modern import send as send_modern

FULL = QueueFull("The workers have more to do than they can answer in time.")
OWN = ShareFull("Too many calls of yours are waiting.")
EACH_FULL = pytest.mark.parametrize(
    ("fault", "status", "limit"), [(FULL, 503, "queue"), (OWN, 429, "share_of_queue")]
)


def busy(fault: Fault, **more: Any) -> Office:
    """Workers that have no place for anything."""

    def does(_call: Call) -> JSON:
        raise fault

    return Office(workers=Workers(does=does, **more))


@asynccontextmanager
async def gateway(office: Office, url: str, metrics: Metrics) -> AsyncIterator[Replica]:
    redis = connect_async(SecretStr(url), timeout_s=2)
    manager = SharedSessions(
        office.server(metrics=metrics),
        redis,
        office.shelf.ear,
        clock=time.time,
        max_request_body_size=1024 * 1024,
    )
    async with manager.run():
        app = in_front_of(manager.handle_request, metrics=metrics)
        yield Replica(app=app, manager=manager)
    await redis.aclose()


def reading() -> dict[str, Any]:
    return requested("tools/call", name="get_k8s_status", arguments={"namespace": "demo"})


def assert_turned_away(answer: Answer, fault: QueueFull, status: int, request_id: int) -> None:
    assert answer.status == status
    assert answer.headers["retry-after"] == str(fault.retry_after)
    told = answer.json()
    assert told["id"] == request_id
    assert told["error"]["message"] == f"{fault} Try again in {fault.retry_after} s."
    assert told["error"]["data"] == {"code": "queue_full", "retryAfter": fault.retry_after}


def counted(metrics: Metrics, limit: str) -> bool:
    name = "infragate_rate_limited_total"
    return metrics.registry.get_sample_value(name, {"limit": limit}) == 1


@EACH_FULL
def test_a_client_of_the_newest_revision_hears_it_as_status_and_time_to_wait(
    fault: QueueFull, status: int, limit: str
) -> None:
    metrics = Metrics()

    async def main() -> None:
        nowhere = f"redis://127.0.0.1:{free_port()}/0"
        async with gateway(busy(fault), nowhere, metrics) as replica:
            answer = await send_modern(replica, reading())
        assert_turned_away(answer, fault, status, 9)

    anyio.run(main)
    assert counted(metrics, limit)


@pytest.mark.real_redis
@EACH_FULL
def test_a_client_with_a_session_hears_the_same_and_keeps_its_session(
    redis_url: str, fault: QueueFull, status: int, limit: str
) -> None:
    metrics = Metrics()

    async def main() -> None:
        async with gateway(busy(fault), redis_url, metrics) as replica:
            session = await replica.opened()
            asked = call("get_k8s_status")
            asked["params"]["arguments"] = {"namespace": "demo"}
            assert_turned_away(await replica.post(asked, session), fault, status, 2)
            listed = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}
            assert (await replica.post(listed, session)).status == 200

    anyio.run(main)
    assert counted(metrics, limit)


def test_an_answer_that_has_begun_is_not_spoilt() -> None:
    """What it says of the queue is then the tool's error, as the inner application has it."""
    begun = {"type": "http.response.start", "status": 200, "headers": []}
    said = {"type": "http.response.body", "body": b"queue_full"}
    heard: list[Message] = []

    async def inner(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(begun)
        turn_away(FULL)
        await send(said)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        heard.append(message)

    anyio.run(TurningAway(inner, metrics=Metrics()), {"method": "POST"}, receive, send)
    assert heard == [begun, said]


def test_what_has_nothing_to_do_with_queues_stays_an_answer_of_the_tool() -> None:
    async def main() -> None:
        office = busy(NoWorker("No worker is running."))
        nowhere = f"redis://127.0.0.1:{free_port()}/0"
        async with gateway(office, nowhere, Metrics()) as replica:
            answer = await send_modern(replica, reading())
        assert answer.status == 200
        assert "code: no_worker" in answer.json()["result"]["content"][0]["text"]

    anyio.run(main)
