"""`python -m bench.soak`: 70 % of what the stack can do, for half an hour; nothing may grow.

Clients of both eras read over kept connections, while the memory, files and connections of gateway
and worker and the keys of Redis are looked at. Exit code 1 when something grew or a call failed, 2
when it was not measured. Plans are not made: Redis keeps each for a day, which is growth by design.
"""

import json
import sys
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.groups.reading import modern_read
from bench.growth import Bound, Trend
from bench.kube import NAMESPACE
from bench.load.drives import Drive, Driven, Outcome
from bench.load.loader import Loader, loader
from bench.sessions import opened
from bench.stage import Cast, Stage, staged
from bench.timing import joined
from dev.stack.parts import GATEWAY, WORKER
from dev.stack.running import ToldToStop
from shared.errors import Fault

NOT_DONE: Final = 2
SHARE: Final = 0.7
CLIENTS: Final = 16
CAPACITY_S: Final = 8.0
"""Of each of the rounds in which capacity is measured; the first only warms up."""
SAMPLES: Final = 60
LEAST_SLICE_S: Final = 3.0

MEMORY: Final = Bound(ratio=1.1, spare=4.0)
POOLED: Final = Bound(ratio=1.0, spare=16.0)
"""Pools fill slowly, up to a connection for each thread; what leaks with calls does not end."""
SLOWEST: Final = Bound(ratio=1.5, spare=5.0)
LATENCY: Final = "p99, ms"

_BOUNDS: Final = {
    "gateway, resident MB": MEMORY,
    "worker, resident MB": MEMORY,
    "gateway, open files": POOLED,
    "worker, open files": POOLED,
    "Redis, keys": POOLED,
    "Redis, connections": POOLED,
    "Redis, used MB": MEMORY,
    LATENCY: SLOWEST,
}


@dataclass(slots=True, kw_only=True)
class Soak:
    """What was seen: `rate` is what was asked for, in calls per second.

    A machine that does other work, too, says nothing about speed; there it need not be judged.
    """

    capacity: float
    rate: float
    judges_speed: bool = True
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answered: int = 0
    refused: int = 0
    failed: int = 0
    first_failure: str = ""

    @property
    def trends(self) -> tuple[Trend, ...]:
        """Returns what was sampled, with what is allowed."""
        return tuple(
            Trend(name=name, samples=tuple(self.samples[name]), bound=bound)
            for name, bound in _BOUNDS.items()
        )

    @property
    def is_steady(self) -> bool:
        """Says whether nothing grew, no call failed, and none was refused."""
        return not (self.failed or self.refused or self.grew)

    @property
    def grew(self) -> list[str]:
        """Returns the names of what grew and is judged."""
        return [
            trend.name
            for trend in self.trends
            if trend.grew and (self.judges_speed or trend.name != LATENCY)
        ]

    def count(self, driven: Sequence[Driven]) -> None:
        """Adds what came back from a slice."""
        for one in driven:
            self.answered += one.count(Outcome.ANSWERED)
            self.refused += one.count(Outcome.REFUSED)
            self.failed += one.count(Outcome.FAILED)
            self.first_failure = self.first_failure or one.first_failure
        self.samples[LATENCY].append(joined([one.timed() for one in driven]).p99 * 1000)


def main() -> int:
    """Soaks once; the exit code says whether the stack is steady."""
    parser = ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0, help="half an hour unless given")
    parser.add_argument("--out", type=Path, default=Path("bench/results"), help="folder")
    parser.add_argument("--shared", action="store_true", help="the machine is busy: p99 is shown")
    options = parser.parse_args()
    try:
        with staged(Cast()) as stage, loader() as load:
            soak = soaked(stage, load, options.seconds)
            soak.judges_speed = not options.shared
    except ToldToStop:
        return NOT_DONE
    except Fault as fault:
        print(fault, file=sys.stderr)
        return NOT_DONE
    Console().print(shown(soak, options.seconds))
    print(f"{soak.answered} answered, {soak.refused} refused, {soak.failed} failed", end=" ")
    print(soak.first_failure)
    _write(soak, options.seconds, options.out)
    return 0 if soak.is_steady else 1


def soaked(stage: Stage, load: Loader, seconds: float) -> Soak:
    """Measures the capacity, then keeps 70 % of it up and looks at everything after each slice.

    Raises:
        Fault: a process of the stack, or the load's, ended.
        ToldToStop: a signal arrived.
    """
    requests = _requests(stage)

    def drive(length: float, rate: float = 0.0) -> Drive:
        return Drive(
            targets=stage.gateways, requests=requests, clients=CLIENTS, seconds=length, rate=rate
        )

    load.together(drive(CAPACITY_S))
    (full,) = load.together(drive(CAPACITY_S))
    capacity = full.timed().per_second
    soak = Soak(capacity=capacity, rate=SHARE * capacity)
    length = max(LEAST_SLICE_S, seconds / SAMPLES)
    for _ in range(max(3, round(seconds / length))):
        stage.stack.require_alive()
        soak.count(load.together(drive(length, soak.rate)))
        _sample(stage, soak.samples)
    return soak


def _requests(stage: Stage) -> tuple[bytes, ...]:
    """One for each client: reads of both eras, and the status of the whole namespace."""
    half = CLIENTS // 2
    modern = tuple(modern_read(stage, f"bench-{number}") for number in range(half))
    status = {"name": "get_k8s_status", "arguments": {"namespace": NAMESPACE}}
    old = tuple(
        session.door.in_session(session.id, "tools/call", **status)
        for session in opened(stage, CLIENTS - half)
    )
    return modern + old


def _sample(stage: Stage, samples: dict[str, list[float]]) -> None:
    for part, name in ((GATEWAY, "gateway"), (WORKER, "worker")):
        process = stage.process(part)
        samples[f"{name}, resident MB"].append(process.memory_info().rss / 1e6)
        samples[f"{name}, open files"].append(process.num_fds())
    with stage.redis() as redis:
        samples["Redis, keys"].append(redis.dbsize())
        samples["Redis, connections"].append(redis.info("clients")["connected_clients"])
        samples["Redis, used MB"].append(redis.info("memory")["used_memory"] / 1e6)


def shown(soak: Soak, seconds: float) -> Table:
    """Returns the table for a terminal."""
    table = Table(
        title=f"{seconds:.0f} s at {soak.rate:.0f} calls/s, {SHARE:.0%} of {soak.capacity:.0f}"
    )
    for column in ("", "first", "middle third", "last third", "at most", ""):
        table.add_column(column, justify="left" if not column else "right")
    for trend in soak.trends:
        most = trend.middle * trend.bound.ratio + trend.bound.spare
        numbers = (trend.samples[0], trend.middle, trend.last, most)
        verdict = "GREW" if trend.name in soak.grew else "higher" if trend.grew else "steady"
        table.add_row(trend.name, *(f"{number:.1f}" for number in numbers), verdict)
    return table


def _write(soak: Soak, seconds: float, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "seconds": seconds,
        "capacity": soak.capacity,
        "rate": soak.rate,
        "answered": soak.answered,
        "refused": soak.refused,
        "failed": soak.failed,
        "samples": soak.samples,
        "grew": soak.grew,
    }
    (folder / "soak.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
