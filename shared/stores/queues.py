"""The queues: Redis lists `q:<cluster>.<role>`, filled by the gateway, emptied by the workers.

Key and list ends are those of kombu's Redis transport. Taking a message removes it: whoever asked
has a deadline and asks again, and what must not be lost lies in plans and in the cluster.

Beside each queue lies a list `q:of:<cluster>.<role>` that says whose its messages are: a gateway
that puts one in adds a tag on the same side. Workers take from the other side, and of the queue
alone: so as many tags as messages wait, counted from the newest, belong to those that wait.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import redis
import redis.asyncio

from shared.errors import QueueFull, ShareFull
from shared.stores.connection import redis_faults

PREFIX: Final = "q:"
KEEP_S: Final = 15 * 60
"""A queue that nobody fills or empties is forgotten; every call in it has expired long before."""

_PUT: Final = """
local waiting = redis.call('LLEN', KEYS[1])
if waiting == 0 then redis.call('DEL', KEYS[2])
else redis.call('LTRIM', KEYS[2], 0, waiting - 1) end
local mine = 0
for _, tag in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if string.sub(tag, 1, #ARGV[2]) == ARGV[2] then mine = mine + 1 end
end
local longest = tonumber(ARGV[4])
local share = math.max(1, math.floor((longest - (waiting - mine)) / 2))
if waiting >= longest then return 0 end
if mine >= share then return -1 end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[2] .. ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1
"""

_FULL, _SHARE_FULL = 0, -1

_TAKE_BACK: Final = """
local waited = redis.call('LREM', KEYS[1], 1, ARGV[1])
if waited == 1 then redis.call('LREM', KEYS[2], 1, ARGV[2]) end
return waited
"""


def take(
    client: redis.Redis, queues: Sequence[str], *, at_most: int, wait_s: float
) -> tuple[str, list[bytes]] | None:
    """Takes the oldest messages of the first of `queues` that has any; waits up to `wait_s`.

    Returns the queue's name as Redis says it, whatever a message claims, and 1 to `at_most`
    messages, oldest first. Needs Redis 7 (BLMPOP).

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    keys = [PREFIX + queue for queue in queues]
    with redis_faults():
        taken = cast(
            "tuple[bytes, list[bytes]] | None",
            client.blmpop(wait_s, len(keys), *keys, direction="RIGHT", count=at_most),
        )
    return (taken[0].decode().removeprefix(PREFIX), taken[1]) if taken else None


def lengths(client: redis.Redis, queues: Sequence[str]) -> dict[str, int]:
    """Returns how many messages wait in each queue.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults(), client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.llen(PREFIX + queue)
        return dict(zip(queues, cast("list[int]", pipe.execute()), strict=True))


def oldest(client: redis.Redis, queue: str) -> bytes | None:
    """Returns the message that is taken next from a queue, and leaves it there; None: empty.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with redis_faults():
        return cast("bytes | None", client.lindex(PREFIX + queue, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message on its way into a queue: for which call it is, and whose."""

    queue: str
    message: bytes
    call_id: str
    subject: str

    @property
    def keys(self) -> list[str]:
        """The queue, and the list of whose its messages are."""
        return [PREFIX + self.queue, f"{PREFIX}of:{self.queue}"]

    @property
    def owner(self) -> str:
        """Begins the tags of all calls of this subject, which it does not show."""
        return hashlib.sha256(self.subject.encode()).hexdigest()[:16] + ":"


class QueueMouth:
    """The gateway's end of the queues: puts in, and takes nothing out but what it put there."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._put = client.register_script(_PUT)
        self._take_back = client.register_script(_TAKE_BACK)

    async def put(self, parcel: Parcel, *, longest: int) -> None:
        """Appends a message, unless `longest` wait already or too many of them are this subject's.

        Nobody may have more than half of the places that others leave, however many gateways
        somebody uses: so there is room for whoever has none.

        Raises:
            QueueFull: it was not appended; nobody finds room.
            ShareFull: it was not appended; others find room.
            RedisUnavailable: it was not appended, or nobody knows.
        """
        owner, call_id = parcel.owner, parcel.call_id
        with redis_faults():
            told = await self._put(
                keys=parcel.keys, args=[parcel.message, owner, call_id, longest, KEEP_S]
            )
        if told == _FULL:
            raise QueueFull("The workers have more to do than they can answer in time.")
        if told == _SHARE_FULL:
            raise ShareFull("Too many calls of yours wait for the workers.")

    async def take_back(self, parcel: Parcel) -> bool:
        """Removes what was put; says whether it was still there.

        Raises:
            RedisUnavailable: nobody knows.
        """
        tag = parcel.owner + parcel.call_id
        with redis_faults():
            return bool(await self._take_back(keys=parcel.keys, args=[parcel.message, tag]))
