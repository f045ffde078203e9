"""What becomes of a call whose client has left: no worker starts it, and a running one may stop.

A read or a plan that a worker has begun stops before its next request to the cluster; what an
applier has begun is ended.
"""

import asyncio
from typing import Final

from shared.errors import RedisUnavailable
from shared.logs import Log
from shared.messages import Role
from shared.stores.connection import AsyncRedis
from shared.stores.given_up import give_up
from shared.stores.queues import Parcel, QueueMouth

SETTLE_S: Final = 1.0

_log = Log("api.leaving")


class Leaving:
    """Takes calls back in the background: who leaves does not wait for it."""

    def __init__(self, redis: AsyncRedis, mouth: QueueMouth) -> None:
        self._redis = redis
        self._mouth = mouth
        self._tasks: set[asyncio.Task[None]] = set()

    def left(self, parcel: Parcel, role: Role) -> None:
        """Nobody waits for this call any more."""
        task = asyncio.create_task(self._take_back(parcel, role))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Returns when everything was taken back; after `SETTLE_S` the rest is left as it is."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=SETTLE_S)
        for task in late:
            task.cancel()

    async def _take_back(self, parcel: Parcel, role: Role) -> None:
        call_id = parcel.call_id
        try:
            waited = await self._mouth.take_back(parcel)
            if not waited and role is not Role.APPLY:
                await give_up(self._redis, call_id)
        except RedisUnavailable as fault:
            _log.warning("call.not_taken_back", call=call_id, cause=str(fault))
        else:
            _log.info("call.left", call=call_id, begun=not waited)
