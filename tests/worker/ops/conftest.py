"""Real files for the operator's commands: made by the workers' own verbs on a (simulated) cluster.

One plan was approved and applied, one denied; each test gets a copy of the files to spoil.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dev.redis_server import RedisServer
from shared.audit import AuditLog
from shared.errors import Refusal
from shared.messages import DenyCall
from shared.plans import Operation
from shared.settings import TrailSettings, WorkerSettings
from tests.cluster.conftest import NAMESPACE, ClusterWorld, Kube, in_time_with, kube
from tests.worker.worlds import ADA, RULE, World, make_world
from worker import withdrawing
from worker.anchoring import Anchoring
from worker.cluster import Cluster
from worker.keys import load_keys
from worker.ops.__main__ import main

__all__ = ["kube"]

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-told}
data: {count: "1"}
"""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A folder with everything that two plans left behind."""

    folder: Path
    applied: str
    denied: str

    @property
    def log(self) -> Path:
        return self.folder / "audit" / "audit.jsonl"

    @property
    def anchors(self) -> Path:
        return self.folder / "elsewhere" / "anchors.jsonl"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence" / f"{self.applied}.json"

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "INFRA_GATE_KEYS_ROOT": str(self.folder / "keys"),
            "INFRA_GATE_GUARD_AUDIT_ROOT": str(self.folder / "audit"),
            "INFRA_GATE_AUDIT_ANCHOR_ROOT": str(self.folder / "elsewhere"),
            "K8S_MCP_APPROVAL_ROOT": str(self.folder / "evidence"),
        }

    @property
    def trail(self) -> TrailSettings:
        return TrailSettings(**self.environment)  # type: ignore[arg-type]  # texts, as in the environment

    def change_evidence(self, change: Callable[[dict[str, Any]], object]) -> None:
        document = json.loads(self.evidence.read_text("utf-8"))
        change(document)
        self.evidence.write_text(json.dumps(document), "utf-8")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def codes(self) -> set[str]:
        """The codes of the problems that were printed, one a line."""
        found = (line.split(": ") for line in self.out.splitlines() if not line.startswith("note"))
        return {part for parts in found for part in parts[1:3] if part.isidentifier()}


def settings_in(folder: Path) -> WorkerSettings:
    return WorkerSettings(
        audit_root=folder / "audit",
        audit_anchor_root=folder / "elsewhere",
        evidence_root=folder / "evidence",
        keys_root=folder / "keys",
    )


def make_cluster_world(kube: Kube, redis_url: str, folder: Path) -> ClusterWorld:
    """A world whose keys are files and whose log is anchored, on the cluster."""
    world = make_world(redis_url, folder)
    world.clock.now = int(time.time())
    world.context = replace(
        world.context,
        settings=settings_in(folder),
        cluster=in_time_with(world, Cluster.connect(kube.applier, name="local")),
        namespaces=(NAMESPACE,),
        policy=replace(
            world.context.policy,
            approvers=(RULE.model_copy(update={"namespaces": (NAMESPACE,)}),),
        ),
    )
    restart(world)
    return ClusterWorld(world=world, kube=kube, admin=Cluster.connect(kube.admin, name="local"))


def restart(world: World) -> None:
    """Reads the key files again, as a worker does when it starts."""
    settings = world.context.settings
    keys = load_keys(settings)
    assert keys.anchor is not None
    anchoring = Anchoring(
        AuditLog(settings.audit_root, world.clock),
        settings.anchors,
        keys.anchor,
        worker="plan+apply@here",
        clock=world.clock,
    )
    audit = AuditLog(settings.audit_root, world.clock, anchoring)
    world.context = replace(world.context, keys=keys, audit=audit, anchoring=anchoring)


@pytest.fixture(scope="session")
def told_once(
    kube: Kube, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Told:
    folder = tmp_path_factory.mktemp("told")
    here = make_cluster_world(kube, redis_server.url, folder)
    applied = here.plan(Operation.APPLY, manifest=CONFIG, reason="count \u202eevil")
    here.approve(applied)
    assert here.apply(applied)["state"] == "applied"
    denied = here.plan(Operation.DELETE, manifest=CONFIG)
    answer = withdrawing.deny(
        DenyCall(plan_id=denied.id, approver=ADA, reason="no"), here.world.context
    )
    assert not isinstance(answer, Refusal)
    assert here.world.context.anchoring is not None
    assert here.world.context.anchoring.anchor()
    here.remove("ConfigMap", "ig-told")
    here.world.redis.close()
    return Told(folder=folder, applied=applied.id, denied=denied.id)


@pytest.fixture
def told(told_once: Told, tmp_path: Path) -> Told:
    shutil.copytree(told_once.folder, tmp_path / "told")
    return replace(told_once, folder=tmp_path / "told")


@pytest.fixture
def ops(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Runs an operator's command with the environment of the worker that made the files."""
    for name, value in told.environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> Answer:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Answer(code=code, out=printed.out, err=printed.err)

    return run
