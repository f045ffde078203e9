"""The whole system as processes, as `infragate up` starts it, and what tests need around it."""

import json
import os
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
import pytest
import redis
from mcp import Client
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from dev.issuer.keys import Keyring
from dev.issuer.minting import mint_token
from dev.issuer.settings import Settings as IssuerSettings
from dev.issuer.tokens import ACCESS_LIFETIME, Tokens
from dev.redis_server import NoRedisServer, find_server, free_port
from dev.stack import redis_users
from dev.stack.opening import opened
from dev.stack.parts import Wish
from dev.stack.places import NAMESPACE, Places, Record
from dev.stack.running import Signals, Stack
from worker.cluster import Cluster

RIGHTS = redis_users.RIGHTS
"""The rights as they are shipped, also while another stack runs with an auditor beside them."""

AUDITOR = "user auditor reset on >auditor ~* &* +@all\n"
"""A Redis user of the tests, who may see everything that the others wrote."""

PATIENCE_S = 60.0
ResultT = TypeVar("ResultT")


@dataclass(slots=True, kw_only=True)
class Live:
    """A running stack. `heard` is every word that reached a client, for the search afterwards."""

    places: Places
    record: Record
    stack: Stack
    heard: list[str] = field(default_factory=list)

    @property
    def mcp(self) -> str:
        return self.record.mcp

    @property
    def namespace(self) -> str:
        return NAMESPACE

    def token(self, subject: str = "dev-requester", scope: str = "mcp:tools") -> str:
        issuer = self.places.issuer
        return mint_token(self.record.issuer, issuer, subject, scope, self.mcp)

    def signed_token(self, *, clock: float, resource: str) -> str:
        """A token as the issuer would have signed it at `clock`, for `resource`."""
        settings = IssuerSettings(
            state=self.places.issuer,
            issuer=self.record.issuer,
            resources=(resource,),
            clock=lambda: clock,
        )
        keys = Keyring(next(self.places.issuer.glob("*keys*.json")), clock=time.time)
        return Tokens(settings, keys).access_token(
            subject="dev-requester", client_id="tests", scope=["mcp:tools"], resource=resource
        )

    def expired_token(self) -> str:
        return self.signed_token(clock=time.time() - 2 * ACCESS_LIFETIME, resource=self.mcp)

    def http(self, **headers: str) -> httpx2.Client:
        """A plain HTTP client on the gateway; what comes back is remembered."""
        client = httpx2.Client(
            base_url=self.record.origin, headers=headers, timeout=PATIENCE_S, trust_env=False
        )
        client.event_hooks["response"].append(self._hear)
        return client

    def hear(self, browser: httpx2.Client) -> None:
        """Remembers what this browser is shown, too."""
        browser.event_hooks["response"].append(self._hear)

    def _hear(self, response: httpx2.Response) -> None:
        self.heard.append(f"{dict(response.headers)}\n{response.read().decode('utf-8', 'replace')}")

    @asynccontextmanager
    async def client(
        self,
        subject: str = "dev-requester",
        scope: str = "mcp:tools",
        *,
        mode: str = "auto",
        token: str = "",
        shows: httpx2.Auth | None = None,
        address: str = "",
        opens: ElicitationFnT | None = None,
        hears: MessageHandlerFnT | None = None,
    ) -> AsyncIterator["Agent"]:
        """An agent: the official client, signed in; at the gateway, or at another `address`.

        `shows` is how it shows its token, if not as a bearer; `opens` is what its person does when
        asked to open a page; `hears` is given what it is told without having asked.
        """
        bearer = {"Authorization": f"Bearer {token or self.token(subject, scope)}"}
        async with (
            httpx2.AsyncClient(
                headers=bearer if shows is None else {},
                auth=shows,
                timeout=PATIENCE_S,
                trust_env=False,
            ) as http,
            Client(
                streamable_http_client(address or self.mcp, http_client=http),
                mode=mode,
                elicitation_callback=opens,
                message_handler=hears,
            ) as client,
        ):
            yield Agent(client=client, heard=self.heard)

    def run(
        self,
        journey: Callable[["Agent"], Awaitable[ResultT]],
        subject: str = "dev-requester",
        *,
        mode: str = "auto",
        shows: httpx2.Auth | None = None,
        address: str = "",
        opens: ElicitationFnT | None = None,
        hears: MessageHandlerFnT | None = None,
    ) -> ResultT:
        """Runs a journey with one client; what fails in it is not wrapped in groups."""
        results: list[ResultT] = []
        failures: list[Exception] = []

        async def main() -> None:
            async with self.client(
                subject, mode=mode, shows=shows, address=address, opens=opens, hears=hears
            ) as agent:
                try:
                    results.append(await journey(agent))
                except Exception as failure:  # noqa: BLE001 - raised again below
                    failures.append(failure)

        anyio.run(main)
        if failures:
            raise failures[0]
        return results[0]

    def call(
        self, tool: str, subject: str = "dev-requester", **arguments: object
    ) -> CallToolResult:
        """One call by a client of its own."""
        return self.run(lambda agent: agent.call(tool, **arguments), subject)

    def admin(self) -> Cluster:
        """The cluster, with every right."""
        return Cluster.connect(self.places.sandbox / "admin.kubeconfig", name="admin")

    def replicas(self) -> int:
        """How many nginx is to have."""
        found = self.admin().get("Deployment", self.namespace, "nginx")
        assert found is not None
        return int(found["spec"]["replicas"])

    def other_replicas(self) -> int:
        """A number that nginx may have and has not: other journeys scale it, in any order."""
        return self.replicas() % 4 + 1

    def scale(self) -> dict[str, Any]:
        """The arguments of a request that gives nginx `other_replicas`."""
        return {"namespace": self.namespace, "name": "nginx", "replicas": self.other_replicas()}

    def plan_to_scale(self, **more: object) -> dict[str, Any]:
        """What a client is told of a fresh plan to do that."""
        scale = self.scale()
        return self.run(lambda agent: agent.facts("request_scale_deployment", **scale, **more))

    def kubernetes_requests(self) -> list[dict[str, Any]]:
        """What the cluster was asked so far, by anybody."""
        url = f"https://127.0.0.1:{self.record.sandbox_port}/_sandbox/requests"
        answer = httpx2.get(url, **self.sandbox_access())
        return [json.loads(line) for line in answer.raise_for_status().text.splitlines()]

    def sandbox_access(self) -> dict[str, Any]:
        """What a request to the simulated cluster needs to be its administrator's."""
        token = json.loads((self.places.sandbox / "tokens.json").read_text())["admin"]
        return {
            "headers": {"Authorization": f"Bearer {token}"},
            "verify": ssl.create_default_context(cafile=str(self.places.sandbox / "ca.crt")),
            "trust_env": False,
        }

    @contextmanager
    def redis(self, user: str = "auditor") -> Iterator["redis.Redis"]:
        """Redis, as this user."""
        with redis.Redis.from_url(
            redis_users.url(self.places, self.record.redis_port, user)
        ) as client:
            yield client

    def pid(self, part: str) -> int:
        return self.stack.pid(part)

    def audit(self) -> list[dict[str, Any]]:
        """The audit records of the workers, of each the oldest first."""
        files = sorted(self.places.state.rglob("audit.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@dataclass(slots=True, kw_only=True)
class Agent:
    """The MCP client of a journey; what it hears is remembered."""

    client: Client
    heard: list[str]

    async def call(self, tool: str, **arguments: object) -> CallToolResult:
        async def hear(progress: float, total: float | None, message: str | None) -> None:
            self.heard.append(f"{progress} {total} {message}")

        result = await self.client.call_tool(
            tool, arguments, read_timeout_seconds=PATIENCE_S, progress_callback=hear
        )
        self.heard.append(result.model_dump_json(by_alias=True))
        return result

    async def facts(self, tool: str, **arguments: object) -> dict[str, Any]:
        """The structured answer of a call that must succeed."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        told: dict[str, Any] | None = result.structured_content
        assert told is not None
        return told


def text_of(result: CallToolResult) -> str:
    """The one text block."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def code_of(result: CallToolResult) -> str:
    """The code of a refusal or fault, the same in text and metadata."""
    assert result.is_error, result
    code = str((result.meta or {})["infragate/code"])
    assert f"\ncode: {code}" in text_of(result)
    return code


def on_free_ports(*, strict: bool) -> Record:
    """A record for a fresh stack; skips the test where there is no Redis server to start."""
    try:
        find_server()
    except NoRedisServer as error:
        pytest.skip(str(error))
    return Record(
        pid=os.getpid(),
        gateway_port=free_port(),
        issuer_port=free_port(),
        redis_port=free_port(),
        sandbox_port=free_port(),
        started_at=time.time(),
        approvals_port=free_port() if strict else 0,
    )


@contextmanager
def started(state: Path, *, strict: bool = False) -> Iterator[Live]:
    """A stack on free ports with its state in a folder; every process is gone afterwards."""
    record = on_free_ports(strict=strict)
    wish = Wish(kubeconfig=None, namespaces=(NAMESPACE,), workers=1)
    places = Places(state=state)
    rights = state / "rights.acl"
    rights.write_text(RIGHTS.read_text("ascii") + AUDITOR, "ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_users, "RIGHTS", rights)
        patch.setenv("INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS", "20")
        with opened(places, record, wish, Signals(), lambda _part, _seconds: None) as stack:
            patch.undo()  # parts have what they need; other tests see what is shipped
            yield Live(places=places, record=record, stack=stack)


JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
"""What a token looks like, whosesoever it is."""
