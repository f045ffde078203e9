"""Which calls may wait for a queue at this replica: bounded, and fair between subjects. Pure."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.errors import QueueFull, ShareFull


class Admission:
    """How many calls wait for one queue, and whose they are. Leaves room for a newcomer.

    Nobody may have more than half of the places that the others leave: one alone gets half, n that
    always want more settle at 1/(n+1) each. So a noisy client slows itself down and a quiet one is
    served. The queue itself has the same rule for what waits in it, whoever put it there.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: Counter[tuple[str, str]] = Counter()

    def missing(self, queue_name: str, subject: str) -> QueueFull | None:
        """Returns why one more call would find no place now; None: it would."""
        in_queue = sum(count for who, count in self._taken.items() if who[0] == queue_name)
        held = self._taken.get((queue_name, subject), 0)
        share = max(1, (self._places - (in_queue - held)) // 2)
        if in_queue >= self._places:
            return QueueFull("Too many calls are waiting.")
        if held >= share:
            return ShareFull("Too many calls of yours are waiting.")
        return None

    @asynccontextmanager
    async def place(self, queue_name: str, subject: str) -> AsyncIterator[None]:
        """Holds a place while the block runs.

        Raises:
            QueueFull: there is none.
            ShareFull: there is none for this subject.
        """
        if (full := self.missing(queue_name, subject)) is not None:
            raise full
        mine = queue_name, subject
        self._taken[mine] += 1
        try:
            yield
        finally:
            self._taken[mine] -= 1
            if not self._taken[mine]:
                del self._taken[mine]
