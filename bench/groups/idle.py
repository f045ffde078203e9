"""10,000 sessions of the handshake era that nobody uses: what they cost Redis and the gateway."""

from typing import Final

from bench.bench import Bench
from bench.figures import Budget, Figure, Found, Judged, size
from bench.load.drives import Drive
from bench.stage import Cast, Stage, staged
from dev.stack.parts import GATEWAY
from shared.stores.mcp_sessions import MAX_PER_SUBJECT

GROUP: Final = "idle"
SESSIONS: Final = 10_000
WARM_UP: Final = 2_000
"""So many first: what the interpreter keeps once is no session's."""
CLIENTS: Final = 16
IN_REDIS: Final = Budget(limit=20e6, of=Judged.OURS)
IN_GATEWAY: Final = Budget(limit=1e6, of=Judged.OURS)
"""The design says 0; a megabyte is what an allocator may do by itself."""


def measure(bench: Bench) -> Found:
    """Opens them by many people, since one may have no more than 500."""
    with staged(Cast()) as stage:
        _open(bench, stage, WARM_UP // (10 if bench.quick else 1), "warm")
        before = _used(stage), _resident(stage)
        opened = _open(bench, stage, bench.few(SESSIONS), "bench")
        after = _used(stage), _resident(stage)
    in_redis, in_gateway = (new - old for new, old in zip(after, before, strict=True))
    return Found(
        figures=(
            Figure(
                group=GROUP,
                name=f"{opened:,} idle sessions, in Redis",
                ours=size(in_redis),
                budget=IN_REDIS,
                note="growth of used_memory",
            ),
            Figure(
                group=GROUP,
                name=f"{opened:,} idle sessions, in the gateway",
                ours=size(max(0, in_gateway)),
                budget=IN_GATEWAY,
                note=f"growth of RSS, after {WARM_UP:,} sessions before them",
            ),
        )
    )


def _open(bench: Bench, stage: Stage, number: int, name: str) -> int:
    """Opens so many sessions, as evenly among people as may be; returns how many."""
    people = -(-number // (MAX_PER_SUBJECT // 2))
    requests = tuple(stage.door(f"{name}-{n}").initialize() for n in range(people))
    for request in requests:
        bench.load.drive(
            Drive(
                targets=stage.gateways,
                requests=(request,),
                clients=CLIENTS,
                calls=number // people,
            )
        )
    return number // people * people


def _used(stage: Stage) -> int:
    with stage.redis() as redis:
        return int(redis.info("memory")["used_memory"])


def _resident(stage: Stage) -> int:
    return int(stage.process(GATEWAY).memory_info().rss)
