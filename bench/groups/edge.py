"""The protocol layer: requests that no worker sees, beside an application that does nothing."""

from typing import Final

from bench.bench import Bench
from bench.figures import Figure, Found, per_second, seconds
from bench.load.drives import Drive, Target
from bench.processes import python, running
from bench.sessions import opened
from bench.stage import Cast, staged
from dev.stack.ports import choose
from dev.stack.probes import answers

GROUP: Final = "edge"
CLIENTS: Final = 8


def measure(bench: Bench) -> Found:
    """`tools/list` in both eras; the token is verified, or known, as in every request."""
    port = choose(0)
    bare_target = Target(host="127.0.0.1", port=port)
    figures: list[Figure] = []
    with (
        running(python("bench.bare", str(port)), answers(f"http://127.0.0.1:{port}/")),
        staged(Cast()) as stage,
    ):
        (session,) = opened(stage, 1)
        requests = {
            "2026-07-28": session.door.modern("tools/list"),
            "handshake session": session.door.in_session(session.id, "tools/list"),
        }
        for era, request in requests.items():
            for clients in (1, CLIENTS):
                calls = bench.few(500 * clients)
                ours, bare = bench.in_turns(
                    Drive(
                        targets=stage.gateways, requests=(request,), clients=clients, calls=calls
                    ),
                    Drive(
                        targets=(bare_target,), requests=(request,), clients=clients, calls=calls
                    ),
                )
                one = clients == 1
                figures.append(
                    Figure(
                        group=GROUP,
                        name=f"tools/list, {era}, "
                        + ("1 client, p50" if one else f"{clients} clients, requests/s"),
                        ours=seconds(ours.p50) if one else per_second(ours.per_second),
                        reference=seconds(bare.p50) if one else per_second(bare.per_second),
                        note="reference: bare ASGI on the same server",
                    )
                )
    return Found(figures=tuple(figures))
