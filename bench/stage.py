"""A stack for measuring: the real processes, with the settings under test.

More gateways than one are on ports of their own; clients share themselves out. One person makes
all the calls here, so the limits for one person are lifted unless a stage asks for them.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import httpx2
import psutil  # type: ignore[import-untyped]  # has no types
import redis

from bench.kube import NAMESPACE
from bench.load.drives import Target
from bench.processes import python
from bench.requests import Door
from dev.issuer.keys import Keyring
from dev.issuer.settings import Settings as IssuerSettings
from dev.issuer.tokens import Tokens
from dev.stack.alone import alone
from dev.stack.material import prepare
from dev.stack.opening import claimed
from dev.stack.parts import GATEWAY, SANDBOX, WORKER, Part, Wish, parts
from dev.stack.places import Places, Record, write_record
from dev.stack.ports import choose
from dev.stack.probes import answers, workers_ready
from dev.stack.running import Signals, Stack, noted_signals

LIMITLESS: Final = {
    "INFRA_GATE_REQUESTS_PER_SECOND": "100000",
    "INFRA_GATE_REQUESTS_BURST": "1000000",
    "INFRA_GATE_REQUESTS_AT_A_TIME": "100000",
}
ROOMY: Final = {**LIMITLESS, "INFRA_GATE_MAX_IN_FLIGHT": "512"}
"""For more clients at once than a gateway takes calls by itself."""
_ONLOOKER: Final = "user onlooker reset on >onlooker ~* &* +@all\n"
"""A Redis user of the bench: sees how much memory is used, as an operator's monitoring does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Which processes, with which settings. `kubeconfig` None means the simulated cluster.

    With `front` the workers reach Kubernetes through `bench.front`.
    """

    kubeconfig: Path | None = None
    namespaces: tuple[str, ...] = (NAMESPACE,)
    gateways: int = 1
    workers: int = 1
    front: bool = False
    gateway: Mapping[str, str] = field(default_factory=lambda: LIMITLESS)
    worker: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stack that is ready."""

    cast: Cast
    places: Places
    record: Record
    stack: Stack
    ports: tuple[int, ...]
    front_port: int

    @property
    def gateways(self) -> tuple[Target, ...]:
        """Returns where the gateways are."""
        return tuple(Target(host="127.0.0.1", port=port) for port in self.ports)

    @property
    def kubeconfig(self) -> Path:
        """Returns the worker's credentials, straight to the API server."""
        return self.cast.kubeconfig or self.places.sandbox / "applier.kubeconfig"

    def door(self, subject: str = "bench") -> Door:
        """Returns the way in for a person of this name; the issuer need not know them."""
        settings = IssuerSettings(
            state=self.places.issuer,
            issuer=self.record.issuer,
            resources=(self.record.mcp,),
            clock=time.time,
        )
        keys = Keyring(self.places.issuer / "keys.json", clock=time.time)
        token = Tokens(settings, keys).access_token(
            subject=subject, client_id="bench", scope=["mcp:tools"], resource=self.record.mcp
        )
        return Door(host=f"{self.record.host}:{self.record.gateway_port}", token=token)

    def process(self, part: str) -> psutil.Process:
        """Returns the process of a part, to ask what it uses."""
        return psutil.Process(self.stack.pid(part))

    @contextmanager
    def redis(self) -> Iterator["redis.Redis"]:
        """Redis, as somebody who sees everything."""
        url = f"redis://onlooker:onlooker@127.0.0.1:{self.record.redis_port}/0"
        with redis.Redis.from_url(url) as client:
            yield client

    def calls_passed(self) -> list[dict[str, str]]:
        """Returns the API calls that passed through the front since the last question."""
        with self._at_front() as http:
            calls: list[dict[str, str]] = http.get("/_bench/calls").json()
            http.delete("/_bench/calls")
        return calls

    def simulate_latency(self, ms: float) -> None:
        """Has the front answer from memory from now on, after so many milliseconds."""
        with self._at_front() as http:
            http.post("/_bench/latency", params={"ms": ms}).raise_for_status()

    def _at_front(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.front_port}", trust_env=False)


@contextmanager
def staged(cast: Cast) -> Iterator[Stage]:
    """The stack is ready in the block and gone after it.

    Raises:
        Fault: it does not become ready; the text says why.
        ToldToStop: a signal arrived.
    """
    with tempfile.TemporaryDirectory(prefix="infragate-bench-") as folder:
        places = Places(state=Path(folder).resolve())
        with alone(places), noted_signals() as signals:
            record = claimed(places, gateway_port=0, issuer_port=0)
            prepare(places, issuer=record.issuer, namespaces=cast.namespaces)
            with places.redis_users.open("a", encoding="ascii") as users:
                users.write(_ONLOOKER)
            write_record(places, record)
            stage = _made(cast, places, record, signals)
            try:
                stage.stack.start(lambda _part, _seconds: None, lambda: None)
                yield stage
            finally:
                stage.stack.stop()


def _made(cast: Cast, places: Places, record: Record, signals: Signals) -> Stage:
    wish = Wish(kubeconfig=cast.kubeconfig, namespaces=cast.namespaces, workers=cast.workers)
    ports = (record.gateway_port, *(choose(0) for _ in range(cast.gateways - 1)))
    front_port = choose(0)
    made: list[Part] = []
    for part in parts(places, record, wish):
        if part.name == GATEWAY:
            made += [_gateway(part, cast, number, port) for number, port in enumerate(ports)]
        elif part.name.startswith(WORKER):
            if cast.front and not any(one.name == "front" for one in made):
                made.append(_front(cast, places, front_port))
            made.append(_worker(part, cast, places, record))
        else:
            made.append(part)
    return Stage(
        cast=cast,
        places=places,
        record=record,
        stack=Stack(places, made, signals),
        ports=ports,
        front_port=front_port,
    )


def _gateway(part: Part, cast: Cast, number: int, port: int) -> Part:
    return replace(
        part,
        name=part.name if number == 0 else f"{part.name}-{number + 1}",
        environment={**part.environment, **cast.gateway, "INFRA_GATE_PORT": str(port)},
        ready=answers(f"http://127.0.0.1:{port}/healthz"),
    )


def _worker(part: Part, cast: Cast, places: Places, record: Record) -> Part:
    own = {**part.environment, **cast.worker}
    if cast.front:
        own["KUBECONFIG"] = str(places.state / "front.kubeconfig")
    ready = workers_ready(f"{record.origin}/readyz", cast.workers)
    needs = (*part.needs, "front") if cast.front else part.needs
    return replace(part, environment=own, ready=ready, needs=needs)


def _front(cast: Cast, places: Places, port: int) -> Part:
    kubeconfig = cast.kubeconfig or places.sandbox / "applier.kubeconfig"
    copy = places.state / "front.kubeconfig"
    return Part(
        name="front",
        title="in front of Kubernetes",
        command=python(
            "bench.front",
            *("--kubeconfig", str(kubeconfig), "--port", str(port), "--write", str(copy)),
        ),
        environment=dict(os.environ),
        ready=answers(f"http://127.0.0.1:{port}/_bench/calls"),
        needs=() if cast.kubeconfig else (SANDBOX,),
    )
