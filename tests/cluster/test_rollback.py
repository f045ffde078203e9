"""A plan that undoes another, on a cluster: asked for by one person, approved by another."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.digests import object_digest
from shared.errors import Refusal
from shared.manifests import JSON
from shared.messages import ChallengeCall, RollbackCall
from shared.plans import Identity, Intent, Operation, Plan, State
from tests.cluster.conftest import NAMESPACE, ClusterWorld
from tests.worker.worlds import ADA
from worker import approving, writes
from worker.rolling_back import plan_rollback

pytestmark = pytest.mark.cluster

NAME = "ig-rollback"
CONFIG = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: {NAME}, labels: {{tier: web}}}}
data: {{mode: slow, level: "1"}}
"""
SERVICE = f"""
apiVersion: v1
kind: Service
metadata: {{name: {NAME}}}
spec:
  selector: {{app: {NAME}}}
  ports: [{{port: 80, protocol: TCP}}]
"""
DEPLOYMENT = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {NAME}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {NAME}}}}}
  template:
    metadata: {{labels: {{app: {NAME}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: "localhost/nginx:1.22"
        env: [{{name: A, value: "1"}}, {{name: B, value: "$(A)"}}]
"""
BO = Identity(iss=ADA.iss, sub="bo")
KINDS = ("Deployment", "Service", "ConfigMap")


@pytest.fixture
def there(here: ClusterWorld) -> Iterator[ClusterWorld]:
    """Two approvers, and nothing of the tests' objects before and after."""
    (rule,) = here.world.context.policy.approvers
    here.world.with_rules(rule.model_copy(update={"subjects": (ADA, BO)}))
    for kind in KINDS:
        here.remove(kind, NAME)
    yield here
    for kind in KINDS:
        here.remove(kind, NAME)


def applied(here: ClusterWorld, operation: Operation, **arguments: object) -> Plan:
    plan = here.plan(operation, **arguments)
    here.approve(plan)
    assert here.apply(plan)["state"] == "applied"
    return plan


def asked(here: ClusterWorld, plan: Plan, who: Identity = BO) -> Any:
    return plan_rollback(RollbackCall(plan_id=plan.id, approver=who), here.world.context)


def rollback(here: ClusterWorld, plan: Plan) -> Plan:
    answer = asked(here, plan)
    assert isinstance(answer, dict), answer
    made = here.world.load(answer["plan_id"]).plan()
    assert isinstance(made, Plan)
    return made


def code(here: ClusterWorld, plan: Plan, who: Identity = BO) -> str:
    answer = asked(here, plan, who)
    assert isinstance(answer, Refusal), answer
    return answer.code


def body(here: ClusterWorld, kind: str) -> Any:
    return here.cluster.get(kind, NAMESPACE, NAME)


@pytest.mark.promise("rollback-is-a-plan")
def test_a_rollback_is_a_plan_that_a_person_approves_and_it_restores_the_image(
    there: ClusterWorld,
) -> None:
    applied(there, Operation.APPLY, manifest=DEPLOYMENT)
    plan = applied(
        there, Operation.SET_IMAGE, name=NAME, container="web", image="localhost/nginx:1.23"
    )

    made = rollback(there, plan)

    assert made.summary == (
        f"Rollback: {NAME}/web: image localhost/nginx:1.23 → localhost/nginx:1.22"
    )
    assert (made.undoes, made.operation, made.reason) == (plan.id, Operation.SET_IMAGE, "")
    assert made.requester.model_dump() == {
        "iss": BO.iss,
        "sub": BO.sub,
        "client_id": "approval pages",
        "assurance": "pages-asserted",
    }
    assert there.apply(made)["state"] == "pending"
    there.approve(made)
    assert there.apply(made)["state"] == "applied"
    containers = body(there, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == ["localhost/nginx:1.22"]


def test_replicas_go_back_and_undoing_that_goes_forth_again(there: ClusterWorld) -> None:
    applied(there, Operation.APPLY, manifest=DEPLOYMENT)
    plan = applied(there, Operation.SCALE, name=NAME, replicas=2)

    made = rollback(there, plan)
    there.approve(made)
    there.apply(made)
    again = rollback(there, made)

    assert made.summary == f"Rollback: {NAME}: replicas 2 → 1"
    assert again.summary == f"Rollback: {NAME}: replicas 1 → 2"
    assert body(there, "Deployment")["spec"]["replicas"] == 1


def test_what_a_manifest_changed_is_as_before_and_no_other_value_is_in_the_plan(
    there: ClusterWorld,
) -> None:
    applied(there, Operation.APPLY, manifest=f"{CONFIG}---{DEPLOYMENT}")
    before = {kind: body(there, kind) for kind in ("ConfigMap", "Deployment")}
    changed = f"{CONFIG}---{DEPLOYMENT}".replace("mode: slow, ", "speed: top, ")
    changed = changed.replace('{name: A, value: "1"}, ', "").replace("tier: web", "tier: back")
    plan = applied(there, Operation.APPLY, manifest=changed)

    made = rollback(there, plan)
    there.approve(made)
    there.apply(made)

    config, deployment = body(there, "ConfigMap"), body(there, "Deployment")
    assert config["data"] == before["ConfigMap"]["data"]
    assert config["metadata"]["labels"] == before["ConfigMap"]["metadata"]["labels"]
    assert deployment["spec"] == before["Deployment"]["spec"]
    assert "$(A)" not in str([one.intent.body for one in made.objects])


def test_what_was_created_goes_and_what_was_deleted_comes_back(there: ClusterWorld) -> None:
    created = applied(there, Operation.APPLY, manifest=f"{CONFIG}---{SERVICE}")

    made = rollback(there, created)
    there.approve(made)
    there.apply(made)
    gone = body(there, "ConfigMap"), body(there, "Service")
    back = rollback(there, made)
    there.approve(back)
    there.apply(back)

    assert (made.operation, gone) == (Operation.DELETE, (None, None))
    assert back.operation is Operation.APPLY
    assert body(there, "ConfigMap")["data"] == {"mode": "slow", "level": "1"}
    assert body(there, "Service")["spec"]["selector"] == {"app": NAME}


def test_what_a_plan_created_beside_what_it_changed_stays_and_the_approver_is_told(
    there: ClusterWorld,
) -> None:
    applied(there, Operation.APPLY, manifest=CONFIG)
    plan = applied(there, Operation.APPLY, manifest=f"{CONFIG.replace('slow', 'fast')}---{SERVICE}")

    made = rollback(there, plan)

    assert [(one.kind, one.name) for one in made.objects] == [("ConfigMap", NAME)]
    assert made.touched[0].message == (
        f"Service {NAME} was created by the plan that is undone, and stays."
    )


def test_nothing_is_undone_over_somebodys_later_change(there: ClusterWorld) -> None:
    applied(there, Operation.APPLY, manifest=CONFIG)
    plan = applied(there, Operation.APPLY, manifest=CONFIG.replace("slow", "fast"))
    applied(there, Operation.APPLY, manifest=CONFIG.replace("slow", "medium"))

    answer = asked(there, plan)

    assert isinstance(answer, Refusal)
    assert answer.code == "rollback_overtaken"
    assert f"ConfigMap/{NAME}: data.mode changed since" in answer.message


def test_a_change_of_something_else_is_left_as_it_is(there: ClusterWorld) -> None:
    applied(there, Operation.APPLY, manifest=CONFIG)
    plan = applied(there, Operation.APPLY, manifest=CONFIG.replace("slow", "fast"))
    applied(there, Operation.APPLY, manifest=CONFIG.replace("slow", "fast").replace('"1"', '"2"'))

    made = rollback(there, plan)

    assert [one.path for one in made.objects[0].changes] == ["data.mode"]


def test_whoever_asks_twice_gets_the_plan_that_waits_until_it_no_longer_does(
    there: ClusterWorld,
) -> None:
    applied(there, Operation.APPLY, manifest=CONFIG)
    plan = applied(there, Operation.APPLY, manifest=CONFIG.replace("slow", "fast"))

    first, second = rollback(there, plan), rollback(there, plan)
    there.world.clock.now = first.expires_at
    third = rollback(there, plan)

    assert first.id == second.id
    assert third.id != first.id
    assert there.world.load(plan.id).undone_by == third.id


def test_once_it_is_undone_there_is_nothing_left_to_undo(there: ClusterWorld) -> None:
    applied(there, Operation.APPLY, manifest=CONFIG)
    plan = applied(there, Operation.APPLY, manifest=CONFIG.replace("slow", "fast"))
    made = rollback(there, plan)
    there.approve(made)
    there.apply(made)

    assert code(there, plan) == "rollback_nothing"


def test_a_restart_leaves_nothing_to_undo(there: ClusterWorld) -> None:
    applied(there, Operation.APPLY, manifest=DEPLOYMENT)

    assert code(there, applied(there, Operation.RESTART, name=NAME)) == "rollback_nothing"


def test_what_was_not_written_is_not_undone(there: ClusterWorld) -> None:
    assert code(there, there.plan(Operation.APPLY, manifest=CONFIG)) == "rollback_too_early"


@pytest.mark.promise("rollback-is-a-plan")
def test_who_may_not_approve_a_plan_gets_no_rollback_of_it(there: ClusterWorld) -> None:
    plan = applied(there, Operation.APPLY, manifest=CONFIG)

    assert code(there, plan, Identity(iss=ADA.iss, sub="somebody")) == "not_an_approver"


@pytest.mark.promise("rollback-is-a-plan")
def test_who_asks_for_a_rollback_does_not_approve_it_where_four_eyes_must(
    there: ClusterWorld,
) -> None:
    made = rollback(there, applied(there, Operation.APPLY, manifest=CONFIG))

    answer = approving.challenge(ChallengeCall(plan_id=made.id, approver=BO), there.world.context)

    assert isinstance(answer, Refusal)
    assert answer.code == "four_eyes"


@pytest.mark.promise("rollback-is-a-plan")
def test_a_plan_that_no_planner_sealed_is_not_undone(there: ClusterWorld) -> None:
    plan = applied(there, Operation.APPLY, manifest=CONFIG)
    forged = plan.model_copy(update={"summary": "x"}).document()
    there.world.redis.hset(f"wk:plan:{plan.id}", "document", forged)

    assert code(there, plan) == "plan_seal_broken"


def test_both_plans_tell_of_the_rollback_in_the_audit_log(there: ClusterWorld) -> None:
    plan = applied(there, Operation.APPLY, manifest=CONFIG)

    made = rollback(there, plan)

    events = there.world.audit_events()[-2:]
    assert [(one["event"], one["plan"]) for one in events] == [
        ("plan.created", made.id),
        ("rollback.requested", plan.id),
    ]
    assert (events[0]["undoes"], events[1]["rollback"]) == (plan.id, made.id)
    assert there.world.load(plan.id).state is State.APPLIED


@pytest.mark.promise("rules-again-at-apply")
@pytest.mark.parametrize("operation", [Operation.SCALE, Operation.APPLY])
def test_a_sealed_patch_that_does_more_than_the_rules_allow_is_not_written(
    there: ClusterWorld, operation: Operation
) -> None:
    applied(there, Operation.APPLY, manifest=DEPLOYMENT)
    honest = there.plan(Operation.SCALE, name=NAME, replicas=2)
    live = body(there, "Deployment")
    (planned,) = honest.objects
    patch: list[JSON] = [
        {"op": "replace", "path": "/spec/replicas", "value": 2},
        {"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True},
    ]
    intent = Intent(verb="patch", body=patch)
    ref = (planned.kind, NAMESPACE, NAME)
    sent = writes.send(there.cluster, ref, intent, live=live, digest=None, dry_run=True)
    assert sent.result is not None
    predicted = object_digest(writes.predicted(intent, sent.result))
    forged = planned.model_copy(update={"intent": intent, "predicted_digest": predicted})
    changed = {"id": "owned-planner", "operation": operation, "objects": (forged,)}
    plan = honest.model_copy(update=changed)
    there.world.store(plan)
    there.approve(plan)

    refusal = there.refusal(plan)

    assert refusal.code == "guardrail"
    assert "IG-POD-HOSTNAMESPACE" in refusal.message
    assert body(there, "Deployment")["spec"]["replicas"] == 1
