"""Read calls: one Deployment through the gateway, beside a GET of it with the same credentials."""

from typing import Final

from bench.bench import Bench
from bench.figures import Budget, Curve, Figure, Found, Judged, per_second, seconds
from bench.kube import DEPLOYMENT, NAMESPACE, Kube
from bench.load.drives import Drive
from bench.sessions import opened
from bench.stage import ROOMY, Cast, Stage, staged
from bench.timing import Timed
from dev.stack.parts import GATEWAY, REDIS, WORKER

GROUP: Final = "reading"
SLOWEST: Final = Budget(limit=3.0, beyond=2.0)
CPU: Final = Budget(limit=0.0012, beyond=0.0008, of=Judged.OURS)
LOADS: Final = (1, 2, 4, 8, 16, 32, 64)
_ARGUMENTS: Final = {"namespace": NAMESPACE, "kind": "Deployment", "name": "nginx"}
_TOOL: Final = "get_k8s_resource"


def measure(bench: Bench) -> Found:
    """One gateway, one worker."""
    with staged(Cast(kubeconfig=bench.kubeconfig, gateway=ROOMY)) as stage:
        sweep = {clients: _beside(bench, stage, clients) for clients in _loads(bench)}
        eras = _cpu(bench, stage)
    return Found(figures=(*_figures(bench, sweep), *eras), curves=_curves(sweep))


def modern_read(stage: Stage, subject: str = "bench") -> bytes:
    """Returns the read call of 2026-07-28."""
    return stage.door(subject).modern("tools/call", name=_TOOL, arguments=_ARGUMENTS)


def _loads(bench: Bench) -> tuple[int, ...]:
    return (1, 8, 64) if bench.quick else LOADS


def _beside(bench: Bench, stage: Stage, clients: int) -> tuple[Timed, Timed]:
    """Ours and the GET; each client is a person of its own, as in life."""
    kube = Kube.of(stage.kubeconfig)
    calls = max(bench.few(200), clients * bench.few(10, least=3))
    ours = Drive(
        targets=stage.gateways,
        requests=tuple(modern_read(stage, f"bench-{n}") for n in range(clients)),
        clients=clients,
        calls=calls,
    )
    direct = Drive(
        targets=(kube.target,),
        requests=(kube.request("GET", DEPLOYMENT),),
        clients=clients,
        calls=calls,
    )
    read, get = bench.in_turns(ours, direct)
    return read, get


def _figures(bench: Bench, sweep: dict[int, tuple[Timed, Timed]]) -> list[Figure]:
    read, get = sweep[1]
    eight, _ = sweep[8]
    figures = [
        Figure(
            group=GROUP,
            name="read call, 1 client, p50",
            ours=seconds(read.p50),
            reference=seconds(get.p50),
            budget=bench.on_real(SLOWEST),
            note="reference: raw GET over a warm connection",
        ),
        Figure(
            group=GROUP,
            name="read call, 8 clients, p99 over p50",
            ours=seconds(eight.p99),
            reference=seconds(eight.p50),
            budget=SLOWEST,
            note="reference: our own p50",
        ),
    ]
    for clients in (8, 64):
        ours, direct = sweep[clients]
        figures.append(
            Figure(
                group=GROUP,
                name=f"read call, {clients} clients, calls/s",
                ours=per_second(ours.per_second),
                reference=per_second(direct.per_second),
                note="reference: raw GETs; beside peers: make bench-peers",
            )
        )
    return figures


def _curves(sweep: dict[int, tuple[Timed, Timed]]) -> tuple[Curve, ...]:
    p50 = tuple((float(clients), ours.p50 * 1000) for clients, (ours, _) in sweep.items())
    p99 = tuple((float(clients), ours.p99 * 1000) for clients, (ours, _) in sweep.items())
    direct = tuple((float(clients), get.p50 * 1000) for clients, (_, get) in sweep.items())
    lines = {"p50": p50, "p99": p99, "raw GET, p50": direct}
    return (Curve(name="latency over load", x="clients", y="ms for a read call", lines=lines),)


def _cpu(bench: Bench, stage: Stage) -> list[Figure]:
    """Processor time for a call with 8 clients, in each era."""
    modern = tuple(modern_read(stage, f"bench-{n}") for n in range(8))
    sessions = opened(stage, 8)
    handshake = tuple(
        session.door.in_session(session.id, "tools/call", name=_TOOL, arguments=_ARGUMENTS)
        for session in sessions
    )
    figures = []
    for era, requests in (("2026-07-28", modern), ("handshake session", handshake)):
        drive = Drive(targets=stage.gateways, requests=requests, clients=8, calls=bench.few(2000))
        bench.load.drive(drive)
        before = _used(stage)
        bench.load.drive(drive)
        spent = {part: (used - before[part]) / drive.calls for part, used in _used(stage).items()}
        figures += [
            Figure(
                group=GROUP,
                name=f"{part} CPU per read call, {era}",
                ours=seconds(used),
                budget=CPU if part == GATEWAY else None,
                note="8 clients",
            )
            for part, used in spent.items()
        ]
    return figures


def _used(stage: Stage) -> dict[str, float]:
    """Seconds of processor time so far, by part."""
    times = {part: stage.process(part).cpu_times() for part in (GATEWAY, WORKER, REDIS)}
    return {part: used.user + used.system for part, used in times.items()}
