"""`infragate up --strict`: as in production, each process with what is its own and no more."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil  # type: ignore[import-untyped]  # has no types
import pytest

from dev.stack.parts import APPROVALS, GATEWAY, ROLES
from dev.stack.places import REPOSITORY
from tests.journeys.person import Person
from tests.journeys.stacks import Up, gone, infragate, running

pytestmark = [pytest.mark.stack, pytest.mark.real_redis, pytest.mark.timeout("400")]

PRODUCT = (GATEWAY, APPROVALS, *ROLES)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One strict stack for the tests that leave it running."""
    with running(tmp_path_factory.mktemp("strict") / "state", "--strict") as stack:
        yield stack


def name_of(process: "psutil.Process") -> str | None:
    """Which of the product's processes it is, by what it was told."""
    told = process.environ()
    if process.cmdline()[-2:] == ["-m", "api"]:
        return str(told["INFRA_GATE_SERVES"])
    if process.cmdline()[-2:] == ["-m", "worker"]:
        return next(name for name, role in ROLES.items() if role == told["INFRA_GATE_WORKER_ROLES"])
    return None


def processes(up: Up) -> dict[str, "psutil.Process"]:
    return {name: one for one in up.family() if (name := name_of(one)) is not None}


def lead_to(process: "psutil.Process") -> str:
    """All that a process was told and has open, and what is in the files that it was told of."""
    environment = process.environ()
    told = [text for name, text in environment.items() if name.startswith(("INFRA", "K8S", "KUBE"))]
    files = [Path(text) for text in told if text.startswith("/") and Path(text).is_file()]
    opened = [file.path for file in process.open_files()]
    read = [path.read_text("utf-8", "replace") for path in files]
    return "\n".join([*told, *opened, *read])


def test_everything_is_ready_when_it_says_so(up: Up) -> None:
    for origin in (up.record.origin, up.record.approvals):
        answer = httpx2.get(f"{origin}/readyz")
        assert answer.status_code == 200
        assert answer.json()["clusters"]["sandbox"]["roles"] == {"apply": 1, "plan": 1, "read": 1}
    assert set(processes(up)) == set(PRODUCT)
    assert f"{up.record.approvals}/approvals" in up.told
    assert "each with its own Redis user and keys" in up.told
    assert "all processes run as you" in up.told
    assert "a compromised gateway is not covered" not in up.told


@pytest.mark.promise("metrics-name-nobody")
def test_after_a_whole_story_every_process_and_top_tell_of_it_and_figures_name_nobody(
    up: Up,
) -> None:
    assert infragate("demo", "--state", up.state).returncode == 0

    figures = {name: httpx2.get(url).text for name, url in up.record.scraped.items()}
    assert figures.keys() == set(PRODUCT)
    assert re.search(r'plan_events_total\{event="applied"\} [1-9]', figures["applier"])
    assert re.search(r'decision_seconds_count\{decision="approved"\} [1-9]', figures["applier"])
    assert re.search(r'tool_calls_total\{outcome="ok",tool="request_\w+"\} [1-9]', figures[GATEWAY])
    for text in figures.values():
        for name in ("dev-", "mcp-nginx-demo", "nginx", "127.0.0.1", "eyJ"):
            assert name not in text, name
    for name, url in up.record.scraped.items():
        assert f"{url} {name}" in up.told
    for origin in (up.record.origin, up.record.approvals):
        assert "infragate_" not in httpx2.get(f"{origin}/metrics").text

    told = json.loads(infragate("top", "--json", "--state", up.state).stdout)

    assert (told["redis"], told["silent"]) == ("ok", [])
    roles = [role for worker in told["workers"] for role in worker["roles"]]
    assert sorted(roles) == ["apply", "plan", "read"]
    assert [one["oldestSeconds"] for one in told["queues"]] == [0, 0, 0]
    assert told["plans"]["applied"] >= 1
    tools = {row["tool"]: row["calls"] for row in told["tools"]}
    assert tools["apply_approved_plan"] >= 1


@pytest.mark.promise("processes-hold-their-own")
def test_no_process_is_told_or_has_open_what_is_anothers(up: Up) -> None:
    state = up.places.state
    passwords = dict(re.findall(r"(?m)^user (\S+) .*? >(\S+)", up.places.redis_users.read_text()))
    secrets = {
        **{f"password of {name}": (passwords[name], {name}) for name in PRODUCT},
        "client key": (str(up.places.client_key), {APPROVALS}),
        "planner's keys": (str(state / "planner" / "keys"), {"planner"}),
        "applier's keys": (str(state / "applier" / "keys"), {"applier"}),
        **{f"kubeconfig of {name}": (f"{name}.kubeconfig", {name}) for name in ROLES},
        "kubeconfig": ("certificate-authority-data", set(ROLES)),
    }

    known = {name: lead_to(process) for name, process in processes(up).items()}

    for what, (text, holders) in secrets.items():
        assert {name for name, all_of_it in known.items() if text in all_of_it} == holders, what
    assert set(passwords) == {*PRODUCT}


