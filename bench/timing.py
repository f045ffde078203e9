"""Timing calls one after the other or side by side. Knows nothing of what it times."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """The durations of many calls, and how long they took together; all in seconds."""

    each: tuple[float, ...]
    together: float

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.each)

    @property
    def p99(self) -> float:
        """What one call in a hundred exceeds."""
        return statistics.quantiles(self.each, n=100, method="inclusive")[98]

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return len(self.each) / self.together


async def timed(call: Call, *, count: int, clients: int = 1) -> Timed:
    """Makes `count` calls by `clients` callers, each waiting for its answer before the next."""
    each: list[float] = []

    async def caller(share: int) -> None:
        for _ in range(share):
            began = time.perf_counter()
            await call()
            each.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller(count // clients) for _ in range(clients)))
    return Timed(each=tuple(each), together=time.perf_counter() - began)


def joined(rounds: list[Timed]) -> Timed:
    """Returns several rounds as one."""
    return Timed(
        each=tuple(duration for one in rounds for duration in one.each),
        together=sum(one.together for one in rounds),
    )
