"""`resolve` as an operator runs it: real settings, a real Redis, the simulated cluster."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.plans import DIGEST_ANNOTATION, Operation, Plan, State
from tests.cluster.conftest import NAMESPACE, ClusterWorld, Kube
from tests.worker.ops.conftest import Answer, make_cluster_world
from worker import claims
from worker.ops.__main__ import main

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME}
data: {count: "1"}
"""
Run = Callable[..., Answer]


@pytest.fixture
def world(kube: Kube, redis_url: str, tmp_path: Path) -> ClusterWorld:
    return make_cluster_world(kube, redis_url, tmp_path)


@pytest.fixture
def run(
    world: ClusterWorld,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    environment = {
        "INFRA_GATE_REDIS_URL": redis_url,
        "KUBECONFIG": str(world.kube.applier),
        "K8S_MCP_ALLOWED_NAMESPACES": NAMESPACE,
        "INFRA_GATE_KEYS_ROOT": str(tmp_path / "keys"),
        "INFRA_GATE_GUARD_AUDIT_ROOT": str(tmp_path / "audit"),
        "INFRA_GATE_AUDIT_ANCHOR_ROOT": str(tmp_path / "elsewhere"),
        "K8S_MCP_APPROVAL_ROOT": str(tmp_path / "evidence"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Answer:
        code = main(["resolve", *arguments])
        printed = capsys.readouterr()
        return Answer(code=code, out=printed.out, err=printed.err)

    return run


@pytest.fixture
def unknown(world: ClusterWorld) -> Plan:
    """A crash between two writes, an hour ago as far as the worker's clock goes."""
    for name in ("ig-there", "ig-lost"):
        world.remove("ConfigMap", name)
    manifest = "---".join(CONFIG.replace("NAME", name) for name in ("ig-there", "ig-lost"))
    plan = world.plan(Operation.APPLY, manifest=manifest)
    world.approve(plan)
    digest = world.world.load(plan.id).sealed.digest
    claims.take(
        world.cluster,
        digest,
        plan_id=plan.id,
        holder="killed",
        purpose="apply",
        expires_at=plan.expires_at,
    )
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "ig-there",
            "namespace": NAMESPACE,
            "annotations": {DIGEST_ANNOTATION: digest},
        },
    }
    world.admin.create("ConfigMap", NAMESPACE, made, dry_run=False)
    world.world.clock.now += 600
    assert world.apply(plan)["state"] == "outcome_unknown"
    return plan


def test_it_shows_what_the_cluster_shows_and_then_takes_a_persons_word(
    world: ClusterWorld, run: Run, unknown: Plan
) -> None:
    looked = run(unknown.id)
    ended = run(unknown.id, "--as", "failed", "--by", "ada", "--why", "ig-lost is not there")
    again = run(unknown.id)

    assert looked.code == ended.code == 0
    assert "ConfigMap/ig-there: create: written, the object shows it" in looked.out
    assert "ConfigMap/ig-lost: create: no trace of the write" in looked.out
    assert ended.out == f"plan {unknown.id} is failed, on record as resolved by ada\n"
    assert world.world.load(unknown.id).state is State.FAILED
    assert (again.code, again.err) == (
        1,
        "The plan is failed; only an unknown outcome is resolved.\n",
    )


def test_a_verdict_needs_a_name_and_a_reason(world: ClusterWorld, run: Run, unknown: Plan) -> None:
    answer = run(unknown.id, "--as", "applied", "--by", "ada")
    assert answer.code == 2
    assert "--as needs --by and --why" in answer.err
    assert world.world.load(unknown.id).state is State.OUTCOME_UNKNOWN


def test_it_wants_an_appliers_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_GATE_WORKER_ROLES", "read,plan")
    answer = run("some-plan")
    assert answer.code == 2
    assert "applier's settings" in answer.err


def test_a_plan_that_is_not_there_is_said(run: Run) -> None:
    answer = run("some-plan")
    assert (answer.code, answer.err) == (1, "There is no plan 'some-plan'.\n")
