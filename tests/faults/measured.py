"""What the fault suite found: one row for each fault, measured by the run itself, and its table.

`python -m tests.faults.measured` writes the rows of the last run into docs/operations.md.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.traffic import GOOD, Told

KEPT = Path(__file__).with_name("measured.json")
"""The rows that docs/operations.md shows; `make faults` makes them anew."""
REPORT = "INFRAGATE_FAULTS_REPORT"
"""Variable with the path of the file in which a run leaves its rows."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
BEGIN, END = "<!-- measured by make faults -->", "<!-- end of what was measured -->"

FAULTS: Mapping[str, str] = {
    "redis-stopped": "Redis stopped for 10 s",
    "redis-aof": "Redis killed, restarted from its append-only file",
    "redis-empty": "Redis killed, restarted empty",
    "half-open-gateway-redis": "gateway to Redis half-open for 10 s",
    "half-open-worker-redis": "worker to Redis half-open for 10 s",
    "half-open-worker-cluster": "worker to API server half-open for 12 s",
    "half-open-client": "clients to gateway half-open, then new connections",
    "cut": "cut (RST): clients, gateway to Redis, worker to Redis, worker to API server",
    "slow-line": "300 ms each way on one of these lines after the other",
    "throttled-line": "one of these lines after the other throttled to 20 kB/s",
    "issuer-away": "identity provider away, half-open and slow, after the gateway was restarted",
    "worker-kill-read": "worker kill -9 in a read",
    "worker-kill-plan": "worker kill -9 while it makes a plan",
    "worker-kill-apply": "worker kill -9 while its write is under way",
    "gateway-kill": "gateway kill -9 with 100 calls in flight",
    "api-stopped": "API server stopped for 20 s",
    "api-429": "API server: 429 with Retry-After 1 s, in reads, a plan and a write",
    "api-500": "API server: 500 to every list for a while",
    "api-slow": "API server: 2 s for each answer",
    "api-410": "API server: 410, the snapshot of a paged list is gone",
    "api-commit": "API server: time-out after it has committed the write",
    "clock-worker-ahead": "worker's clock 5 minutes ahead",
    "clock-worker-behind": "worker's clock 5 minutes behind",
    "clock-gateway-ahead": "gateway's clock 5 minutes ahead",
    "clock-gateway-behind": "gateway's clock 5 minutes behind",
    "disk-full": "disk full for the audit log",
    "overload": "10× overload for 30 s",  # noqa: RUF001 - times
    "poison": "poison messages in every queue",
    "log-10mb": "a log of 10 MB",
    "pods-5000": "a namespace with 5,000 Pods",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault: what callers saw, what was lost, and how long until normal, in seconds."""

    saw: str
    lost: str
    normal_s: float


def saw(told: Iterable[Told]) -> str:
    """What the callers were told, how often, and the slowest of each, the most frequent first."""
    by_code: dict[str, list[float]] = defaultdict(list)
    for one in told:
        by_code[one.code].append(one.seconds)
    frequent = sorted(by_code.items(), key=lambda item: -len(item[1]))
    return ", ".join(f"{len(each)} {_named(code)} (≤ {max(each):.1f} s)" for code, each in frequent)


def _named(code: str) -> str:
    return "answers" if code == GOOD else f"`{code}`" if "_" in code else code


def table(rows: Mapping[str, Row]) -> str:
    """The table in Markdown, in the order of `FAULTS`."""
    lines = ["| fault | callers saw | lost | normal after |", "|---|---|---|---|"]
    lines += [
        f"| {title} | {rows[name].saw} | {rows[name].lost} | {rows[name].normal_s:.1f} s |"
        for name, title in FAULTS.items()
        if name in rows
    ]
    return "\n".join(lines)


def read(path: Path = KEPT) -> dict[str, Row]:
    return {name: Row(**row) for name, row in json.loads(path.read_text("utf-8")).items()}


class Ledger:
    """The rows of one run; each is written as soon as it is known."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(
        self, name: str, told: Iterable[Told], *, lost: str = "nothing", normal_s: float = 0.0
    ) -> None:
        assert name in FAULTS
        self.rows[name] = Row(saw=saw(told), lost=lost, normal_s=round(normal_s, 1))
        if REPORT in os.environ:
            text = json.dumps({key: asdict(row) for key, row in self.rows.items()}, indent=1)
            Path(os.environ[REPORT]).write_text(text + "\n", "utf-8")


def main(arguments: Sequence[str]) -> int:
    """Writes the table into the document, or with `--print FILE` shows that of another run."""
    if arguments:
        print(table(read(Path(arguments[1]))))  # noqa: T201 - a command
        return 0
    before, rest = DOCUMENT.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    text = f"{before}{BEGIN}\n{table(read())}\n{END}{after}"
    DOCUMENT.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
