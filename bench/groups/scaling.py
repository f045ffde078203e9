"""More processes: worker processes one, two and four, gateways one and two, by Kubernetes' latency.

Kubernetes is `bench.front` here, which answers from memory after a simulated latency, so that it is
not what is full. On a machine of two cores everything together is soon full itself; the figure of
the budget therefore has few threads for each worker, and steps that the cores cannot take are left
out of it.
"""

from typing import Final

from bench.bench import Bench
from bench.figures import Better, Budget, Curve, Figure, Found, Judged, per_second, times
from bench.groups.reading import modern_read
from bench.load.drives import Drive
from bench.stage import ROOMY, Cast, Stage, staged
from bench.timing import linearity, median

GROUP: Final = "scaling"
WORKERS: Final = (1, 2, 4)
GATEWAYS: Final = (1, 2)
LATENCIES_MS: Final = (0, 5, 50)
FEW_THREADS: Final = 4
IO_MS: Final = 50
LINEAR: Final = Budget(limit=0.9, of=Judged.OURS, better=Better.HIGHER)


def measure(bench: Bench) -> Found:
    """The matrix, then the budget's figure."""
    matrix = _matrix(bench)
    rates = [(workers, _with_few_threads(bench, workers)) for workers in _workers(bench)]
    full = max(matrix.values())
    figure = Figure(
        group=GROUP,
        name=f"workers {' → '.join(map(str, WORKERS))}, {IO_MS} ms of I/O, part of linear",
        ours=times(linearity(rates, until=full)),
        budget=LINEAR,
        note=f"{FEW_THREADS} threads each: "
        + ", ".join(f"{rate:.0f}/s" for _, rate in rates)
        + f"; steps beyond {full:.0f}/s, the most that this machine does, do not count",
    )
    figures = (figure, *(_best(latency, matrix) for latency in LATENCIES_MS))
    return Found(figures=figures, curves=_curves(matrix, rates))


def _with_few_threads(bench: Bench, workers: int) -> float:
    cast = Cast(
        front=True,
        workers=workers,
        gateway=ROOMY,
        worker={"INFRA_GATE_WORKER_THREADS": str(FEW_THREADS)},
    )
    with staged(cast) as stage:
        return _rates(bench, stage, (IO_MS,), clients=2 * FEW_THREADS * workers)[IO_MS]


def _matrix(bench: Bench) -> dict[tuple[int, int, int], float]:
    """Calls per second by gateways, workers and latency. Gateways that nobody calls rest."""
    found = {}
    for workers in _workers(bench):
        cast = Cast(front=True, gateways=max(GATEWAYS), workers=workers, gateway=ROOMY)
        with staged(cast) as stage:
            for gateways in GATEWAYS:
                for ms, rate in _rates(bench, stage, LATENCIES_MS, gateways=gateways).items():
                    found[gateways, workers, ms] = rate
    return found


def _workers(bench: Bench) -> tuple[int, ...]:
    return WORKERS[:2] if bench.quick else WORKERS


def _rates(
    bench: Bench,
    stage: Stage,
    latencies_ms: tuple[int, ...],
    *,
    clients: int = 64,
    gateways: int = 1,
) -> dict[int, float]:
    drive = Drive(
        targets=stage.gateways[:gateways],
        requests=tuple(modern_read(stage, f"bench-{n}") for n in range(clients)),
        clients=clients,
        seconds=0.3 if bench.quick else 1.0,
    )
    bench.load.drive(drive)
    found = {}
    for ms in latencies_ms:
        stage.simulate_latency(ms)
        bench.load.drive(drive)
        rounds = range(1 if bench.quick else 3)
        found[ms] = median([bench.load.drive(drive).timed().per_second for _ in rounds])
    return found


def _best(latency: int, matrix: dict[tuple[int, int, int], float]) -> Figure:
    one = matrix[1, 1, latency]
    (gateways, workers, _), best = max(
        ((key, rate) for key, rate in matrix.items() if key[2] == latency), key=lambda row: row[1]
    )
    return Figure(
        group=GROUP,
        name=f"calls/s at {latency} ms of Kubernetes latency, the most",
        ours=per_second(best),
        reference=per_second(one),
        note=f"{gateways} gateways and {workers} workers; reference: one of each",
    )


def _curves(
    matrix: dict[tuple[int, int, int], float], few: list[tuple[int, float]]
) -> tuple[Curve, ...]:
    curves = [
        Curve(
            name=f"throughput over workers, {latency} ms of Kubernetes latency",
            x="worker processes",
            y="read calls per second",
            lines={
                f"{gateways} gateway{'s' * (gateways > 1)}": tuple(
                    (float(workers), matrix[gateways, workers, latency]) for workers, _ in few
                )
                for gateways in GATEWAYS
            },
        )
        for latency in LATENCIES_MS
    ]
    first = few[0][1]
    linear = tuple((float(workers), first * workers) for workers, _ in few)
    measured = tuple((float(workers), rate) for workers, rate in few)
    name = f"{FEW_THREADS} threads for each worker, {IO_MS} ms of I/O"
    lines = {"measured": measured, "linear": linear}
    return (*curves, Curve(name=name, x="worker processes", y="read calls per second", lines=lines))
