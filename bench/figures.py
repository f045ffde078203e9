"""The figures: each of ours beside its reference, in interleaved rounds of one run.

The reference of a call is what it costs to make the same API calls directly, with the same
credentials, over one warm connection.
"""

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from bench.timing import Call, Timed, joined, timed
from dev.demo.agent import Agent

ROUNDS: Final = 5
NAMESPACE: Final = "mcp-nginx-demo"
DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/nginx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: `ours` over `reference`, and what it may be at most."""

    name: str
    ours: str
    reference: str
    ratio: float
    budget: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the budget is met."""
        if self.budget is None:
            return ""
        return "met" if self.ratio <= self.budget else "not met"


class Direct:
    """The API server without us: one warm connection, the worker's own credentials."""

    def __init__(self, kubeconfig: Path) -> None:
        document: dict[str, Any] = _document(kubeconfig)
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        context = ssl.create_default_context(cadata=_authority(cluster))
        self.http = httpx2.AsyncClient(
            base_url=cluster["server"],
            headers={"Authorization": f"Bearer {user['token']}"},
            verify=context,
            trust_env=False,
        )

    async def get(self) -> None:
        """Reads one Deployment."""
        (await self.http.get(DEPLOYMENT)).raise_for_status()

    async def plan(self) -> None:
        """Makes the calls that planning a scale makes: read, then dry-run."""
        live = (await self.http.get(DEPLOYMENT)).json()
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": live["metadata"]["uid"]},
            {"op": "replace", "path": "/spec/replicas", "value": 4},
        ]
        answer = await self.http.patch(
            DEPLOYMENT,
            params={"dryRun": "All", "fieldManager": "infragate"},
            content=json.dumps(patch),
            headers={"Content-Type": "application/json-patch+json"},
        )
        answer.raise_for_status()


async def measured(agent: Agent, direct: Direct) -> tuple[Figure, ...]:
    """Returns all figures."""

    async def read() -> None:
        await agent.asked("get_k8s_resource", namespace=NAMESPACE, kind="Deployment", name="nginx")

    async def plan() -> None:
        await agent.asked("request_scale_deployment", namespace=NAMESPACE, name="nginx", replicas=4)

    read_one, get_one = await _paired(read, direct.get, count=60)
    read_eight, get_eight = await _paired(read, direct.get, count=160, clients=8)
    planned, plan_direct = await _paired(plan, direct.plan, count=20)
    return (
        _p50("read call, 1 client, p50", read_one, get_one, budget=3.0),
        _rate("read call, 8 clients, calls/s", read_eight, get_eight),
        Figure(
            name="read call, 8 clients, p99 over p50",
            ours=_ms(read_eight.p99),
            reference=_ms(read_eight.p50),
            ratio=read_eight.p99 / read_eight.p50,
            budget=3.0,
        ),
        _p50("plan (scale), p50", planned, plan_direct, budget=1.6),
    )


async def _paired(
    ours: Call, reference: Call, *, count: int, clients: int = 1
) -> tuple[Timed, Timed]:
    """Both in turn, so that a machine that slows down slows both."""
    await timed(ours, count=clients * 2, clients=clients)
    mine: list[Timed] = []
    theirs: list[Timed] = []
    for _ in range(ROUNDS):
        mine.append(await timed(ours, count=count // ROUNDS, clients=clients))
        theirs.append(await timed(reference, count=count // ROUNDS, clients=clients))
    return joined(mine), joined(theirs)


def _p50(name: str, ours: Timed, reference: Timed, *, budget: float) -> Figure:
    return Figure(
        name=name,
        ours=_ms(ours.p50),
        reference=_ms(reference.p50),
        ratio=ours.p50 / reference.p50,
        budget=budget,
    )


def _rate(name: str, ours: Timed, reference: Timed) -> Figure:
    return Figure(
        name=name,
        ours=f"{ours.per_second:.0f}/s",
        reference=f"{reference.per_second:.0f}/s",
        ratio=ours.per_second / reference.per_second,
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _document(kubeconfig: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - kubeconfigs of real clusters are YAML

    document: dict[str, Any] = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    return document


def _authority(cluster: Mapping[str, str]) -> str:
    if "certificate-authority-data" in cluster:
        return base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Path(cluster["certificate-authority"]).read_text(encoding="utf-8")
