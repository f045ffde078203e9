"""A desk with workers made up for the tests, and MCP clients that speak with it in process."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from mcp import Client
from mcp.client.session import ElicitationFnT
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateSecurity
from mcp_types import CallToolResult, TextContent

from api.callers import FULL_SCOPE, Caller, speaking_as
from api.completing import Completer
from api.desk import Desk
from api.metrics import Metrics
from api.plan_ear import PlanEar
from api.resources import Resources
from api.tools import make_server
from shared.errors import NoWorker, Refusal
from shared.manifests import JSON
from shared.messages import Announcement, Call, Progress, Role
from shared.plans import Plan, SealedPlan, State
from shared.questions import namespace_refusal
from shared.settings import GatewaySettings
from shared.stores.mcp_follows import McpFollowStore
from shared.stores.plan_records import StoredPlan
from shared.stores.plan_view import PlanView
from tests.worker.worlds import NOW, ROB, a_plan

ERAS = ("legacy", "2026-07-28")
"""How clients speak: with the handshake and sessions, or stateless."""

SETTINGS = GatewaySettings(
    oauth_resource="http://127.0.0.1:3001/mcp", approval_base_url="http://127.0.0.1:3001/"
)

OnProgress = Callable[[Progress], Awaitable[None]]
Does = Callable[[Call], JSON | Refusal]


def caller(sub: str = ROB.sub) -> Caller:
    return Caller(
        iss=ROB.iss,
        sub=sub,
        client_id="codex",
        scopes=frozenset({FULL_SCOPE}),
        token_digest="0" * 16,
        expires_at=None,
    )


def worker(**changed: Any) -> Announcement:
    honest: dict[str, Any] = {
        "worker": "w1",
        "version": "1",
        "cluster": "local",
        "cluster_id": "cluster-1",
        "cluster_version": "v1.36.0",
        "simulated": True,
        "namespaces": ("demo",),
        "roles": tuple(Role),
        "started_at": NOW,
        "seen_at": NOW,
    }
    return Announcement(**(honest | changed))


@dataclass
class Workers:
    """Answers calls as it is told and remembers them. `does` may raise a Fault."""

    does: Does = lambda _call: {}
    reports: tuple[tuple[int, int, str], ...] = ()
    live: tuple[Announcement, ...] = (worker(),)
    calls: list[Call] = field(default_factory=list)

    async def call(
        self,
        cluster: str,
        call: Call,
        *,
        timeout_s: float,
        subject: str,
        on_progress: OnProgress | None = None,
    ) -> JSON | Refusal:
        assert cluster == "local"
        assert timeout_s > 0
        assert subject
        self.calls.append(call)
        for done, total, message in self.reports:
            assert on_progress is not None
            await on_progress(Progress(id="1", done=done, total=total, message=message))
        return self.does(call)

    async def workers(self) -> tuple[Announcement, ...]:
        return self.live

    async def allowed_namespaces(self) -> tuple[str, ...]:
        if not self.live:
            raise NoWorker("No worker is running; the operator must start one.")
        return tuple(sorted({name for one in self.live for name in one.namespaces}))

    async def cluster_for(self, namespace: str, _role: Role) -> str | Refusal:
        return namespace_refusal(namespace, await self.allowed_namespaces()) or "local"


@dataclass
class Shelf:
    """Plans as the gateway finds them in Redis. `looks` may change what is there."""

    plans: dict[str, StoredPlan] = field(default_factory=dict)
    ear: PlanEar = field(default_factory=PlanEar)
    looks: int = 0
    on_look: Callable[["Shelf"], None] = lambda _shelf: None

    async def load(self, plan_id: str) -> StoredPlan | None:
        self.looks += 1
        self.on_look(self)
        return self.plans.get(plan_id)

    async def states(self, plan_ids: Sequence[str]) -> dict[str, str]:
        self.looks += 1
        self.on_look(self)
        return {one: self.plans[one].state.value for one in plan_ids if one in self.plans}

    def put(self, plan: Plan, state: State = State.PENDING) -> StoredPlan:
        sealed = SealedPlan(document=plan.document(), seal="seal")
        self.plans[plan.id] = StoredPlan(id=plan.id, sealed=sealed, state=state, version=1)
        self.ear.hear(plan.id)
        return self.plans[plan.id]

    def stir(self) -> None:
        """Says that something happened to every plan, so that who waits looks once more."""
        for plan_id in self.plans:
            self.ear.hear(plan_id)


@dataclass
class Office:
    """The desk, its workers, its plans and its clock."""

    workers: Workers = field(default_factory=Workers)
    shelf: Shelf = field(default_factory=Shelf)
    now: float = NOW

    @property
    def desk(self) -> Desk:
        return Desk(
            self.workers, cast("PlanView", self.shelf), self.shelf.ear, SETTINGS, lambda: self.now
        )

    def server(
        self, security: RequestStateSecurity | None = None, metrics: Metrics | None = None
    ) -> Server[Any]:
        """What agents speak with. Sessions follow nothing here: there is no Redis."""
        nowhere = cast("McpFollowStore", None)
        return make_server(
            self.desk,
            "1",
            resources=Resources(
                self.desk,
                cast("PlanView", self.shelf),
                nowhere,
                self.shelf.ear,
                clock=lambda: self.now,
            ),
            completer=Completer(self.desk, FULL_SCOPE),
            security=security,
            metrics=metrics,
        )

    def planned(self, state: State = State.PENDING, **changed: Any) -> Plan:
        plan = a_plan(**changed)
        self.shelf.put(plan, state)
        return plan

    @asynccontextmanager
    async def client(
        self,
        era: str = "legacy",
        *,
        sub: str = ROB.sub,
        read_timeout_seconds: float = 20,
        elicitation_callback: ElicitationFnT | None = None,
        metrics: Metrics | None = None,
    ) -> AsyncIterator[Client]:
        """A real MCP client whose calls come from `sub`."""
        server = self.server(metrics=metrics)
        with speaking_as(caller(sub)):
            async with Client(
                server,
                mode=era,
                read_timeout_seconds=read_timeout_seconds,
                elicitation_callback=elicitation_callback,
            ) as client:
                yield client


def text_of(result: CallToolResult) -> str:
    """The one text block."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text
