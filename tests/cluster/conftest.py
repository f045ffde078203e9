"""A cluster and a world of verbs on it: the sandbox, or the real one that is named.

`INFRAGATE_TEST_KUBECONFIG` (and `_READER_KUBECONFIG`, `_ADMIN_KUBECONFIG`) name a real cluster with
the demo namespace; without them the same tests run on the simulated one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path

import pytest

from shared.errors import Refusal
from shared.messages import ApplyCall, PlanCall
from shared.plans import Operation, Plan, Requester
from tests.worker.worlds import RULE, World, make_world
from worker import applying, planning
from worker.cluster import Cluster

NAMESPACE = "mcp-nginx-demo"
ROB = Requester(
    iss="http://127.0.0.1:3011", sub="rob", client_id="tests", assurance="gateway-asserted"
)
READY_S = 90
"""A crash loop or an image pull failure takes a real kubelet some time to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kube:
    """Kubeconfigs by identity, and whether the cluster is the simulated one."""

    applier: Path
    reader: Path
    admin: Path
    simulated: bool


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    named = os.environ.get("INFRAGATE_TEST_KUBECONFIG")
    if named:
        applier = Path(named)
        yield Kube(
            applier=applier,
            reader=Path(os.environ.get("INFRAGATE_TEST_READER_KUBECONFIG", named)),
            admin=Path(os.environ.get("INFRAGATE_TEST_ADMIN_KUBECONFIG", named)),
            simulated=False,
        )
        return
    state = tmp_path_factory.mktemp("sandbox")
    command = [sys.executable, "-m", "dev.sandbox", "--port", "0", "--state", str(state)]
    with subprocess.Popen(
        [*command, "--seed", "demo"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        yield Kube(
            applier=state / "applier.kubeconfig",
            reader=state / "reader.kubeconfig",
            admin=state / "admin.kubeconfig",
            simulated=True,
        )
        process.terminate()


@dataclass
class ClusterWorld:
    """Plans, proofs and applies against a cluster, in this process, by the workers' own verbs."""

    world: World
    kube: Kube
    admin: Cluster

    @property
    def cluster(self) -> Cluster:
        return self.world.context.cluster

    def request(self, operation: Operation, **arguments: object) -> object:
        call = PlanCall.model_validate(
            {"operation": operation, "namespace": NAMESPACE, "requester": ROB, **arguments}
        )
        return planning.make_plan(call, self.world.context)

    def plan(self, operation: Operation, **arguments: object) -> Plan:
        answer = self.request(operation, **arguments)
        assert isinstance(answer, dict), answer
        assert "plan_id" in answer, answer
        plan = self.world.load(answer["plan_id"]).plan()
        assert isinstance(plan, Plan)
        return plan

    def approve(self, plan: Plan) -> None:
        self.world.clock.now += 1  # one login a second, each its own
        answer = self.world.prove(self.world.challenge(plan_id=plan.id), plan_id=plan.id)
        assert not isinstance(answer, Refusal), answer

    def apply(self, plan: Plan) -> dict[str, object]:
        answer = applying.apply(
            ApplyCall(plan_id=plan.id), self.world.context, lambda _done, _total, _text: None
        )
        assert isinstance(answer, dict), answer
        return dict(answer)

    def refusal(self, plan: Plan) -> Refusal:
        answer = applying.apply(
            ApplyCall(plan_id=plan.id), self.world.context, lambda _done, _total, _text: None
        )
        assert isinstance(answer, Refusal), answer
        return answer

    def change(self, operation: Operation, **arguments: object) -> dict[str, object]:
        plan = self.plan(operation, **arguments)
        self.approve(plan)
        return self.apply(plan)

    def deployment(self, name: str) -> dict[str, object]:
        found = self.cluster.get("Deployment", NAMESPACE, name)
        assert found is not None
        return found

    def remove(self, kind: str, name: str) -> None:
        """Removes what a test made, as the admin, and waits until it is gone."""

        def gone() -> bool:
            live = self.admin.get(kind, NAMESPACE, name)
            if live is None:
                return True
            if not live["metadata"].get("deletionTimestamp"):
                self.admin.delete(
                    kind,
                    NAMESPACE,
                    name,
                    uid=live["metadata"]["uid"],
                    resource_version=live["metadata"]["resourceVersion"],
                    propagation="Background",
                    dry_run=False,
                )
            return False

        eventually(gone)


def eventually(condition: Callable[[], object], *, within_s: float = READY_S) -> None:
    """Waits for what a cluster does in its own time; fails when it does not."""
    until = time.monotonic() + within_s
    while True:
        try:
            if condition():
                return
        except Exception:
            if time.monotonic() > until:
                raise
        if time.monotonic() > until:
            pytest.fail("the cluster did not get there in time")
        time.sleep(0.2)


def in_time_with(world: World, cluster: Cluster) -> Cluster:
    """The cluster, whose time passes with the world's, which goes on by minutes at once."""
    cluster.server_date = lambda: formatdate(world.clock(), usegmt=True)  # type: ignore[method-assign]
    return cluster


@pytest.fixture
def here(kube: Kube, redis_url: str, tmp_path: Path) -> Iterator[ClusterWorld]:
    world = make_world(redis_url, tmp_path)
    cluster = in_time_with(world, Cluster.connect(kube.applier, name="local"))
    rule = RULE.model_copy(update={"namespaces": (NAMESPACE,)})
    world.context = replace(
        world.context,
        cluster=cluster,
        namespaces=(NAMESPACE,),
        policy=replace(world.context.policy, approvers=(rule,)),
    )
    world.clock.now = int(time.time())
    yield ClusterWorld(world=world, kube=kube, admin=Cluster.connect(kube.admin, name="local"))
    world.redis.close()
