"""The parts of a stack: how each is started, when it is ready, and what it waits for.

Each gets only what is its own: no part but the workers sees a kubeconfig. In a strict stack gateway
and approval pages are two processes, and so are reader, planner and applier, as in production.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dev.redis_server import command as redis_command
from dev.stack import environments, redis_users
from dev.stack.pins import pinned
from dev.stack.places import Places, Record
from dev.stack.probes import Probe, answers, redis_answers, role_ready, workers_ready
from shared.messages import Role

REDIS: Final = "redis"
SANDBOX: Final = "cluster"
ISSUER: Final = "issuer"
GATEWAY: Final = "gateway"
APPROVALS: Final = "approvals"
WORKER: Final = "worker"
ROLES: Final = {"reader": Role.READ, "planner": Role.PLAN, "applier": Role.APPLY}
"""A strict stack's workers. Their names are also those of their Redis users and identities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process. `needs` must be ready before it starts; `last` stops after the others."""

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Probe
    needs: tuple[str, ...] = ()
    last: bool = False
    worker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the person asked for; `kubeconfig` None means the simulated cluster.

    In a strict stack `kubeconfig` is the applier's, and that of those without one of their own.
    `workers` counts the processes of each kind.
    """

    kubeconfig: Path | None
    namespaces: tuple[str, ...]
    workers: int
    reader_kubeconfig: Path | None = None
    planner_kubeconfig: Path | None = None

    def kubeconfig_of(self, name: str) -> Path | None:
        """Returns that of a role by its name; None where the cluster is simulated."""
        own = {"reader": self.reader_kubeconfig, "planner": self.planner_kubeconfig}
        return own.get(name) or self.kubeconfig


def parts(places: Places, record: Record, wish: Wish) -> tuple[Part, ...]:
    """Returns the parts in the order in which they are told of."""
    cluster = () if wish.kubeconfig else (_sandbox(places, record),)
    rest = _strict_parts if record.strict else _usual_parts
    ours = (_with_metrics(part, record) for part in rest(places, record, wish))
    return (_redis(places, record), *cluster, _issuer(places, record), *ours)


def measured(*, strict: bool, workers: int) -> tuple[str, ...]:
    """Returns the names of the parts that serve metrics; `workers` counts those of each kind."""
    kinds = tuple(ROLES) if strict else (WORKER,)
    doors = (GATEWAY, APPROVALS) if strict else (GATEWAY,)
    return (*doors, *(_numbered(kind, n, workers) for kind in kinds for n in range(1, workers + 1)))


def _with_metrics(part: Part, record: Record) -> Part:
    port = record.metrics.get(part.name)
    told = {"INFRA_GATE_METRICS_PORT": str(port)} if port else {}
    return replace(part, environment={**part.environment, **told})


def _usual_parts(places: Places, record: Record, wish: Wish) -> Iterator[Part]:
    """Gateway and pages in one process, and workers that have all roles."""
    yield _door(
        GATEWAY,
        "gateway and approval pages",
        record.gateway_port,
        {
            **environments.of_all(record),
            **environments.redis(places, record, redis_users.LAPTOP_GATEWAY),
            **environments.tokens(),
            "INFRA_GATE_STATE_KEY_FILE": str(places.state_key),
            "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE": str(places.client_key),
        },
    )
    for number in range(1, wish.workers + 1):
        yield _worker(
            WORKER,
            "worker{}: reads, plans, applies",
            wish,
            number,
            workers_ready(f"{record.origin}/readyz", number),
            {
                **_cluster(places, wish),
                **environments.of_all(record),
                **environments.redis(places, record, redis_users.LAPTOP_WORKER),
                **environments.folders(places.one_for_all),
                **environments.notices(),
                "KUBECONFIG": str(wish.kubeconfig or places.sandbox / "applier.kubeconfig"),
            },
        )


def _strict_parts(places: Places, record: Record, wish: Wish) -> Iterator[Part]:
    """Five kinds of process, none of which is given what is another's."""
    pins = pinned(planner=places.of_role("planner").keys, applier=places.of_role("applier").keys)
    yield _door(
        GATEWAY,
        "gateway",
        record.gateway_port,
        {
            **environments.of_all(record),
            **environments.redis(places, record, GATEWAY),
            **environments.tokens(),
            "INFRA_GATE_STATE_KEY_FILE": str(places.state_key),
            **environments.seals(pins),
            "INFRA_GATE_SERVES": "gateway",
        },
    )
    yield _door(
        APPROVALS,
        "approval pages, a process and origin of their own",
        record.approvals_port,
        {
            **environments.of_all(record),
            **environments.redis(places, record, APPROVALS),
            **environments.seals(pins),
            "INFRA_GATE_SERVES": "approvals",
            "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE": str(places.client_key),
            "INFRA_GATE_RECEIPT_PUBLIC_KEYS": ",".join(pins.receipts),
            "INFRA_GATE_PROOF_PUBLIC_KEY": pins.proof,
        },
    )
    for name, role in ROLES.items():
        for number in range(1, wish.workers + 1):
            yield _worker(
                name,
                name + "{}",
                wish,
                number,
                role_ready(f"{record.origin}/readyz", role.value, number),
                {
                    **_cluster(places, wish),
                    **environments.of_all(record),
                    **environments.redis(places, record, name),
                    **environments.folders(places.of_role(name)),
                    **(environments.notices() if role is not Role.READ else {}),
                    **(environments.seals(pins) if role is Role.APPLY else {}),
                    "INFRA_GATE_WORKER_ROLES": role.value,
                    "KUBECONFIG": str(
                        wish.kubeconfig_of(name) or places.sandbox / f"{name}.kubeconfig"
                    ),
                },
            )


