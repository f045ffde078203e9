"""`infragate up`, `infragate token`: one command to everything, one Ctrl-C to nothing."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.journeys.stacks import Up, gone, infragate, running

pytestmark = [pytest.mark.stack, pytest.mark.real_redis, pytest.mark.timeout("400")]

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": {"name": "curl", "version": "1"},
    },
}
BOTH_TYPES = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One stack for the tests that leave it as it is."""
    with running(tmp_path_factory.mktemp("up") / "state") as stack:
        yield stack


def ask(url: str, token: str, call: object) -> httpx2.Response:
    headers = {**BOTH_TYPES, "Authorization": f"Bearer {token}"}
    return httpx2.post(url, json=call, headers=headers, timeout=30)


def tool(
    url: str, token: str, session: str, which: str, arguments: dict[str, object]
) -> dict[str, object]:
    """Calls a tool as curl would; answers its structured content."""
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": which, "arguments": arguments},
    }
    headers = {**BOTH_TYPES, "Authorization": f"Bearer {token}", "Mcp-Session-Id": session}
    answer = httpx2.post(url, json=call, headers=headers, timeout=60)
    (message,) = re.findall(r"(?m)^(?:data: )?(\{.*\"id\":2.*\})", answer.text)
    result = json.loads(message)["result"]
    assert not result.get("isError"), result
    found: dict[str, object] = result["structuredContent"]
    return found


def signed_in(up: Up) -> tuple[str, str]:
    """A token and a session, had as the printed curl command has them."""
    token = infragate("token", "--state", up.state).stdout.strip()
    return token, ask(up.record.mcp, token, INITIALIZE).headers["mcp-session-id"]


def test_everything_is_ready_when_it_says_so(up: Up) -> None:
    answer = httpx2.get(f"{up.record.origin}/readyz")

    assert answer.status_code == 200
    assert answer.json()["clusters"]["sandbox"]["roles"] == {"apply": 1, "plan": 1, "read": 1}


def test_it_tells_how_to_connect_and_that_the_cluster_is_simulated(up: Up) -> None:
    for line in (
        f"codex mcp add infragate --url {up.record.mcp}",
        "codex mcp login infragate",
        f"claude mcp add --transport http infragate {up.record.mcp}",
        f'"url": "{up.record.mcp}"',
        f"{up.record.origin}/approvals",
        "dev-approver",
        "simulated",
        "a compromised gateway is not covered in this mode",
        "Accept: application/json, text/event-stream",
    ):
        assert line in up.told
    assert "\x1b" not in up.told


def test_the_token_is_printed_alone_and_the_printed_curl_works(up: Up) -> None:
    done = infragate("token", "--state", up.state)

    answer = ask(up.record.mcp, done.stdout.strip(), INITIALIZE)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", done.stdout)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["mcp-session-id"]


def test_a_token_for_nobody_is_refused_with_the_people_there_are(up: Up) -> None:
    done = infragate("token", "--as", "root", "--state", up.state)

    assert (done.returncode, done.stdout) == (1, "")
    assert "dev-requester" in done.stderr


def test_without_a_stack_the_token_command_says_how_to_get_one(tmp_path: Path) -> None:
    done = infragate("token", "--state", str(tmp_path))

    assert (done.returncode, done.stdout) == (1, "")
    assert "infragate up" in done.stderr


def test_a_second_run_names_the_running_one(up: Up) -> None:
    done = infragate("up", "--port", "0", "--issuer-port", "0", "--state", up.state)

    assert done.returncode == 1
    assert f"process {up.process.pid}" in done.stdout
    assert up.record.mcp in done.stdout


def test_a_taken_port_is_told_with_its_holder(up: Up, tmp_path: Path) -> None:
    port = str(up.record.gateway_port)

    done = infragate("up", "--port", port, "--issuer-port", "0", "--state", str(tmp_path))

    assert done.returncode == 1
    assert re.search(rf"Port {port}, .*\n?.*process \d+ \(.*-m api\)", done.stdout)
    assert "--port" in done.stdout


def test_the_gateway_process_holds_no_kubeconfig(up: Up) -> None:
    (gateway,) = [one for one in up.family() if one.cmdline()[-2:] == ["-m", "api"]]

    environment = gateway.environ()

    assert not [name for name in environment if name.startswith(("KUBE", "K8S"))]
    assert "kubeconfig" not in str(environment).lower()


def test_logs_and_keys_are_for_their_owner_only(up: Up) -> None:
    open_to_others = [
        str(path)
        for path in up.places.state.rglob("*")
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
        if "redis/appendonlydir" not in str(path)  # in a folder of mode 0700
    ]

    assert open_to_others == []


def test_ctrl_c_leaves_nothing_and_the_next_run_finds_the_plans(tmp_path: Path) -> None:
    scale: dict[str, object] = {"namespace": "mcp-nginx-demo", "name": "nginx", "replicas": 3}
    with running(tmp_path / "state") as first:
        token, session = signed_in(first)
        plan = tool(first.record.mcp, token, session, "request_scale_deployment", scale)
        family = first.family()

        first.interrupt()

        assert first.process.returncode == 0
        assert gone(family)
        assert "Stopped everything" in first.told

    with running(tmp_path / "state") as second:
        token, session = signed_in(second)
        told = tool(
            second.record.mcp, token, session, "apply_approved_plan", {"planId": plan["planId"]}
        )

        assert told["status"] == "approval_required"
        assert second.record.redis_port == first.record.redis_port


def test_a_killed_stack_leaves_nothing_either(tmp_path: Path) -> None:
    with running(tmp_path / "state") as stack:
        family = stack.family()

        stack.process.kill()

        assert gone(family)


def test_a_part_that_crashes_ends_everything_with_the_reason(tmp_path: Path) -> None:
    with running(tmp_path / "state", "--workers", "2") as stack:
        family = stack.family()
        workers = [one for one in family if one.cmdline()[-2:] == ["-m", "worker"]]

        os.kill(workers[0].pid, 9)
        rest, _ = stack.process.communicate(timeout=30)

        assert len(workers) == 2
        assert stack.process.returncode == 1
        assert re.search(r"The worker-[12] stopped by itself \(signal SIGKILL\)", rest)
        assert gone(family)
