"""How many requests a subject may still send: one bucket of tokens for each, shared by replicas."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import redis.asyncio

from shared.stores.connection import redis_faults

_TAKE: Final = """
local rate, burst, wanted, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local given = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tokens - given, 'at', math.max(at, now))
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return {given, tostring((1 - (tokens - given)) / rate)}
"""  # noqa: E501 - Lua


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """`count` tokens, and after how many seconds there is a further one."""

    count: int
    next_in_s: float


class McpRateStore:
    """Buckets that hold `burst` tokens and get `rate` more each second."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        *,
        rate: float,
        burst: int,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives epoch seconds; where replicas disagree, the one that is ahead counts."""
        self._take = client.register_script(_TAKE)
        self._rate = rate
        self._burst = burst
        self._clock = clock

    async def take(self, subject: str, wanted: int) -> Taken:
        """Takes up to `wanted` tokens of a subject.

        Raises:
            RedisUnavailable: nobody knows whether there are any.
        """
        key = f"gw:mcp:rate:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
        arguments = [self._rate, self._burst, wanted, self._clock()]
        with redis_faults():
            count, wait = cast("tuple[int, bytes]", await self._take(keys=[key], args=arguments))
        return Taken(count=count, next_in_s=max(0.0, float(wait)))