def _redis(places: Places, record: Record) -> Part:
    return Part(
        name=REDIS,
        title="Redis, with its append-only file",
        command=tuple(
            redis_command(record.redis_port, places.redis, aof=True, acl=places.redis_users)
        ),
        environment=environments.clean(),
        ready=redis_answers(record.redis_port),
        last=True,
    )


def _sandbox(places: Places, record: Record) -> Part:
    port = str(record.sandbox_port)
    arguments = ("--port", port, "--state", str(places.sandbox), "--seed", "demo")
    url = f"https://127.0.0.1:{port}/readyz"
    return Part(
        name=SANDBOX,
        title="simulated cluster",
        command=_python("dev.sandbox", *arguments),
        environment=environments.clean(),
        ready=answers(url, ca=places.sandbox / "ca.crt"),
        last=True,
    )


def _issuer(places: Places, record: Record) -> Part:
    arguments = {
        "--port": str(record.issuer_port),
        "--state": str(places.issuer),
        "--resource": record.mcp,
        "--approval-client-jwks": str(places.client_jwks),
        "--approval-redirect": f"{record.approvals}/approvals/callback",
    }
    return Part(
        name=ISSUER,
        title="development issuer",
        command=_python("dev.issuer", *(word for pair in arguments.items() for word in pair)),
        environment=environments.clean(),
        ready=answers(f"{record.issuer}/healthz"),
    )


def _door(name: str, title: str, port: int, environment: Mapping[str, str]) -> Part:
    """A process that agents or people come to."""
    return Part(
        name=name,
        title=title,
        command=_python("api"),
        environment={**environments.clean(), **environment, "INFRA_GATE_PORT": str(port)},
        ready=answers(f"http://127.0.0.1:{port}/healthz"),
        needs=(REDIS,),
    )


def _worker(
    name: str, title: str, wish: Wish, number: int, ready: Probe, environment: Mapping[str, str]
) -> Part:
    """One of `wish.workers` alike; what `title` holds in braces tells it from the others."""
    alone = wish.workers == 1
    return Part(
        name=_numbered(name, number, wish.workers),
        title=title.format("" if alone else f" {number} of {wish.workers}"),
        command=_python("worker"),
        environment={**environments.clean(), **environment},
        ready=ready,
        needs=(REDIS,) if wish.kubeconfig else (REDIS, SANDBOX),
        worker=True,
    )


def _numbered(name: str, number: int, count: int) -> str:
    return name if count == 1 else f"{name}-{number}"


def _cluster(places: Places, wish: Wish) -> dict[str, str]:
    return {
        "INFRA_GATE_CLUSTER": "sandbox" if wish.kubeconfig is None else "local",
        "K8S_MCP_ALLOWED_NAMESPACES": ",".join(wish.namespaces),
        "INFRA_GATE_POLICY_FILE": str(places.policy),
    }


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
