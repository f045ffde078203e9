"""One replica's ear on what all replicas tell each other about MCP sessions."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from api.listening import listen
from shared.stores.connection import AsyncRedis
from shared.stores.mcp_sessions import session_key
from shared.stores.mcp_wire import CHANNEL, Told, heard, tell

Listener = Callable[[Told], None]


class Wire:
    """Passes what is heard to those of this replica whom it concerns."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)

    async def listen(self) -> None:
        """Listens until it is cancelled; whenever it was deaf, everybody is told to look."""
        await listen(partial(heard, self._redis), self._pass_on, channel=CHANNEL)

    @contextmanager
    def hearing(self, session_id: str, listener: Listener) -> Iterator[None]:
        """While this lasts, `listener` is called with what is said about the session."""
        key = session_key(session_id)
        self._listeners[key].add(listener)
        try:
            yield
        finally:
            self._listeners[key].discard(listener)
            if not self._listeners[key]:
                del self._listeners[key]

    async def said(self, session_id: str, body: str) -> None:
        """Tells whoever works for the session what its client said.

        Raises:
            RedisUnavailable: nobody heard it, or nobody knows.
        """
        await tell(self._redis, Told(session=session_key(session_id), kind="said", body=body))

    async def news(self, session_id: str) -> None:
        """Tells whoever feeds the session's streams that there are new events.

        Raises:
            RedisUnavailable: they will find out when they look.
        """
        await tell(self._redis, Told(session=session_key(session_id), kind="news"))

    async def ended(self, session_id: str) -> None:
        """Tells everybody that the client has closed the session.

        Raises:
            RedisUnavailable: nobody heard it, or nobody knows.
        """
        await tell(self._redis, Told(session=session_key(session_id), kind="ended"))

    def _pass_on(self, told: Told | None) -> None:
        if told is None:
            for key in list(self._listeners):
                self._pass_on(Told(session=key, kind="news"))
            return
        for listener in tuple(self._listeners.get(told.session, ())):
            listener(told)
