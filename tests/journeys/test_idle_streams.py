"""A thousand clients that only listen: the gateway keeps serving, and forgets them when they go."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest

from tests.journeys.footprint import MUCH, PATIENCE_S, forgotten, gateway_of, open_to_floods
from tests.journeys.live import Live
from tests.journeys.test_mcp import BOTH, INITIALIZE, _call

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

STREAMS = 1000
SUBJECTS = ("dev-requester", "dev-approver", "dev-approver-2", "dev-outsider")
OPENING_AT_A_TIME = 20


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with open_to_floods(tmp_path_factory.mktemp("stack")) as it:
        yield it


async def sent(http: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    """What a client is answered that comes again when a busy machine tells it to; not read yet."""
    while True:
        answer = await http.send(request, stream=True)
        if answer.status_code == httpx2.codes.OK:
            return answer
        assert answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE, await answer.aread()
        await answer.aclose()
        await anyio.sleep(float(answer.headers["retry-after"]))


@asynccontextmanager
async def listening(own: Live, count: int) -> AsyncIterator[None]:
    """That many sessions, each with its stream open while the block runs."""
    tokens = {subject: own.token(subject) for subject in SUBJECTS}
    unlimited = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    opened: list[httpx2.Response] = []
    gate = anyio.CapacityLimiter(OPENING_AT_A_TIME)
    async with httpx2.AsyncClient(
        base_url=own.record.origin, limits=unlimited, timeout=PATIENCE_S, trust_env=False
    ) as http:

        async def open_one(number: int) -> None:
            token = tokens[SUBJECTS[number % len(SUBJECTS)]]
            headers = {"authorization": f"Bearer {token}", "accept": BOTH}
            async with gate:
                shake = http.build_request("POST", "/mcp", json=INITIALIZE, headers=headers)
                answer = await sent(http, shake)
                await answer.aread()
                session = {"mcp-session-id": answer.headers["mcp-session-id"]}
                listen = http.build_request("GET", "/mcp", headers={**headers, **session})
                opened.append(await sent(http, listen))

        try:
            async with anyio.create_task_group() as tasks:
                for number in range(count):
                    tasks.start_soon(open_one, number)
            yield
        finally:
            for stream in opened:
                await stream.aclose()


def test_a_thousand_streams_that_end_leave_nothing_behind(own: Live) -> None:
    gateway = gateway_of(own)

    async def round_of_listening() -> int:
        async with listening(own, STREAMS):
            assert len(gateway.net_connections()) >= STREAMS
            async with httpx2.AsyncClient(base_url=own.record.origin, trust_env=False) as http:
                headers = {"authorization": f"Bearer {own.token()}", "accept": BOTH}
                answer = await http.post(
                    "/mcp", json={**INITIALIZE, "id": 7}, headers=headers, timeout=PATIENCE_S
                )
                session = {"mcp-session-id": answer.headers["mcp-session-id"]}
                named = await http.post(
                    "/mcp",
                    json=_call("get_allowed_namespaces"),
                    headers={**headers, **session},
                    timeout=PATIENCE_S,
                )
                assert named.json()["result"]["structuredContent"]["namespaces"]
        return await anyio.to_thread.run_sync(forgotten, gateway)

    async def rounds() -> list[int]:
        return [await round_of_listening() for _ in range(3)]

    first, _, last = anyio.run(rounds)

    assert last <= first * MUCH
    own.stack.require_alive()
