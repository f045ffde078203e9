"""What one subject may still ask for, shared by replicas: how often, and how much at a time.

One hash for each subject (`gw:mcp:share:<digest>`): a bucket of tokens, and the places that each
replica holds for it. Places are leased, so those of a replica that died come back by themselves.
Times are Redis's own: replicas need not agree on one.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, cast

import redis.asyncio

from shared.stores.connection import redis_faults

LEASE_S: Final = 15
"""Places that are not asked for again are free after this."""

_TAKE: Final = """
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local given = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tokens - given, 'at', math.max(at, now))

local mine, used, asked, most = 'held:' .. ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local fields, others = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #fields, 2 do
  local count, until_ = string.match(fields[i + 1], '^(%d+) (%d+)')
  if string.sub(fields[i], 1, 5) == 'held:' and fields[i] ~= mine then
    if count and tonumber(until_) > now then others = others + count
    else redis.call('HDEL', KEYS[1], fields[i]) end
  end
end
local places = math.max(0, used, math.min(asked, most - others))
if places > 0 then redis.call('HSET', KEYS[1], mine, places .. ' ' .. math.ceil(now + ARGV[8]))
else redis.call('HDEL', KEYS[1], mine) end
redis.call('EXPIRE', KEYS[1], math.max(math.ceil(burst / rate), ARGV[8]) + 1)
return {given, tostring((1 - (tokens - given)) / rate), places}
"""  # noqa: E501 - Lua


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Tokens, after how many seconds there is a further one, and how many places are held now."""

    tokens: int
    next_in_s: float
    places: int


class McpShareStore:
    """One replica's view: buckets of `burst` tokens that get `rate` more each second, and places.

    All replicas together hold at most `at_a_time` places for a subject.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        replica: str,
        *,
        rate: float,
        burst: int,
        at_a_time: int,
    ) -> None:
        self.at_a_time = at_a_time
        self._take = client.register_script(_TAKE)
        self._replica = replica
        self._rate = rate
        self._burst = burst

    async def take(self, subject: str, *, tokens: int, places: int, used: int) -> Taken:
        """Takes up to `tokens`, and holds up to `places` from now on instead of those held so far.

        `used` places are not given back whatever others hold.

        Raises:
            RedisUnavailable: nobody knows what there is.
        """
        key = f"gw:mcp:share:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
        arguments: list[str | int | float] = [
            *(self._rate, self._burst, tokens),
            *(self._replica, used, places, self.at_a_time, LEASE_S),
        ]
        with redis_faults():
            answer = await self._take(keys=[key], args=arguments)
        given, wait, held = cast("tuple[int, bytes, int]", answer)
        return Taken(tokens=given, next_in_s=max(0.0, float(wait)), places=held)
