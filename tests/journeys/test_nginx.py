"""The proxy configuration of docs/operations.md, in a real nginx before two replicas."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dev.redis_server import free_port
from tests.journeys.live import Agent, Live
from tests.journeys.person import Person
from tests.journeys.round_robin import Fleet, fleet, until_it_answers
from tests.journeys.test_mcp import BOTH, INITIALIZE, _call, _event

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{documented}
}}
"""


def documented(port: int, targets: list[str]) -> str:
    """The configuration as it is printed, for these addresses and without a certificate."""
    (block,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    servers = "\n".join(f"server {target.removeprefix('http://')};" for target in targets)
    block, count = re.subn(r"(?m)(^ *server \d.*;\n)+", servers + "\n", block)
    assert count == 1
    assert "listen 443 ssl;" in block
    return block.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")


@pytest.fixture(scope="module")
def replicas(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two replicas whose one address is nginx's."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not on this machine")
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    with fleet(live, folder, names=(f"127.0.0.1:{port}",)) as it:
        it.port = port
        config = folder / "nginx.conf"
        text = documented(port, it.proxy.targets)
        config.write_text(AROUND.format(folder=folder, documented=text))
        process = subprocess.Popen([nginx, "-c", str(config), "-p", str(folder)])
        try:
            until_it_answers(f"http://127.0.0.1:{port}", process)
            yield it
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_change_is_waited_for_through_the_documented_proxy(
    mode: str, live: Live, replicas: Fleet
) -> None:
    async def journey(agent: Agent) -> dict[str, Any]:
        plan = await agent.facts(
            "request_restart_deployment", namespace=live.namespace, name="nginx"
        )
        with Person(live) as person:
            person.approve(plan["approvalUrl"])
        return await agent.facts("apply_approved_plan", planId=plan["planId"], waitSeconds=30)

    assert live.run(journey, mode=mode, address=replicas.mcp)["status"] == "applied"


def test_sessions_need_no_stickiness_and_events_come_unbuffered(
    live: Live, replicas: Fleet
) -> None:
    headers = {"authorization": f"Bearer {live.token()}", "accept": BOTH}
    base = replicas.mcp.removesuffix("/mcp")
    newest = {**INITIALIZE["params"], "protocolVersion": "2025-11-25"}  # type: ignore[dict-item]
    with httpx2.Client(base_url=base, headers=headers, timeout=20, trust_env=False) as client:
        opened = client.post("/mcp", json={**INITIALIZE, "params": newest})
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        for _ in range(4):
            answer = client.post("/mcp", json=_call("get_allowed_namespaces"), headers=session)
            assert _event(answer)["result"]["structuredContent"]["namespaces"]
        with client.stream("GET", "/mcp", headers=session) as stream:
            assert next(stream.iter_lines()).startswith("id: session.")
