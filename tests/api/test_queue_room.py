"""A call without a place in its queue is turned away before anybody works on it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from api.admission import Admission
from api.metrics import Metrics
from api.queue_room import QueueRoom
from shared.errors import RedisUnavailable
from shared.messages import Announcement
from tests.api.asgi import Answer, send_request
from tests.api.desk_stage import worker
from tests.api.replicas import ALICE, BOB, in_front_of
from tests.api.test_edge import Inner, bearer
from tests.api.test_oauth import ISSUER


class Gateway:
    """The layers in front of an application that keeps what comes through."""

    def __init__(self) -> None:
        self.admission = Admission(4)
        self.inner = Inner("mcp")
        self.redis_is_away = False
        room = QueueRoom(self.admission, self._live, Metrics())
        self._app = in_front_of(self.inner, room=room.refusal)

    async def _live(self) -> tuple[Announcement, ...]:
        if self.redis_is_away:
            raise RedisUnavailable("away")
        return (worker(),)

    async def ask(self, token: str = ALICE, *, id_: Any = "q-7", **changes: Any) -> Answer:
        params = {"name": "get_k8s_status", "arguments": {"namespace": "demo"}, **changes}
        numbered = {} if id_ is None else {"id": id_}
        message = {"jsonrpc": "2.0", **numbered, "method": "tools/call", "params": params}
        return await send_request(
            self._app, "POST", headers=bearer(token), chunks=[json.dumps(message).encode()]
        )

    async def filled(self, held: AsyncExitStack, *subjects: str, queue: str = "local.read") -> None:
        """Each of the subjects takes a place until the test is over."""
        for subject in subjects:
            await held.enter_async_context(self.admission.place(queue, subject))


def played(story: Callable[[Gateway, AsyncExitStack], Awaitable[None]]) -> None:
    async def main() -> None:
        async with AsyncExitStack() as held:
            await story(Gateway(), held)

    asyncio.run(main())


def test_a_full_queue_is_told_under_the_requests_own_id_and_nobody_works_on_the_request() -> None:
    async def story(gateway: Gateway, held: AsyncExitStack) -> None:
        await gateway.filled(held, "x", "y", "z", "v")
        for id_ in ("q-7", 8):
            answer = await gateway.ask(id_=id_)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["id"] == id_
            assert answer.json()["error"]["code"] == -32010
            assert answer.json()["error"]["data"] == {"code": "queue_full", "retryAfter": 5}
        assert gateway.inner.seen == []

    played(story)


def test_who_has_their_share_of_a_queue_is_told_so_at_once_while_others_come_through() -> None:
    async def story(gateway: Gateway, held: AsyncExitStack) -> None:
        await gateway.filled(held, f"{ISSUER} alice", f"{ISSUER} alice")
        refused = await gateway.ask(ALICE)
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert gateway.inner.seen == []
        assert (await gateway.ask(BOB)).status == 200

    played(story)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "get_allowed_namespaces", "arguments": {}},
        {"name": "request_restart_deployment"},
        {"name": "apply_approved_plan", "arguments": {"planId": "p"}},
        {"arguments": {}},
        {"arguments": {"namespace": 7}},
        {"arguments": {"namespace": "elsewhere"}},
        {"id_": None},
    ],
)
def test_what_the_full_queue_does_not_concern_comes_through(changes: dict[str, Any]) -> None:
    async def story(gateway: Gateway, held: AsyncExitStack) -> None:
        await gateway.filled(held, "x", "y", "z", "v")
        assert (await gateway.ask(**changes)).status == 200

    played(story)


def test_without_redis_the_tool_has_its_say() -> None:
    async def story(gateway: Gateway, held: AsyncExitStack) -> None:
        await gateway.filled(held, "x", "y", "z", "v")
        gateway.redis_is_away = True
        assert (await gateway.ask()).status == 200

    played(story)
