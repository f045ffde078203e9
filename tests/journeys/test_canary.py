"""Secrets stay where they are: none in a log, reply, page, audit line or Redis value."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys import canaries
from tests.journeys.live import JWT, Agent, Live, code_of, text_of
from tests.journeys.person import Person

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

MANIFEST = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: {canaries.NAME}}}
data: {{mode: b}}
"""


@pytest.fixture
def approver(live: Live) -> Iterator[Person]:
    with Person(live) as person:
        yield person


async def _read_everything(agent: Agent, namespace: str) -> None:
    name = canaries.NAME
    status = await agent.facts("get_k8s_status", namespace=namespace, limit=500)
    await agent.facts("get_k8s_events", namespace=namespace, limit=100)
    for kind in ("Deployment", "ConfigMap"):
        await agent.facts("get_k8s_resource", namespace=namespace, kind=kind, name=name)
    await agent.facts("get_deployment_diagnostics", namespace=namespace, name=name)
    for pod in (row["name"] for row in status["pods"]["items"]):
        await _read(agent, "get_pod_logs", namespace=namespace, podName=pod)
        await _read(agent, "get_pod_diagnostics", namespace=namespace, podName=pod)
        await _read(agent, "get_k8s_resource", namespace=namespace, kind="Pod", name=pod)
    for row in status["replicaSets"]["items"]:
        resource = {"kind": "ReplicaSet", "name": row["name"]}
        await _read(agent, "get_k8s_resource", namespace=namespace, **resource)


async def _read(agent: Agent, tool: str, **arguments: object) -> None:
    """Reads something that a rollout may have taken away since it was listed."""
    result = await agent.call(tool, **arguments)
    if result.is_error:
        assert code_of(result) in {"not_found", "no_log_yet"}, text_of(result)


async def _change_everything(agent: Agent, approver: Person, namespace: str) -> None:
    named: dict[str, object] = {"namespace": namespace, "name": canaries.NAME}
    asked: list[tuple[str, dict[str, object]]] = [
        ("request_apply_manifest", {"namespace": namespace, "manifest": MANIFEST}),
        ("request_scale_deployment", {**named, "replicas": 2}),
        ("request_restart_deployment", named),
        (
            "request_set_deployment_image",
            {**named, "container": "app", "image": "docker.io/library/busybox:1.36"},
        ),
    ]
    for tool, arguments in asked:
        result = await agent.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        plan = result.structured_content or {}
        assert "approvalUrl" in plan, plan
        done = approver.approve(plan["approvalUrl"])
        assert done.status_code == 200, done.text
        applied = await agent.facts("apply_approved_plan", planId=plan["planId"])
        assert applied["status"] == "applied", applied


@pytest.mark.promise("no-tokens-anywhere")
@pytest.mark.promise("canaries-stay-put")
def test_nothing_secret_is_anywhere_after_everything_was_read_and_changed(
    live: Live, approver: Person
) -> None:
    async def journey(agent: Agent) -> None:
        await _read_everything(agent, live.namespace)
        await _change_everything(agent, approver, live.namespace)
        await _read_everything(agent, live.namespace)

    live.run(journey)

    for folder in canaries.folders(live):
        assert canaries.files_in(folder), f"{folder} is searched and must hold something"
    assert canaries.found_in(live) == {}


@pytest.mark.promise("logs-are-redacted")
def test_a_password_in_a_pods_log_is_cut_out_and_the_rest_is_shown(live: Live) -> None:
    async def journey(agent: Agent) -> str:
        status = await agent.facts("get_k8s_status", namespace=live.namespace)
        names = [row["name"] for row in status["pods"]["items"]]
        pod = next(name for name in names if name.startswith(canaries.NAME))
        return text_of(await agent.call("get_pod_logs", namespace=live.namespace, podName=pod))

    log = live.run(journey)

    assert "starting" in log
    assert "password=" in log
    assert canaries.LOG_VALUE not in log
    assert canaries.LOG_SECRET not in log
    hits = [record for record in live.audit() if record["event"] == "guardrail.hit"]
    assert hits


def test_the_search_finds_what_is_there(live: Live) -> None:
    stray = live.places.logs / "stray.log"
    stray.write_text(f"{canaries.ENV_VALUE} eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl")
    try:
        assert canaries.found_in(live) == {str(stray): ["an env value", "a token"]}
    finally:
        stray.unlink()


@pytest.mark.promise("kubeconfig-only-in-workers")
def test_a_gateways_process_and_files_lead_to_no_kubeconfig(live: Live) -> None:
    process = Path("/proc", str(live.pid("gateway")))
    if not process.exists():
        pytest.skip("this system has no /proc")
    environment = (process / "environ").read_bytes()
    opened = [_target(link) for link in (process / "fd").iterdir()]
    mapped = (process / "maps").read_text()

    assert b"KUBECONFIG" not in environment
    assert b"kubeconfig" not in environment
    assert str(live.places.sandbox).encode() not in environment
    for place in (*opened, mapped, (process / "cmdline").read_text()):
        assert "kubeconfig" not in place
        assert str(live.places.sandbox) not in place
    for name, value in canaries.canaries(live).items():
        assert value.encode() not in environment, name


@pytest.mark.promise("kubeconfig-only-in-workers")
def test_a_worker_is_found_by_the_same_search(live: Live) -> None:
    environment = Path("/proc", str(live.pid("worker")), "environ")
    if not environment.exists():
        pytest.skip("this system has no /proc")

    assert b"applier.kubeconfig" in environment.read_bytes()


def test_no_token_of_a_person_is_in_a_log(live: Live) -> None:
    token = live.token()
    live.call("get_allowed_namespaces")

    assert JWT.fullmatch(token)
    for path in canaries.files_in(live.places.logs):
        assert not JWT.search(path.read_text("utf-8", "replace")), path


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
