"""The list of tools is answered with the bytes of before, and with nothing else than the SDK's."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from api.same_bytes import MOST_KNOWN, SameBytes
from api.turning_away import ASKED
from tests.api.asgi import Answer, scope_of, send_request
from tests.api.desk_stage import Office
from tests.api.replicas import ALICE, BOB, BOTH, Replica, in_front_of
from tests.api.test_edge import bearer
from tests.api.test_modern import HEADER_MISMATCH, gateways, headers, requested


@dataclass
class Watched:
    """Counts the requests that reach what is behind it."""

    app: ASGIApp
    reached: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
        await self.app(scope, receive, send)


@asynccontextmanager
async def watched(key: Path) -> AsyncIterator[tuple[Replica, Watched]]:
    """A gateway, and how often the SDK was asked."""
    async with gateways(Office(), key) as (gateway,):
        sdk = Watched(gateway.manager.handle_request)
        yield Replica(app=in_front_of(sdk), manager=gateway.manager), sdk


def listing(request_id: int | str, **params: Any) -> dict[str, Any]:
    return {**requested("tools/list", **params), "id": request_id}


@pytest.mark.parametrize("request_id", [10, -1, 2**53, "", "next", 'a"b\\c', "\u00e9\u2028"])
def test_the_second_answer_is_what_the_sdk_would_say_byte_for_byte(
    key: Path, request_id: int | str
) -> None:
    first, second = listing(9), listing(request_id)

    async def main() -> tuple[Answer, Answer, int]:
        async with watched(key) as (fresh, _):
            by_the_sdk = await fresh.post(second, headers(second))
        async with watched(key) as (gateway, sdk):
            await gateway.post(first, headers(first))
            return by_the_sdk, await gateway.post(second, headers(second)), sdk.reached

    by_the_sdk, by_us, reached = anyio.run(main)
    assert reached == 1
    assert by_us.body == by_the_sdk.body
    assert by_us.status == by_the_sdk.status
    assert by_us.headers.keys() == by_the_sdk.headers.keys()
    assert by_us.headers["content-type"] == by_the_sdk.headers["content-type"]
    assert by_us.headers["content-length"] == by_the_sdk.headers["content-length"]
    assert by_us.json()["id"] == request_id


def test_everybody_hears_the_same_and_nobody_without_a_token(key: Path) -> None:
    async def main() -> None:
        async with watched(key) as (gateway, sdk):
            alices = await gateway.post(listing(9), headers(listing(9)), ALICE)
            bobs = await gateway.post(listing(9), headers(listing(9)), BOB)
            nobodys = await send_request(
                gateway.app,
                headers={**BOTH, **headers(listing(9))},
                chunks=[json.dumps(listing(9)).encode()],
            )
        assert bobs.body == alices.body
        assert sdk.reached == 1
        assert nobodys.status == 401

    anyio.run(main)


@pytest.mark.parametrize(
    ("message", "changed"),
    [
        (listing(9), {"Mcp-Method": "tools/call"}),
        (listing(9), {"Mcp-Method": None}),
        (listing(9), {"MCP-Protocol-Version": "2999-01-01"}),
        (listing(9) | {"params": {}}, {}),
    ],
)
def test_a_wrong_request_is_told_so_after_a_right_one_too(
    key: Path, message: dict[str, Any], changed: dict[str, str | None]
) -> None:
    right, wrong = headers(listing(9)), headers(message | {"params": {}}, **changed)

    async def main() -> tuple[Answer, Answer]:
        async with watched(key) as (fresh, _):
            by_the_sdk = await fresh.post(message, wrong)
        async with watched(key) as (gateway, _):
            await gateway.post(listing(9), right)
            return by_the_sdk, await gateway.post(message, wrong)

    by_the_sdk, told = anyio.run(main)
    assert told.status >= 400
    assert (told.status, told.body) == (by_the_sdk.status, by_the_sdk.body)


def test_a_header_that_comes_twice_is_not_what_came_once(key: Path) -> None:
    message = listing(9)
    once = {**bearer(ALICE), **BOTH, **headers(message)}

    async def main() -> Answer:
        async with watched(key) as (gateway, _):
            await gateway.post(message, headers(message))
            return await send_request(
                gateway.app,
                headers=[*once.items(), ("Mcp-Method", "tools/list")],
                chunks=[json.dumps(message).encode()],
            )

    assert anyio.run(main).json()["error"]["code"] == HEADER_MISMATCH


def test_a_request_that_says_more_is_answered_by_the_sdk(key: Path) -> None:
    async def main() -> int:
        async with watched(key) as (gateway, sdk):
            await gateway.post(listing(9), headers(listing(9)))
            further = listing(9, cursor="next")
            await gateway.post(further, headers(further))
            return sdk.reached

    assert anyio.run(main) == 2


@dataclass
class Says:
    """An application that says what it is told to, and counts."""

    status: int = 200
    kind: str = "application/json"
    body: bytes = b'{"jsonrpc":"2.0","id":9,"result":{}}'
    pieces: int = 1
    asked: int = field(default=0, init=False)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked += 1
        kind = (b"content-type", self.kind.encode())
        await send({"type": "http.response.start", "status": self.status, "headers": [kind]})
        for piece in range(1, self.pieces + 1):
            more = piece < self.pieces
            await send({"type": "http.response.body", "body": self.body, "more_body": more})


async def ask(app: ASGIApp, message: dict[str, Any]) -> Answer:
    """Straight to the layer, with what those in front of it have read."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, ASKED: message}, receive, send)

    return await send_request(asked, headers=headers(message))


@pytest.mark.parametrize(
    "says",
    [
        Says(status=500),
        Says(kind="text/event-stream"),
        Says(body=b'{"jsonrpc":"2.0","id":9,"error":{"code":-32603,"message":"no"}}'),
        Says(body=b'{"jsonrpc":"2.0","id":8,"result":{}}'),
        Says(pieces=2),
    ],
    ids=["another status", "a stream", "an error", "another id", "pieces"],
)
def test_only_a_whole_good_answer_is_given_again(says: Says) -> None:
    layer = SameBytes(says)

    async def main() -> None:
        await ask(layer, listing(9))
        await ask(layer, listing(9))

    anyio.run(main)
    assert says.asked == 2


@pytest.mark.parametrize("method", ["resources/list", "server/discover", "tools/call"])
def test_nothing_else_is_remembered(method: str) -> None:
    says = Says()
    layer = SameBytes(says)

    async def main() -> None:
        await ask(layer, requested(method))
        await ask(layer, requested(method))

    anyio.run(main)
    assert says.asked == 2


def test_a_request_of_the_handshake_era_always_goes_on_to_its_session() -> None:
    scope = scope_of("POST", "/mcp", {"mcp-protocol-version": "2025-11-25"}.items())
    says = Says()
    layer = SameBytes(says)

    async def main() -> None:
        for _ in range(2):
            await layer({**scope, ASKED: listing(9)}, _silence, _drop)

    anyio.run(main)
    assert says.asked == 2


def test_no_more_kinds_of_request_are_remembered_than_it_says() -> None:
    says = Says()
    layer = SameBytes(says)

    async def main() -> None:
        for number in range(MOST_KNOWN + 1):
            await ask(layer, listing(9, client=number))
        assert says.asked == MOST_KNOWN + 1
        await ask(layer, listing(9, client=MOST_KNOWN))
        assert says.asked == MOST_KNOWN + 1
        await ask(layer, listing(9, client=0))
        assert says.asked == MOST_KNOWN + 2

    anyio.run(main)


async def _silence() -> Any:
    await anyio.sleep_forever()


async def _drop(_: Any) -> None:
    return
