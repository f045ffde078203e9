"""What was said to an MCP client, for a while: so that it can go on listening at another replica.

One short Redis stream for each stream of a session: the one that belongs to the session itself
(`STANDALONE`), and one for each request that is being answered. Bounded in number, size and time.
"""

from dataclasses import dataclass
from typing import Final, cast

import redis.asyncio

from shared.stores.connection import redis_faults
from shared.stores.mcp_sessions import session_key

STANDALONE: Final = "session"
BEGINNING: Final = "0-0"
"""Before the first entry of any stream."""

MAX_EVENTS: Final = 256
MAX_EVENT_BYTES: Final = 256 * 1024
"""Larger ones are told once and not kept."""

KEEP_S: Final = 10 * 60
KEEP_ANSWERED_S: Final = 2 * 60
"""After a request was answered there is nothing more to come."""

ALIVE_S: Final = 15
"""How long a request is believed to be worked on after somebody said so."""

_TEXT: Final = b"m"
_LAST: Final = b"l"

Row = tuple[bytes, dict[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One message as it was told. `last` ends the stream of a request."""

    entry: str
    text: str
    last: bool


class McpEventLog:
    """The streams of all sessions."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def append(self, session_id: str, stream: str, text: str, *, last: bool) -> str | None:
        """Keeps one message and returns its entry; None if it is too large to be kept.

        Raises:
            RedisUnavailable: it was not kept, or nobody knows.
        """
        if len(text) > MAX_EVENT_BYTES:
            return None
        key = _key(session_id, stream)
        with redis_faults():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.xadd(
                    key,
                    {_TEXT: text, _LAST: b"1" if last else b""},
                    maxlen=MAX_EVENTS,
                    approximate=True,
                )
                pipe.expire(key, KEEP_ANSWERED_S if last else KEEP_S)
                entry, _ = cast("tuple[bytes, int]", await pipe.execute())
        return entry.decode()

    async def after(self, session_id: str, stream: str, entry: str) -> list[Event]:
        """Returns what was told after this entry, oldest first.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            found = await self._redis.xrange(_key(session_id, stream), min=f"({entry}")
        rows = cast("list[Row]", found)
        return [_event(row) for row in rows]

    async def newest(self, session_id: str, stream: str) -> str:
        """Returns the newest entry of a stream; `BEGINNING` if there is none.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            found = await self._redis.xrevrange(_key(session_id, stream), count=1)
        rows = cast("list[Row]", found)
        return _event(rows[0]).entry if rows else BEGINNING

    async def keep_alive(self, session_id: str, stream: str) -> None:
        """Says that a request is still being worked on.

        Raises:
            RedisUnavailable: who waits for it may give up.
        """
        with redis_faults():
            await self._redis.set(_alive_key(session_id, stream), b"1", ex=ALIVE_S)

    async def is_alive(self, session_id: str, stream: str) -> bool:
        """Says whether a request is still being worked on, as far as anybody said so.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            return bool(await self._redis.exists(_alive_key(session_id, stream)))


def _key(session_id: str, stream: str) -> str:
    return f"gw:mcp:events:{session_key(session_id)}:{stream}"


def _alive_key(session_id: str, stream: str) -> str:
    return f"gw:mcp:alive:{session_key(session_id)}:{stream}"


def _event(row: Row) -> Event:
    entry, fields = row
    text = fields.get(_TEXT, b"").decode("utf-8", "replace")
    return Event(entry=entry.decode(), text=text, last=bool(fields.get(_LAST)))
