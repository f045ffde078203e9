"""The read call of other MCP servers for Kubernetes: the same Deployment, cluster, credentials.

Each with its own defaults, over Streamable HTTP, one session for each client. They run one after
the other, each in turns with ours, which has queue and workers beside it and checks tokens.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from bench.bench import Bench
from bench.figures import Better, Budget, Figure, Found, per_second, seconds
from bench.groups.reading import modern_read
from bench.load.drives import Drive, Target
from bench.load.loader import LoadFailed
from bench.peers import PEERS, Opened, Peer, serving
from bench.processes import NotReady
from bench.stage import ROOMY, Cast, Stage, staged
from bench.timing import Timed

GROUP: Final = "peers"
CLIENTS: Final = (1, 8, 64)
SECONDS: Final = 2
ROUNDS: Final = 2
"""The slow ones need a quarter of a minute for 64 clients, whatever they are given."""
BUDGET: Final = Budget(limit=4.0, beyond=6.0, better=Better.HIGHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Ours beside one peer, by number of clients."""

    name: str
    taken: dict[int, tuple[Timed, Timed]]


def measure(bench: Bench) -> Found:
    """Those that are installed in the folder of `--peers`."""
    if bench.peers is None:
        return Found(not_run=("peers: `make bench-peers` installs them and compares",))
    compared: list[Compared] = []
    not_run: list[str] = []
    with staged(Cast(kubeconfig=bench.kubeconfig, gateway=ROOMY)) as stage:
        for peer in PEERS:
            if why := peer.missing(bench.peers):
                not_run.append(f"{peer.name}: {why}")
                continue
            try:
                compared.append(_compared(bench, stage, peer))
            except (LoadFailed, NotReady) as fault:
                not_run.append(f"{peer.name}: {fault}")
    figures = [figure for one in compared for figure in _figures(one)]
    if compared:
        figures += [_beside_the_best(clients, compared) for clients in CLIENTS if clients > 1]
    return Found(figures=tuple(figures), not_run=tuple(not_run))


def _compared(bench: Bench, stage: Stage, peer: Peer) -> Compared:
    if bench.peers is None:
        raise NotReady("There is no folder with peers.")
    with ExitStack() as stack:
        opened = stack.enter_context(serving(peer, bench.peers, stage.kubeconfig))
        taken = {clients: _beside(bench, stage, opened, clients) for clients in CLIENTS}
        return Compared(name=f"{peer.name} {opened.version}", taken=taken)


def _beside(bench: Bench, stage: Stage, opened: Opened, clients: int) -> tuple[Timed, Timed]:
    reads = tuple(modern_read(stage, f"bench-{n}") for n in range(clients))
    ours, theirs = replace(bench, rounds=min(bench.rounds, ROUNDS)).in_turns(
        _drive(bench, stage.gateways, reads), _drive(bench, (opened.target,), opened.calls(clients))
    )
    return ours, theirs


def _drive(bench: Bench, targets: tuple[Target, ...], requests: tuple[bytes, ...]) -> Drive:
    return Drive(
        targets=targets,
        requests=requests,
        clients=len(requests),
        seconds=1 if bench.quick else SECONDS,
    )


def _figures(compared: Compared) -> list[Figure]:
    ours, theirs = compared.taken[1]
    figures = [
        Figure(
            group=GROUP,
            name=f"{compared.name}: 1 client, p50",
            ours=seconds(ours.p50),
            reference=seconds(theirs.p50),
        )
    ]
    for clients in CLIENTS[1:]:
        ours, theirs = compared.taken[clients]
        figures.append(
            Figure(
                group=GROUP,
                name=f"{compared.name}: {clients} clients, calls/s",
                ours=per_second(ours.per_second),
                reference=per_second(theirs.per_second),
            )
        )
    return figures


def _beside_the_best(clients: int, compared: list[Compared]) -> Figure:
    best = max(compared, key=lambda one: one.taken[clients][1].per_second)
    ours, theirs = best.taken[clients]
    return Figure(
        group=GROUP,
        name=f"read call, {clients} clients, calls/s, over the best peer",
        ours=per_second(ours.per_second),
        reference=per_second(theirs.per_second),
        budget=BUDGET,
        note=f"reference: {best.name}",
    )
