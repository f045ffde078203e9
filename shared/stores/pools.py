"""Pools of connections to Redis that survive half-open ones. Know no settings and no commands.

redis-py (8.1) throws a connection away whose command timed out, and keeps the others.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import redis
import redis.asyncio


class _Doubt:
    """Which kept connections are older than the last fault.

    A command that got no answer in time shows that the network or the server went away without a
    word (half-open). Every other connection that was kept over it would cost its user the same
    wait, so it is opened anew first.
    """

    def __init__(self) -> None:
        self._faults = 0
        self._opened_after: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def falls_on(self, connection: object) -> bool:
        """Whether there was a fault since this connection was opened; says so once."""
        doubted = self._opened_after.setdefault(connection, self._faults) != self._faults
        if doubted:
            self._opened_after[connection] = self._faults
        return doubted

    def arose_from(self, connection: object) -> None:
        """This connection failed, and is closed by now."""
        self._faults += 1
        self._opened_after[connection] = self._faults


class Pool(redis.BlockingConnectionPool):
    """For threads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._doubt = _Doubt()
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]  # redis-py's

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        connection = super().get_connection(*arguments, **options)  # type: ignore[no-untyped-call]  # redis-py's
        if self._doubt.falls_on(connection):
            try:
                connection.disconnect()
                connection.connect()
            except BaseException:
                self.release(connection)
                raise
        return connection

    def release(self, connection: Any) -> None:
        if not connection.is_connected:
            self._doubt.arose_from(connection)
        super().release(connection)  # type: ignore[no-untyped-call]  # redis-py's


class _Plain(redis.asyncio.Connection):
    """Writes to a connection that was reset as to a closed one.

    uvloop (0.22) raises RuntimeError there, asyncio of Python 3.12 AttributeError: its transport
    has forgotten its loop.
    """

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        try:
            await super().send_packed_command(*arguments, **options)
        except (AttributeError, RuntimeError) as error:
            await self.disconnect(nowait=True)
            raise redis.ConnectionError("The connection was closed.") from error


class _Encrypted(redis.asyncio.SSLConnection, _Plain):
    """The same with TLS."""


class AsyncPool(redis.asyncio.BlockingConnectionPool):
    """For an event loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._doubt = _Doubt()
        tls = options.get("connection_class") is redis.asyncio.SSLConnection
        options["connection_class"] = _Encrypted if tls else _Plain
        super().__init__(*arguments, **options)

    async def get_connection(self, *arguments: Any, **options: Any) -> Any:
        connection = await super().get_connection(*arguments, **options)  # type: ignore[no-untyped-call]  # redis-py's
        if self._doubt.falls_on(connection):
            try:
                await connection.disconnect(nowait=True)
                await connection.connect()
            except BaseException:
                await self.release(connection)
                raise
        return connection

    async def release(self, connection: Any) -> None:
        task = asyncio.current_task()
        was_cancelled = task is not None and task.cancelling() > 0  # which closes it, too
        if not connection.is_connected and not was_cancelled:
            self._doubt.arose_from(connection)
        await super().release(connection)
