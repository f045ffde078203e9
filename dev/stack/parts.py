"""The parts of a stack: how each is started, when it is ready, and what it waits for.

Each gets only what is its own: no part but the workers sees a kubeconfig.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.redis_server import command as redis_command
from dev.stack import redis_users
from dev.stack.places import Places, Record
from dev.stack.probes import Probe, answers, redis_answers, workers_ready

REDIS: Final = "redis"
SANDBOX: Final = "cluster"
ISSUER: Final = "issuer"
GATEWAY: Final = "gateway"
WORKER: Final = "worker"

_FOREIGN: Final = ("INFRA_GATE_", "K8S_MCP_", "KUBECONFIG", "KUBERNETES_")
"""Variables that would point a part at something that is not this stack."""
_WELCOME: Final = (
    *("INFRA_GATE_LOG_FORMAT", "INFRA_GATE_STATIC_BEARER_TOKEN", "INFRA_GATE_BEARER_TOKEN"),
    *("INFRA_GATE_REQUESTS_PER_SECOND", "INFRA_GATE_REQUESTS_BURST"),
    "INFRA_GATE_REQUESTS_AT_A_TIME",
    *("INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS", "INFRA_GATE_APPROVAL_CHALLENGE_TTL_SECONDS"),
)
"""Settings that a person may try on a laptop, passed on to the parts that know them."""
_NOTICES: Final = ("INFRA_GATE_NOTICE_URL", "INFRA_GATE_NOTICE_SECRET")
"""For workers only: with these a gateway could tell people what never happened."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the person asked for; `kubeconfig` None means the simulated cluster."""

    kubeconfig: Path | None
    namespaces: tuple[str, ...]
    workers: int


def parts(places: Places, record: Record, wish: Wish) -> tuple[Part, ...]:
    """Returns the parts in the order in which they are told of."""
    cluster = () if wish.kubeconfig else (_sandbox(places, record),)
    workers = (_worker(places, record, wish, number) for number in range(1, wish.workers + 1))
    return (
        _redis(places, record),
        *cluster,
        _issuer(places, record),
        _gateway(places, record),
        *workers,
    )


def _redis(places: Places, record: Record) -> Part:
    return Part(
        name=REDIS,
        title="Redis, with its append-only file",
        command=tuple(
            redis_command(record.redis_port, places.redis, aof=True, acl=places.redis_users)
        ),
        environment=_clean(os.environ),
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
        environment=_clean(os.environ),
        ready=answers(url, ca=places.sandbox / "ca.crt"),
        last=True,
    )


def _issuer(places: Places, record: Record) -> Part:
    arguments = {
        "--port": str(record.issuer_port),
        "--state": str(places.issuer),
        "--resource": record.mcp,
        "--approval-client-jwks": str(places.client_jwks),
        "--approval-redirect": f"{record.origin}/approvals/callback",
    }
    return Part(
        name=ISSUER,
        title="development issuer",
        command=_python("dev.issuer", *(word for pair in arguments.items() for word in pair)),
        environment=_clean(os.environ),
        ready=answers(f"{record.issuer}/healthz"),
    )


def _gateway(places: Places, record: Record) -> Part:
    return Part(
        name=GATEWAY,
        title="gateway and approval pages",
        command=_python("api"),
        environment={
            **_clean(os.environ),
            **_common(record, redis_users.url(places, record.redis_port, "gateway")),
            "INFRA_GATE_PORT": str(record.gateway_port),
            "INFRA_GATE_APPROVAL_BASE_URL": record.origin,
            "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE": str(places.client_key),
            "INFRA_GATE_STATE_KEY_FILE": str(places.state_key),
        },
        ready=answers(f"{record.origin}/healthz"),
        needs=(REDIS,),
    )


def _worker(places: Places, record: Record, wish: Wish, number: int) -> Part:
    suffix = "" if wish.workers == 1 else f"-{number}"
    count = "" if wish.workers == 1 else f" {number} of {wish.workers}"
    return Part(
        name=f"{WORKER}{suffix}",
        title=f"worker{count}: reads, plans, applies",
        command=_python("worker"),
        environment={
            **_clean(os.environ),
            **_common(record, redis_users.url(places, record.redis_port, "worker")),
            "INFRA_GATE_CLUSTER": "sandbox" if wish.kubeconfig is None else "local",
            "KUBECONFIG": str(wish.kubeconfig or places.sandbox / "applier.kubeconfig"),
            "K8S_MCP_ALLOWED_NAMESPACES": ",".join(wish.namespaces),
            "K8S_MCP_APPROVAL_ROOT": str(places.state / "approvals"),
            "INFRA_GATE_GUARD_AUDIT_ROOT": str(places.state / "guardrails"),
            "INFRA_GATE_KEYS_ROOT": str(places.state / "keys"),
            "INFRA_GATE_POLICY_FILE": str(places.policy),
            "INFRA_GATE_APPROVAL_BASE_URL": record.origin,
            **{name: os.environ[name] for name in _NOTICES if name in os.environ},
        },
        ready=workers_ready(f"{record.origin}/readyz", number),
        needs=(REDIS,) if wish.kubeconfig else (REDIS, SANDBOX),
    )


def _common(record: Record, redis_url: str) -> dict[str, str]:
    return {
        "INFRA_GATE_REDIS_URL": redis_url,
        "INFRA_GATE_OAUTH_AUTHORITY": record.issuer,
        "INFRA_GATE_OAUTH_RESOURCE": record.mcp,
    }


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environment.items()
        if name in _WELCOME or not name.startswith(_FOREIGN)
    }
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
