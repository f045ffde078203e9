"""How much one subject may ask for, so that the others are served: a rate, and a number at a time.

The rate is shared by all replicas, in Redis; without Redis nobody is refused for it, since what
costs anything needs Redis anyway. The number at a time is each replica's own.
"""

import asyncio
import json
import math
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers import Caller
from api.metrics import Metrics
from api.replies import error, reply
from shared.errors import RedisUnavailable
from shared.stores.mcp_rates import McpRateStore

AHEAD_S: Final = 1.0
"""Tokens that were taken ahead are forgotten after this."""
MOST_AHEAD: Final = 10
"""A busy subject's tokens are taken so many at once: one question to Redis for all of them."""
PAUSE_S: Final = 5.0
"""After Redis failed it is not asked for this long, so that nobody waits for its time-outs."""
MANY: Final = 10_000
"""Subjects that a replica remembers."""


@dataclass(slots=True)
class _Ahead:
    """Tokens in hand, until when, and how many were used since then began."""

    tokens: int = 0
    until: float = 0.0
    used: int = 0


class Allowance:
    """Whether a subject may send one more request now."""

    def __init__(self, store: McpRateStore) -> None:
        self._store = store
        self._ahead: dict[str, _Ahead] = {}
        self._asked_again_at = 0.0

    async def refused_for_s(self, subject: str) -> float | None:
        """Returns after how many seconds it is worth trying again; None lets the request pass."""
        now = asyncio.get_running_loop().time()
        mine = self._mine(subject, now)
        mine.used += 1
        if mine.tokens > 0:
            mine.tokens -= 1
            return None
        if now < self._asked_again_at:
            return None
        try:
            taken = await self._store.take(subject, min(MOST_AHEAD, mine.used))
        except RedisUnavailable:
            self._asked_again_at = now + PAUSE_S
            return None
        if taken.count == 0:
            return taken.next_in_s
        mine.tokens += taken.count - 1
        return None

    def _mine(self, subject: str, now: float) -> _Ahead:
        mine = self._ahead.get(subject)
        if mine is None or now >= mine.until:
            if mine is None and len(self._ahead) >= MANY:
                self._ahead.clear()  # they are asked for anew, nothing else
            mine = self._ahead[subject] = _Ahead(until=now + AHEAD_S)
        return mine


class FairUse:
    """Refuses requests of a subject who has too many, with 429 and when to come back."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowance: Allowance,
        at_a_time: int,
        metrics: Metrics | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics or Metrics()
        self._allowance = allowance
        self._at_a_time = at_a_time
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller = scope["state"]["caller"]
        subject = json.dumps([caller.iss, caller.sub])
        if scope["method"] == "POST" and self._under_way[subject] >= self._at_a_time:
            self._metrics.limited("at_a_time")
            await _refuse(send, "Too many requests of yours are being answered.", 1.0)
            return
        wait_s = await self._allowance.refused_for_s(subject)
        if wait_s is not None:
            self._metrics.limited("rate")
            await _refuse(send, "You send more requests than are answered.", wait_s)
            return
        await self._counted(subject, scope, receive, send)

    async def _counted(self, subject: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # a stream, of which each session has one
            await self._app(scope, receive, send)
            return
        self._under_way[subject] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[subject] -= 1
            if not self._under_way[subject]:
                del self._under_way[subject]


async def _refuse(send: Send, why: str, wait_s: float) -> None:
    body = error("too_many_requests", why) | {"code": "too_many_requests"}
    after = str(max(1, math.ceil(wait_s)))
    await reply(send, HTTPStatus.TOO_MANY_REQUESTS, body, retry_after=after)