def test_a_workers_health_check_is_about_its_own_roles(up: Up) -> None:
    """The images' own command, with the rights of each role's Redis user."""
    (command,) = re.findall(
        r'"(import json, os, redis; [^"]*)"', (REPOSITORY / "Dockerfile").read_text("utf-8")
    )
    assert f'"{command}"' in (REPOSITORY / "docker-compose.yml").read_text("utf-8")

    def healthy(name: str, roles: str) -> bool:
        told = processes(up)[name].environ() | {"INFRA_GATE_WORKER_ROLES": roles}
        return (
            subprocess.run([sys.executable, "-c", command], env=told, check=False).returncode == 0
        )

    for name, role in ROLES.items():
        assert healthy(name, role.value)
        assert not healthy(name, "read,plan,apply")  # nobody here has all


def test_pages_and_tools_are_served_by_different_processes_under_different_names(up: Up) -> None:
    assert httpx2.get(f"{up.record.origin}/approvals").status_code == 404
    assert httpx2.get(f"{up.record.approvals}/mcp").status_code == 404
    assert urlsplit(up.record.approvals).hostname != urlsplit(up.record.origin).hostname
    page = httpx2.get(f"{up.record.approvals}/approvals", follow_redirects=True)
    assert page.status_code == 200
    assert "a compromise of the gateway is not covered" not in page.text


def test_the_pages_answer_to_the_one_name_that_keeps_their_cookies_from_the_gateway(
    up: Up,
) -> None:
    other = f"http://127.0.0.1:{up.record.approvals_port}/approvals"

    assert httpx2.get(other).status_code == 421


def test_the_approval_client_can_start_no_login_without_its_key(up: Up) -> None:
    """The issuer takes its authorization requests only pushed, and pushes only with the key."""
    client = {
        "client_id": "infra-gate-approval-ui",
        "redirect_uri": f"{up.record.approvals}/approvals/callback",
        "response_type": "code",
        "scope": "openid",
        "nonce": "a-nonce-of-somebody-elses-choice",
        "state": "s",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }

    direct = httpx2.get(f"{up.record.issuer}/authorize", params=client)
    pushed = httpx2.post(f"{up.record.issuer}/par", data=client)

    assert direct.status_code in {302, 303}
    assert "error=invalid_request" in direct.headers["location"]
    assert "&code=" not in direct.headers["location"].replace("?", "&")
    assert pushed.status_code == 401


def test_the_whole_demo_passes_and_leaves_a_trail_that_verifies(up: Up) -> None:
    played = infragate("demo", "--strict", "--state", up.state)
    verified = infragate("audit", "verify", "--state", up.state)

    assert played.returncode == 0, played.stdout + played.stderr
    assert f"On the stack that runs at {up.record.mcp}, strict" in played.stdout
    assert f"approve at: {up.record.approvals}/approvals/" in played.stdout
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "evidence files: nothing is wrong" in verified.stdout


def test_the_pages_believe_what_the_pinned_applier_remembers(up: Up) -> None:
    """History and timeline, with the Redis users and pinned keys of the strict stack."""
    assert infragate("demo", "--strict", "--state", up.state).returncode == 0
    here: Any = SimpleNamespace(hear=lambda _: None, record=up.record)
    with Person(here) as person:
        history = person.open(f"{up.record.approvals}/approvals/history")
        newest = re.search(r'href="(/approvals/[^"/]+/timeline)"', history.text)
        assert newest, history.text
        timeline = person.open(up.record.approvals + newest.group(1))

    for page in (history, timeline):
        assert "left out" not in page.text
    assert "Applied" in history.text
    for told in ("the plan was made and sealed", "approved it by a fresh login", "is written"):
        assert told in timeline.text


def test_tokens_keys_and_doctor_are_about_the_strict_stack(up: Up) -> None:
    token = infragate("token", "--state", up.state)
    keys = infragate("keys", "show", "--state", up.state)
    doctor = infragate("doctor", "--state", up.state)

    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token.stdout)
    assert keys.returncode == 0, keys.stderr
    for name in ("seal", "receipt", "proof"):
        assert f"{name}.key" in keys.stdout
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    for name, role in ROLES.items():
        assert f"roles {role.value};" in doctor.stdout
        assert f"this is user {name}" in doctor.stdout


def test_after_a_rotation_the_next_start_pins_the_new_key_too(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(state, "--strict") as first:
        assert infragate("demo", "--state", first.state).returncode == 0
        first.interrupt()
    rotated = infragate("keys", "rotate", "seal", "--state", str(state))
    assert rotated.returncode == 0, rotated.stderr

    with running(state, "--strict") as second:
        played = infragate("demo", "--state", second.state)

    assert played.returncode == 0, played.stdout
    assert second.record.approvals_port == first.record.approvals_port


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "state", "--strict") as stack:
        family = stack.family()

        stack.interrupt()

        assert stack.process.returncode == 0
        assert gone(family)
    (took,) = re.findall(r"Stopped everything in (\S+) s", stack.told)
    assert float(took) < 5  # whoever has not stopped by then was killed
