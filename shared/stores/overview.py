"""One look at everything that operators watch in Redis: who works, what waits, where plans stand.

Bounded, and without the content of anything: no plan, no call is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from shared.messages import Announcement, queue
from shared.stores.announcements import announced_now
from shared.stores.plan_records import MAX_LISTED
from shared.stores.plan_standings import Standing, standings
from shared.stores.queues import lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What was there; `queues` has the number of waiting calls for each live worker's queues.

    `plans` are the newest, at most `MAX_LISTED`.
    """

    workers: tuple[Announcement, ...]
    queues: Mapping[str, int]
    plans: tuple[Standing, ...]


def overview(client: redis.Redis) -> Overview:
    """Looks, in about five commands. Needs no more rights than the gateway's user has.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    workers = announced_now(client)
    names = sorted({queue(worker.cluster, role) for worker in workers for role in worker.roles})
    return Overview(
        workers=workers,
        queues=lengths(client, names) if names else {},
        plans=standings(client, MAX_LISTED),
    )
