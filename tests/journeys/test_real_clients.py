"""The clients that people use, as they are shipped, against the real gateway and its workers.

Each plays against one gateway, against two replicas behind a round robin for every request, and
against two behind nginx with the configuration of docs/operations.md.

Codex and Claude Code log in at the development issuer as a person would have them do it. Codex and
the SDKs then play the whole story; Claude Code calls tools only for a model, so it connects. A
client that is not on this machine is skipped by name. Where they are, if not on PATH:
INFRAGATE_TEST_CODEX, INFRAGATE_TEST_CLAUDE and INFRAGATE_TEST_INSPECTOR name programs,
INFRAGATE_TEST_NODE the Node.js to run them with (22.19 or newer for the inspector),
INFRAGATE_TEST_TYPESCRIPT a folder whose `node_modules` has the TypeScript packages.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from api.catalog import TOOLS
from tests.journeys.entrances import behind, nginx, round_robin
from tests.journeys.json_lines import Codex, Inspector, TypeScript
from tests.journeys.laptop import Laptop, node, program
from tests.journeys.live import Agent, Live, started
from tests.journeys.person import Person

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=["alone", "round robin", "nginx"])
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """A stack; clients know one address, whatever is behind it."""
    state = tmp_path_factory.mktemp("stack")
    fronts = {"round robin": round_robin, "nginx": nginx}
    front = fronts.get(request.param)
    with started(state) if front is None else behind(front, state) as it:
        yield it


class Caller(Protocol):
    """A client that can list and call tools."""

    def tools(self) -> set[str]: ...

    def call(self, tool: str, **arguments: object) -> dict[str, Any]: ...


class PythonSdk:
    """The official client for Python, anew for each call."""

    def __init__(self, live: Live, mode: str) -> None:
        self._live = live
        self._mode = mode
        self.spoken: set[str] = set()
        """The revisions that client and gateway agreed on."""

    def tools(self) -> set[str]:
        async def listed(agent: Agent) -> set[str]:
            self.spoken.add(str(agent.client.protocol_version))
            return {tool.name for tool in (await agent.client.list_tools()).tools}

        return self._live.run(listed, mode=self._mode)

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        async def called(agent: Agent) -> dict[str, Any]:
            self.spoken.add(str(agent.client.protocol_version))
            return (await agent.call(tool, **arguments)).model_dump(by_alias=True, mode="json")

        return self._live.run(called, mode=self._mode)


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    (tmp_path / ".codex").mkdir()
    return Laptop(home=tmp_path)


@pytest.fixture(scope="module")
def codex() -> str:
    return program("codex")


@pytest.fixture(scope="module")
def claude() -> str:
    return program("claude")


@pytest.fixture(scope="module", params=["sdk", "client"])
def typescript(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """The package of the handshake era or of the newest revision, and the folder that has it."""
    package = f"@modelcontextprotocol/{request.param}"
    folder = Path(os.environ.get("INFRAGATE_TEST_TYPESCRIPT", "/nowhere"))
    if node() is None or not (folder / "node_modules" / package).is_dir():
        pytest.skip(f"{package} is not run: no Node.js, or INFRAGATE_TEST_TYPESCRIPT has it not")
    return package, folder


@pytest.fixture(scope="module")
def inspector() -> str:
    return program("inspector", "mcp-inspector")


def test_codex_logs_in_lists_its_tools_and_changes_the_cluster(
    codex: str, live: Live, laptop: Laptop
) -> None:
    config = laptop.home / ".codex/config.toml"
    config.write_text(
        'mcp_oauth_credentials_store = "file"\n'  # not the keyring of the person at this machine
        'model_provider = "none"\n'
        '[model_providers.none]\nname = "none"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )

    added = laptop.log_in(codex, "mcp", "add", "infragate", "--url", live.mcp)
    laptop.run(codex, "mcp", "logout", "infragate")
    said = laptop.log_in(codex, "mcp", "login", "infragate")

    assert "Detected OAuth support" in added
    assert "Successfully logged in" in said
    assert "OAuth" in laptop.run(codex, "mcp", "list")
    with Codex(laptop, codex) as client:
        assert client.server()["authStatus"] == "oAuth"
        url = _plays_the_story(client, live)
        assert client.opened == [url]


def test_claude_code_logs_in_and_connects(claude: str, live: Live, laptop: Laptop) -> None:
    laptop.run(claude, "mcp", "add", "--transport", "http", "infragate", live.mcp)
    assert "Needs authentication" in laptop.run(claude, "mcp", "list")
    said = laptop.log_in(claude, "mcp", "login", "infragate")

    assert "Authenticated" in said
    assert "Connected" in laptop.run(claude, "mcp", "list")


def test_the_typescript_clients_change_the_cluster(
    typescript: tuple[str, Path], live: Live, laptop: Laptop
) -> None:
    with TypeScript(laptop, *typescript, live.mcp, live.token()) as client:
        _plays_the_story(client, live)


def test_the_inspector_changes_the_cluster(inspector: str, live: Live, laptop: Laptop) -> None:
    _plays_the_story(Inspector(laptop, inspector, live.mcp, live.token()), live)


@pytest.mark.parametrize(
    ("mode", "spoken"),
    [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")],
)
def test_the_python_sdk_changes_the_cluster_in_both_eras(
    live: Live, mode: str, spoken: str
) -> None:
    client = PythonSdk(live, mode)

    _plays_the_story(client, live)

    assert client.spoken == {spoken}


def _plays_the_story(client: Caller, live: Live) -> str:
    """Look, ask, be told to wait, be approved, apply, see it done; returns the approval's URL."""
    assert client.tools() == {tool.name for tool in TOOLS}
    status = _facts(client, "get_k8s_status", namespace=live.namespace)
    deployments = {one["name"]: one for one in status["deployments"]["items"]}
    assert deployments["nginx"]["desired"] == live.replicas()
    scale = live.scale()

    plan = _facts(
        client,
        "request_scale_deployment",
        **scale,
        reason="A real client asks.",
    )
    early = _facts(client, "apply_approved_plan", planId=plan["planId"])
    with Person(live) as person:
        page = person.open(plan["approvalUrl"])
        approved = person.approve(plan["approvalUrl"])
    applied = _facts(client, "apply_approved_plan", planId=plan["planId"])

    assert early["status"] == "approval_required"
    assert plan["words"] in page.text
    assert "Approved, not applied yet" in approved.text
    assert applied["status"] == "applied"
    assert [one["verdict"] for one in applied["rollouts"]] == ["complete"]
    assert live.replicas() == scale["replicas"]
    return str(plan["approvalUrl"])


def _facts(client: Caller, tool: str, **arguments: object) -> dict[str, Any]:
    answer = client.call(tool, **arguments)
    assert not answer.get("isError"), answer
    facts: dict[str, Any] = answer["structuredContent"]
    return facts
