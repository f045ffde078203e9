"""How long the API server's wish for patience (429 with Retry-After) can be granted.

Nothing was done then, so any request may be sent again (client-go does so, too); but somebody waits
for the answer, and what waits holds a thread.
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from shared.errors import ClusterFault, ClusterThrottled

FOR_A_WRITE_S: Final = 2.0
"""A write must not come long after its claim: others could take its applier for dead by then."""

LEAST_S: Final = 0.1
"""Between two tries, whatever a server says."""

TOO_MANY: Final = 429

ResultT = TypeVar("ResultT")


class Throttled(ClusterThrottled):
    """429, with the seconds that the server asked for, if it did."""

    def __init__(self, fault: ClusterFault, wait_s: float | None) -> None:
        super().__init__(fault.message, status=TOO_MANY)
        self.wait_s = wait_s


def patiently(ask: Callable[[], ResultT], *, at_most_s: float) -> ResultT:
    """Asks, and again after what the server asked for while that is within `at_most_s` seconds.

    Raises:
        ClusterThrottled: it would take longer, or the server did not say how long.
    """
    until = time.monotonic() + at_most_s
    while True:
        try:
            return ask()
        except Throttled as fault:
            wait_s = None if fault.wait_s is None else max(LEAST_S, fault.wait_s)
            if wait_s is None or time.monotonic() + wait_s > until:
                raise
            time.sleep(wait_s)
