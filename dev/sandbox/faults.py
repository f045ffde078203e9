"""Scripted faults: which next requests go wrong, and how; plus the log of all requests.

Faults are set over `/_sandbox/faults` by the admin identity. Doing the harm is the server's task.
"""

import json
from collections import deque
from dataclasses import asdict, dataclass, field
from heapq import merge
from operator import itemgetter
from typing import Final

from dev.sandbox.rbac import Asked
from dev.sandbox.resources import Obj
from dev.sandbox.status import ApiError

KINDS = ("410", "429", "500", "latency", "timeout_after_commit", "reset", "reset_after_commit")
KEPT: Final = 20_000
"""Reads, and as many writes, that the log of requests keeps."""

_READS: Final = frozenset({"get", "list", "watch"})


@dataclass(slots=True, kw_only=True)
class Fault:
    """`match` names request attributes (verb, resource, namespace, name) that must be equal.

    The first `skip` that match pass unharmed. `ms` is the latency; `seconds` the Retry-After of a
    429, or how long a client that never hangs up waits for the 504 of `timeout_after_commit`.
    """

    match: dict[str, str]
    fault: str
    times: int = 1
    skip: int = 0
    ms: int = 0
    seconds: float = 1

    def __post_init__(self) -> None:
        if self.fault not in KINDS:
            raise ValueError(f"fault must be one of {', '.join(KINDS)}")
        if unknown := set(self.match) - {"verb", "resource", "namespace", "name", "group"}:
            raise ValueError(f"match does not know {', '.join(sorted(unknown))}")

    def hits(self, asked: Asked) -> bool:
        return all(getattr(asked, key) == value for key, value in self.match.items())

    def error(self) -> ApiError | None:
        """The refusal, for the faults that are one."""
        if self.fault == "429":
            details = {"retryAfterSeconds": int(self.seconds)}
            headers = {"Retry-After": str(int(self.seconds))}
            text = "too many requests, please try again later"
            return ApiError(429, "TooManyRequests", text, details=details, headers=headers)
        if self.fault == "410":
            text = "The resourceVersion for the provided watch or list is too old."
            return ApiError(410, "Expired", text, details={})
        if self.fault == "500":
            text = "Internal error occurred: scripted fault of the simulated cluster"
            return ApiError(500, "InternalError", text, details={"causes": [{"message": text}]})
        return None


class Faults:
    """The script: first match wins, each fault is spent after `times` uses."""

    def __init__(self) -> None:
        self.script: list[Fault] = []

    def load(self, rows: list[Obj]) -> None:
        """Adds faults; raises ValueError or TypeError for a bad row, and then adds none."""
        self.script += [Fault(**row) for row in rows]

    def next(self, asked: Asked) -> Fault | None:
        for fault in self.script:
            if fault.hits(asked):
                if fault.skip > 0:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                if fault.times <= 0:
                    self.script.remove(fault)
                return fault
        return None

    def rows(self) -> list[Obj]:
        return [asdict(fault) for fault in self.script]


@dataclass(slots=True)
class RequestLog:
    """The last requests, one JSON object each; requests to `/_sandbox` leave no trace.

    However many reads there are, they push out no write.
    """

    _reads: deque[tuple[int, Obj]] = field(default_factory=lambda: deque(maxlen=KEPT))
    _writes: deque[tuple[int, Obj]] = field(default_factory=lambda: deque(maxlen=KEPT))
    _count: int = 0

    def add(self, entry: Obj) -> None:
        self._count += 1
        kept = self._reads if entry["verb"] in _READS else self._writes
        kept.append((self._count, entry))

    def clear(self) -> None:
        self._reads.clear()
        self._writes.clear()

    def lines(self) -> str:
        in_order = merge(self._reads, self._writes, key=itemgetter(0))
        return "".join(json.dumps(entry) + "\n" for _, entry in in_order)
