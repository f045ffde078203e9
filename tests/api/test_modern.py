"""The newest revision (2026-07-28) at two replicas: no session, everything in each request."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from api.catalog import TOOLS
from api.sessions import SharedSessions
from api.state_keys import request_state_security
from api.tools import SERVER_NAME
from dev.redis_server import free_port
from shared.plans import Plan, Requester, State
from shared.stores.connection import connect_async
from tests.api.asgi import Answer, talking
from tests.api.desk_stage import Office, Workers
from tests.api.replicas import (
    ALICE,
    BOB,
    BOTH,
    MODERN,
    Replica,
    behind_the_edge,
    nothing_left,
    text_in,
)
from tests.api.test_edge import bearer
from tests.api.test_oauth import ISSUER
from tests.api.test_tools_apply import DONE, _said

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
OPENS_PAGES: dict[str, Any] = {"elicitation": {"url": {}}}
HEADER_MISMATCH = -32020
AGREED = {"approve": {"action": "accept"}}


def requested(method: str, opens: dict[str, Any] = OPENS_PAGES, **params: Any) -> dict[str, Any]:
    meta = {VERSION: MODERN, CAPABILITIES: opens}
    return {"jsonrpc": "2.0", "id": 9, "method": method, "params": {**params, "_meta": meta}}


def applying(plan_id: str = "plan-1", **params: Any) -> dict[str, Any]:
    arguments = {"planId": plan_id, "waitSeconds": params.pop("wait", 0)}
    return requested("tools/call", name="apply_approved_plan", arguments=arguments, **params)


def headers(message: dict[str, Any], **changed: str | None) -> dict[str, str]:
    given: dict[str, str | None] = {
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": message["method"],
        "Mcp-Name": message["params"].get("name"),
        **changed,
    }
    return {name: value for name, value in given.items() if value is not None}


async def send(replica: Replica, message: dict[str, Any], token: str = ALICE) -> Answer:
    return await replica.post(message, headers(message), token)


@asynccontextmanager
async def gateways(office: Office, *keys: Path) -> AsyncIterator[list[Replica]]:
    """One gateway for each key file; there is no Redis at all."""
    async with AsyncExitStack() as stack:
        made = []
        for key in keys:
            nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
            redis = connect_async(nowhere, timeout_s=0.2)
            stack.push_async_callback(redis.aclose)
            security = request_state_security(key, audience=SERVER_NAME)
            manager = SharedSessions(
                office.server(security),
                redis,
                office.shelf.ear,
                clock=time.time,
                max_request_body_size=1024 * 1024,
            )
            await stack.enter_async_context(manager.run())
            made.append(Replica(app=behind_the_edge(manager), manager=manager))
        yield made


def alices(office: Office, state: State = State.PENDING, **changed: Any) -> Plan:
    who = Requester(iss=ISSUER, sub="alice", client_id="codex", assurance="gateway-asserted")
    return office.planned(state, requester=who, **changed)


def test_a_client_learns_what_is_served_and_how_long_that_holds(key: Path) -> None:
    async def main() -> None:
        async with gateways(Office(), key) as (gateway,):
            discovered = await send(gateway, requested("server/discover"))
            listed = await send(gateway, requested("tools/list"))
        assert discovered.json()["result"]["supportedVersions"] == [MODERN]
        result = listed.json()["result"]
        assert len(result["tools"]) == len(TOOLS)
        assert (result["ttlMs"], result["cacheScope"]) == (300_000, "public")
        assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "infragate"
        assert len(listed.body) <= 12 * 1024

    anyio.run(main)


@pytest.mark.parametrize(
    "method",
    [
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ],
)
def test_every_list_says_how_long_it_holds_and_for_whom(key: Path, method: str) -> None:
    async def main() -> None:
        async with gateways(Office(), key) as (gateway,):
            result = (await send(gateway, requested(method))).json()["result"]
        assert (result["ttlMs"], result["cacheScope"]) == (300_000, "public")

    anyio.run(main)


@pytest.mark.parametrize("uri", ["infragate://policy", "plan://plan-1"])
def test_what_is_a_callers_own_is_kept_by_nobody(key: Path, uri: str) -> None:
    office = Office()
    alices(office)
    message = requested("resources/read", uri=uri)

    async def main() -> None:
        async with gateways(office, key) as (gateway,):
            answer = await gateway.post(message, headers(message, **{"Mcp-Name": uri}))
        result = answer.json()["result"]
        assert (result["ttlMs"], result["cacheScope"]) == (0, "private")

    anyio.run(main)


@pytest.mark.parametrize(
    "changed",
    [
        {"Mcp-Method": "tools/list"},
        {"Mcp-Method": None},
        {"Mcp-Name": "get_k8s_status"},
        {"Mcp-Name": None},
    ],
    ids=str,
)
def test_headers_that_do_not_say_what_the_body_says_are_refused(
    key: Path, changed: dict[str, str | None]
) -> None:
    message = requested("tools/call", name="get_allowed_namespaces", arguments={})

    async def main() -> None:
        async with gateways(Office(), key) as (gateway,):
            answer = await gateway.post(message, headers(message, **changed))
        assert answer.status == 400
        assert answer.json()["error"]["code"] == HEADER_MISMATCH

    anyio.run(main)


def test_a_revision_that_nobody_knows_is_refused_with_those_that_are(key: Path) -> None:
    message = requested("tools/list")
    message["params"]["_meta"][VERSION] = "2099-01-01"

    async def main() -> None:
        async with gateways(Office(), key) as (gateway,):
            answer = await gateway.post(
                message, headers(message, **{"MCP-Protocol-Version": "2099-01-01"})
            )
        assert answer.status == 400
        assert MODERN in answer.json()["error"]["data"]["supported"]

    anyio.run(main)


def test_a_question_of_one_replica_is_answered_at_another(key: Path) -> None:
    office = Office(workers=Workers(does=_said(State.APPLIED, DONE)))
    alices(office)

    async def main() -> None:
        async with gateways(office, key, key) as (here, there):
            asked = (await send(here, applying())).json()["result"]
            assert asked["resultType"] == "input_required"
            question = asked["inputRequests"]["approve"]
            assert question["method"] == "elicitation/create"
            assert question["params"]["mode"] == "url"
            assert question["params"]["url"].endswith("/approvals/plan-1")
            assert "plan-1" not in asked["requestState"]
            alices(office, State.APPROVED)
            retried = applying(inputResponses=AGREED, requestState=asked["requestState"])
            applied = await send(there, retried)
            assert applied.json()["result"]["structuredContent"]["status"] == "applied"

    anyio.run(main)


@pytest.mark.promise("state-is-sealed")
def test_state_that_was_not_sealed_for_this_call_and_caller_is_refused(
    key: Path, tmp_path: Path
) -> None:
    office = Office()
    alices(office)
    alices(office, id="plan-2")
    strange = tmp_path / "strange"
    strange.write_text("s" * 32)

    async def main() -> None:
        async with gateways(office, key, strange) as (ours, theirs):
            asked = (await send(ours, applying())).json()["result"]
            state = asked["requestState"]
            foreign = (await send(theirs, applying())).json()["result"]["requestState"]
            refused = [
                await send(ours, applying(inputResponses=AGREED, requestState=bent), token)
                for bent, token in (
                    (state, BOB),
                    (state[:-2] + ("AA" if state[-2:] != "AA" else "BB"), ALICE),
                    (foreign, ALICE),
                    ("plan-1", ALICE),
                    ("", ALICE),
                )
            ]
            other = applying("plan-2", inputResponses=AGREED, requestState=state)
            refused.append(await send(ours, other))
        assert {answer.json()["error"]["code"] for answer in refused} == {-32602}
        assert len({answer.json()["error"]["message"] for answer in refused}) == 1

    anyio.run(main)


def test_an_answer_without_the_question_is_asked_again(key: Path) -> None:
    office = Office()
    alices(office)

    async def main() -> None:
        async with gateways(office, key) as (gateway,):
            answer = await send(gateway, applying(inputResponses=AGREED))
        assert answer.json()["result"]["resultType"] == "input_required"

    anyio.run(main)


def test_who_cannot_open_pages_gets_the_address_as_text(key: Path) -> None:
    office = Office()
    alices(office)

    async def main() -> None:
        async with gateways(office, key) as (gateway,):
            unable: list[dict[str, Any]] = [{}, {"elicitation": {}}, {"elicitation": {"form": {}}}]
            for opens in unable:
                answer = await send(gateway, applying(opens=opens))
                assert "/approvals/plan-1" in text_in(answer.json())

    anyio.run(main)


def test_closing_the_connection_is_the_cancellation(key: Path) -> None:
    office = Office()
    alices(office)
    message = applying(opens={}, wait=300)
    message["params"]["_meta"]["progressToken"] = "p"
    sent = {**bearer(ALICE), **BOTH, **headers(message)}

    async def main() -> None:
        async with gateways(office, key) as (gateway,), nothing_left():
            sent_as = json.dumps(message).encode()
            async with talking(gateway.app, "POST", sent, sent_as) as waiting:
                assert (await waiting.message())["method"] == "notifications/progress"

    anyio.run(main)
