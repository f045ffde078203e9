"""The load process: reads drives from standard input, a line each, and answers what came back.

Connections are kept between drives: a reference over a warm connection is one.
"""

import asyncio
import sys
import time
from collections import defaultdict
from contextlib import suppress
from typing import Final

from bench.load.drives import Drive, Driven, Outcome, Target, answered, heard
from bench.load.wire import Connection, connect

_PATIENCE_S: Final = 60.0
_TRIES: Final = 2
"""A server may close an idle connection just when it is used again."""


class Pool:
    """Open connections by target; a client takes one for the length of its drive."""

    def __init__(self) -> None:
        self._idle: defaultdict[Target, list[Connection]] = defaultdict(list)

    async def take(self, target: Target) -> Connection:
        """Returns an idle connection, or a new one."""
        while self._idle[target]:
            connection = self._idle[target].pop()
            if not connection.lost:
                return connection
        return await connect(target)

    def give_back(self, target: Target, connection: Connection) -> None:
        """Keeps it for the next drive."""
        if not connection.lost:
            self._idle[target].append(connection)


class Client:
    """One caller of a drive."""

    def __init__(self, pool: Pool, drive: Drive, number: int) -> None:
        self._pool = pool
        self._target = drive.targets[number % len(drive.targets)]
        own = drive.requests[number % len(drive.requests)]
        self._requests = drive.requests if drive.sequence else (own,)
        self._statuses = drive.statuses or (None,) * len(self._requests)
        self._connection: Connection | None = None

    async def open(self) -> None:
        """Connects, so that no call pays for it."""
        self._connection = await self._pool.take(self._target)

    async def call(self) -> tuple[Outcome, str]:
        """Makes one call; says how it ended, and what came when it failed."""
        for request, status in zip(self._requests, self._statuses, strict=True):
            outcome, why = await self._sent(request, status)
            if outcome is not Outcome.ANSWERED:
                return outcome, why
        return Outcome.ANSWERED, ""

    async def _sent(self, request: bytes, status: int | None) -> tuple[Outcome, str]:
        problem = ""
        for _ in range(_TRIES):
            try:
                if self._connection is None or self._connection.lost:
                    await self.open()
                if self._connection is None:
                    break
                async with asyncio.timeout(_PATIENCE_S):
                    reply = await self._connection.send(request)
            except (OSError, TimeoutError) as error:
                problem = repr(error)
                self._connection = None
                continue
            outcome = Outcome.ANSWERED if reply.status == status else reply.outcome
            return outcome, str(reply) if outcome is Outcome.FAILED else ""
        return Outcome.FAILED, problem

    def close(self) -> None:
        """Gives its connection back."""
        if self._connection is not None:
            self._pool.give_back(self._target, self._connection)


class Driving:
    """One drive under way."""

    def __init__(self, pool: Pool, drive: Drive) -> None:
        self._drive = drive
        self._clients = [Client(pool, drive, number) for number in range(drive.clients)]
        self._left = drive.calls
        self._durations: defaultdict[Outcome, list[float]] = defaultdict(list)
        self._first_failure = ""

    async def run(self) -> Driven:
        """Returns what came back."""
        for client in self._clients:
            with suppress(OSError):  # its calls try again, and are counted as failed
                await client.open()
        began = time.perf_counter()
        await asyncio.gather(*(self._caller(n, one) for n, one in enumerate(self._clients)))
        together = time.perf_counter() - began
        for client in self._clients:
            client.close()
        return Driven(
            durations={outcome: tuple(each) for outcome, each in self._durations.items()},
            together=together,
            first_failure=self._first_failure,
        )

    async def _caller(self, number: int, client: Client) -> None:
        began = time.perf_counter()
        pause = self._drive.clients / self._drive.rate if self._drive.rate else 0.0
        due = began + pause * number / self._drive.clients
        while self._goes_on(began):
            if pause:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                due = max(due + pause, time.perf_counter())
            sent = time.perf_counter()
            outcome, why = await client.call()
            self._durations[outcome].append(time.perf_counter() - sent)
            self._first_failure = self._first_failure or why

    def _goes_on(self, began: float) -> bool:
        if self._drive.seconds:
            return time.perf_counter() - began < self._drive.seconds
        self._left -= 1
        return self._left >= 0


async def serve() -> None:
    """Answers line after line until there are no more."""
    pool = Pool()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        drives = [Driving(pool, drive) for drive in heard(line)]
        print(answered(await asyncio.gather(*(each.run() for each in drives))), flush=True)


def main() -> None:
    """Serves on the fastest event loop there is."""
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()
