"""Ten times more calls than can be done, by eight people at once; and one who asks now and then.

Kubernetes takes 200 ms for every answer here (`bench.front`), so that what is full is the workers
and not this machine: 16 threads then do 80 calls a second. All limits are those that we ship.
"""

from typing import Final

from bench.bench import Bench
from bench.figures import Budget, Figure, Found, Judged, count, per_second, seconds
from bench.groups.reading import modern_read
from bench.load.drives import Drive, Driven, Outcome
from bench.stage import Cast, Stage, staged

GROUP: Final = "overload"
LATENCY_MS: Final = 200.0
THREADS: Final = 16
TIMES: Final = 10
SECONDS: Final = 30.0
NOISY: Final = 8
CLIENTS: Final = 20
"""Of each noisy person: enough to keep sending while earlier calls wait."""
SLOWER: Final = Budget(limit=3.0)
REFUSAL: Final = Budget(limit=0.050, of=Judged.OURS)
NOTHING: Final = Budget(limit=0.0, of=Judged.OURS)


def measure(bench: Bench) -> Found:
    """Normal first (three quarters of the threads busy), then the flood."""
    cast = Cast(front=True, gateway={}, worker={"INFRA_GATE_WORKER_THREADS": str(THREADS)})
    with staged(cast) as stage:
        bench.load.drive(Drive(targets=stage.gateways, requests=(modern_read(stage),), calls=5))
        stage.simulate_latency(LATENCY_MS)
        normal = bench.load.drive(_normal(bench, stage))
        noisy, quiet = bench.load.together(_flood(bench, stage), _quiet(bench, stage))
    return Found(figures=_figures(normal, noisy, quiet))


def _normal(bench: Bench, stage: Stage) -> Drive:
    clients = THREADS * 3 // 4
    return Drive(
        targets=stage.gateways,
        requests=tuple(modern_read(stage, f"normal-{n}") for n in range(clients)),
        clients=clients,
        seconds=bench.few(int(SECONDS) // 2),
    )


def _flood(bench: Bench, stage: Stage) -> Drive:
    capacity = THREADS / (LATENCY_MS / 1000)
    return Drive(
        targets=stage.gateways,
        requests=tuple(modern_read(stage, f"noisy-{n}") for n in range(NOISY)),
        clients=NOISY * CLIENTS,
        seconds=bench.few(int(SECONDS)),
        rate=capacity * TIMES,
    )


def _quiet(bench: Bench, stage: Stage) -> Drive:
    return Drive(
        targets=stage.gateways,
        requests=(modern_read(stage, "quiet"),),
        seconds=bench.few(int(SECONDS)),
        rate=2,
    )


def _figures(normal: Driven, noisy: Driven, quiet: Driven) -> tuple[Figure, ...]:
    accepted, refused = noisy.timed(), noisy.timed(Outcome.REFUSED)
    lost = quiet.count(Outcome.REFUSED) + quiet.count(Outcome.FAILED)
    offered = sum(map(noisy.count, Outcome)) / noisy.together
    capacity = THREADS / (LATENCY_MS / 1000)
    return (
        Figure(
            group=GROUP,
            name=f"{TIMES}× overload, accepted calls, p99",  # noqa: RUF001 - times
            ours=seconds(accepted.p99),
            reference=seconds(normal.timed().p99),
            budget=SLOWER,
            note=f"reference: three quarters of the threads busy; {offered:.0f} calls/s offered",
        ),
        Figure(
            group=GROUP,
            name=f"{TIMES}× overload, calls done a second",  # noqa: RUF001 - times
            ours=per_second(accepted.per_second),
            reference=per_second(capacity),
            note="reference: what the threads can do",
        ),
        Figure(
            group=GROUP,
            name=f"{TIMES}× overload, refusals, p99",  # noqa: RUF001 - times
            ours=seconds(refused.p99),
            budget=REFUSAL,
            note=f"{noisy.count(Outcome.REFUSED)} refused, {noisy.count(Outcome.FAILED)} failed",
        ),
        Figure(
            group=GROUP,
            name="a quiet client among them, calls lost",
            ours=count(lost),
            budget=NOTHING,
            note=f"of {lost + quiet.count(Outcome.ANSWERED)}",
        ),
        Figure(
            group=GROUP,
            name="a quiet client among them, p99",
            ours=seconds(quiet.timed().p99),
            reference=seconds(normal.timed().p99),
        ),
    )
