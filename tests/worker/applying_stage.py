"""A world whose cluster is in memory, for the tests of applying, with what they all say of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from shared.errors import Refusal
from shared.messages import ApplyCall, PlanCall
from shared.outcomes import Outcome
from shared.plans import DIGEST_ANNOTATION, Operation, Plan, State
from tests.worker.model_cluster import ModelCluster
from tests.worker.worlds import ROB, World, make_world
from worker import applying, claims, planning


@dataclass
class Stage:
    """A world whose cluster holds objects, with the verbs under test."""

    world: World
    cluster: ModelCluster
    reports: list[tuple[int, int, str]] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    """What is to happen at an effect, by its name: called, or raised after the effect."""

    @contextmanager
    def effect(self, name: str) -> Iterator[None]:
        happens = self.seen.pop(name, None)
        if callable(happens):
            happens()
        yield
        if isinstance(happens, Exception):
            raise happens

    def plan(self, *names: str, operation: Operation = Operation.APPLY, data: str = "new") -> Plan:
        manifest = "\n---\n".join(config(name, data) for name in names)
        call = PlanCall(operation=operation, namespace="demo", manifest=manifest, requester=ROB)
        answer = planning.make_plan(call, self.world.context)
        assert isinstance(answer, dict), answer
        plan = self.world.load(str(answer["plan_id"])).plan()
        assert isinstance(plan, Plan)
        return plan

    def scale(self, replicas: int) -> Plan:
        call = PlanCall(
            operation=Operation.SCALE,
            namespace="demo",
            name="web",
            replicas=replicas,
            requester=ROB,
        )
        answer = planning.make_plan(call, self.world.context)
        assert isinstance(answer, dict), answer
        plan = self.world.load(str(answer["plan_id"])).plan()
        assert isinstance(plan, Plan)
        return plan

    def approve(self, plan: Plan) -> Plan:
        self.world.clock.now += 1
        answer = self.world.prove(self.world.challenge(plan_id=plan.id), plan_id=plan.id)
        assert not isinstance(answer, Refusal), answer
        return plan

    def call(self, plan: Plan) -> Any:
        return applying.apply(
            ApplyCall(plan_id=plan.id), self.world.context, lambda *said: self.reports.append(said)
        )

    def apply(self, plan: Plan) -> tuple[str, Outcome]:
        answer = self.call(plan)
        assert isinstance(answer, dict), answer
        return answer["state"], Outcome.model_validate_json(json.dumps(answer["outcome"]))

    def code(self, plan: Plan) -> str:
        answer = self.call(plan)
        assert isinstance(answer, Refusal), answer
        return answer.code

    def state(self, plan: Plan) -> State:
        return self.world.load(plan.id).state

    def forge(self, plan: Plan, **fields: Any) -> None:
        self.world.redis.hset(f"wk:plan:{plan.id}", mapping=cast("dict[Any, Any]", fields))

    def events(self) -> list[str]:
        return [event["event"] for event in self.world.audit_events()]

    def written(self) -> list[tuple[str, str]]:
        return [(w.verb, w.name) for w in self.cluster.writes if w.verb != "adopt"]

    def claim(self, plan: Plan, purpose: str = "apply") -> None:
        claims.take(
            cast("Any", self.cluster),
            self.world.load(plan.id).sealed.digest,
            plan_id=plan.id,
            holder="another",
            purpose=purpose,
            expires_at=plan.expires_at,
        )


def mark(stage: Stage, plan: Plan, name: str) -> None:
    """An object shows that the plan's write happened."""
    digest = stage.world.load(plan.id).sealed.digest
    made = stage.cluster.put("ConfigMap", name, apiVersion="v1", data={"key": "new"})
    made["metadata"]["annotations"] = {DIGEST_ANNOTATION: digest}


def config(name: str, data: str) -> str:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"key": data},
    }
    return json.dumps(body)


def results(outcome: Outcome) -> list[str]:
    return [item.result.value for item in outcome.objects]


def make_stage(redis_url: str, folder: Path) -> Stage:
    """Rollouts are looked at once; a call to the cluster may take ten seconds."""
    world = make_world(redis_url, folder)
    cluster = ModelCluster(world.clock)
    made = Stage(world=world, cluster=cluster)
    cluster.effect = made.effect
    settings = world.context.settings.model_copy(
        update={"rollout_timeout_s": 0.0, "kubernetes_timeout_s": 10.0}
    )
    world.context = replace(world.context, cluster=cast("Any", cluster), settings=settings)
    return made
