"""MCP sessions: what a client said in its handshake and whose it is; written by api only.

Keys are made of SHA-256 digests, so that reading Redis gives nobody a session id. A session that
is lost costs its client a new handshake and nothing else.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final, cast

import redis.asyncio
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.stores.connection import redis_faults

IDLE_S: Final = 8 * 60 * 60
"""A working day. Clients are slow to notice that a session is gone, and a record is small."""

TOUCH_S: Final = 60
"""A busy session is kept alive with one write a minute, not with one for each request."""

MAX_PER_SUBJECT: Final = 500
"""Programs open one at every start and seldom close it; the least recently used makes room."""

MAX_RECORD_BYTES: Final = 16 * 1024
"""Clients say a few hundred bytes about themselves; the record is kept for a day."""

STREAM_S: Final = 15
"""How long a session's stream stays taken after its holder died."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Owner(_Record):
    """Who opened a session, with which program; all three must be the same to use it."""

    client_id: str = ""
    iss: str = ""
    sub: str = ""


class McpSession(_Record):
    """What a client said in its handshake; as it came, judged by whoever uses it."""

    owner: Owner
    protocol_version: str
    client_info: dict[str, Any]
    capabilities: dict[str, Any]

    def fits(self) -> bool:
        """Says whether it is small enough to be kept."""
        return len(self.model_dump_json()) <= MAX_RECORD_BYTES


def session_key(session_id: str) -> str:
    """Returns what stands for a session id in Redis: nobody can speak in the session with it."""
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class McpSessionStore:
    """Sessions by id, and who holds the one stream that each may have."""

    def __init__(self, client: redis.asyncio.Redis, *, clock: Callable[[], float]) -> None:
        """`clock` gives epoch seconds: which session of a subject was used least recently."""
        self._redis = client
        self._clock = clock

    async def save(self, session_id: str, session: McpSession) -> None:
        """Stores a session; more than `MAX_PER_SUBJECT` of one subject push out the oldest.

        Raises:
            RedisUnavailable: it was not stored, or nobody knows.
        """
        key, index = session_key(session_id), _index_key(session.owner)
        now = self._clock()
        with redis_faults():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(_key(key), session.model_dump_json(), ex=IDLE_S)
                pipe.zremrangebyscore(index, "-inf", now - IDLE_S)
                pipe.zadd(index, {key: now})
                pipe.expire(index, IDLE_S)
                pipe.zrange(index, 0, -MAX_PER_SUBJECT - 1)
                *_, oldest = await pipe.execute()
            if oldest:
                await self._forget(index, *(each.decode() for each in oldest))

    async def load(self, session_id: str, owner: Owner) -> McpSession | None:
        """Returns the session if it is this owner's; another's and an unknown one are the same.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        key = session_key(session_id)
        with redis_faults():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.get(_key(key))
                pipe.ttl(_key(key))
                raw, left = cast("tuple[bytes | None, int]", await pipe.execute())
        session = None if raw is None else _read(raw)
        if session is None or session.owner != owner:
            return None
        if left < IDLE_S - TOUCH_S:
            await self.touch(session_id, owner)
        return session

    async def touch(self, session_id: str, owner: Owner) -> None:
        """Keeps a session of this owner from idling out.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        key, index = session_key(session_id), _index_key(owner)
        with redis_faults():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.expire(_key(key), IDLE_S)
                pipe.zadd(index, {key: self._clock()}, xx=True)
                pipe.expire(index, IDLE_S)
                await pipe.execute()

    async def end(self, session_id: str, owner: Owner) -> None:
        """Forgets a session.

        Raises:
            RedisUnavailable: the session may live until it idles out.
        """
        with redis_faults():
            await self._forget(_index_key(owner), session_key(session_id))

    async def take_stream(self, session_id: str, holder: str, *, by_force: bool = False) -> bool:
        """Makes `holder` the one who feeds the session's stream; says False if another is.

        Raises:
            RedisUnavailable: nobody knows.
        """
        key = _stream_key(session_key(session_id))
        with redis_faults():
            return bool(await self._redis.set(key, holder, ex=STREAM_S, nx=not by_force))

    async def keep_stream(self, session_id: str, holder: str) -> bool:
        """Stays the holder, or becomes it again when there is none; says False if another is.

        Raises:
            RedisUnavailable: nobody knows.
        """
        key = _stream_key(session_key(session_id))
        with redis_faults():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.get(key)
                pipe.expire(key, STREAM_S)  # another's lives longer then, which does no harm
                held, _ = cast("tuple[bytes | None, bool]", await pipe.execute())
        if held is None:
            return await self.take_stream(session_id, holder)
        return held.decode() == holder

    async def leave_stream(self, session_id: str, holder: str) -> None:
        """Lets another one feed the session's stream, unless one does already.

        Raises:
            RedisUnavailable: the stream stays taken for `STREAM_S` seconds.
        """
        key = _stream_key(session_key(session_id))
        with redis_faults():
            if cast("bytes | None", await self._redis.get(key)) == holder.encode():
                await self._redis.delete(key)

    async def _forget(self, index: str, *keys: str) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(*map(_key, keys), *map(_stream_key, keys), *map(follows_key, keys))
            pipe.zrem(index, *keys)
            await pipe.execute()


def follows_key(key: str) -> str:
    """Returns the key of what a session follows; it goes with the session."""
    return f"gw:mcp:follows:{key}"


def _key(key: str) -> str:
    return f"gw:mcp:session:{key}"


def _stream_key(key: str) -> str:
    return f"gw:mcp:stream:{key}"


def _index_key(owner: Owner) -> str:
    subject = json.dumps([owner.iss, owner.sub])
    return f"gw:mcp:of:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"


def _read(raw: bytes) -> McpSession | None:
    try:
        return McpSession.model_validate_json(raw)
    except ValidationError:
        return None
