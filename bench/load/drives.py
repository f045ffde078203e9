"""What the load process is told to do and what it answers, as JSON lines. No I/O."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from bench.timing import Timed


class Outcome(StrEnum):
    """How one call ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """The server said that it has too much to do."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go. `authority` is the PEM text of the one believed; empty: no TLS."""

    host: str
    port: int
    authority: str = ""
    server_name: str = ""
    certificate: str = ""
    """Path of a PEM file with a client's certificate and key; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """Many calls. Client number n has its own connection and sends `requests[n]` again and again.

    With fewer requests than clients they begin anew; so do `targets`. It ends after `calls` calls
    of all clients together, or after `seconds`, whichever is set. With a `rate` (calls per second
    of all clients together) each client waits for its turn; without one it sends when it has its
    answer. In a `sequence` a call is all `requests`, one after the other on one connection;
    `statuses` are those that the answers must have (without them each is judged by itself).
    """

    targets: tuple[Target, ...]
    requests: tuple[bytes, ...]
    clients: int = 1
    calls: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    sequence: bool = False
    statuses: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """There must be an end, and something to send.

        Raises:
            ValueError: there is not.
        """
        if not self.requests or not self.targets or self.clients < 1:
            raise ValueError("nothing to send, or nobody to send it")
        if (self.calls > 0) is (self.seconds > 0):
            raise ValueError("either a number of calls or a number of seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What came back: durations by outcome, in seconds, and how long all of it took."""

    durations: dict[Outcome, tuple[float, ...]]
    together: float
    first_failure: str = ""
    """The beginning of the first answer that was neither an answer nor a refusal."""

    def timed(self, outcome: Outcome = Outcome.ANSWERED) -> Timed:
        """Returns the calls that ended so."""
        return Timed(each=self.durations.get(outcome, ()), together=self.together)

    def count(self, outcome: Outcome) -> int:
        """Returns how many calls ended so."""
        return len(self.durations.get(outcome, ()))


def told(drives: Sequence[Drive]) -> str:
    """Returns one line that asks for these drives at the same time."""
    return json.dumps([_row(drive) for drive in drives])


def heard(line: str) -> list[Drive]:
    """Returns the drives of such a line."""
    return [
        Drive(
            **{
                **row,
                "targets": tuple(Target(**target) for target in row["targets"]),
                "statuses": tuple(row["statuses"]),
                "requests": tuple(base64.b64decode(each) for each in row["requests"]),
            }
        )
        for row in json.loads(line)
    ]


def answered(driven: Sequence[Driven]) -> str:
    """Returns what came back as one line."""
    return json.dumps([asdict(one) for one in driven])


def read_answer(line: str) -> list[Driven]:
    """Returns what came back from such a line."""
    return [
        Driven(
            durations={Outcome(name): tuple(each) for name, each in row["durations"].items()},
            together=row["together"],
            first_failure=row["first_failure"],
        )
        for row in json.loads(line)
    ]


def _row(drive: Drive) -> dict[str, Any]:
    requests = [base64.b64encode(each).decode("ascii") for each in drive.requests]
    return {**asdict(drive), "requests": requests}
