"""What undoes a plan: earlier values where the plan's own still stand, and nothing over others."""

import copy

import pytest
from hypothesis import given, settings

from shared.diffs import diff, same
from shared.digests import object_digest
from shared.errors import Refusal
from shared.manifests import JSON, Kind, Object, mapping_at
from shared.plans import DIGEST_ANNOTATION, Action, Intent, Plan, PlannedChange, PlannedObject
from shared.rollbacks import Back, ways_back
from tests.shared.test_diffs import OBJECTS, web
from tests.worker.worlds import a_plan

DIGEST = "sha256:of-the-plan"
UID = "7c1d"


def deployment(*containers: Object, **spec: JSON) -> Object:
    metadata: Object = {"name": "nginx", "namespace": "mcp-nginx-demo"}
    pod: Object = {"spec": {"containers": list(containers)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {**spec, "template": pod},
    }


def service(port: int, **spec: JSON) -> Object:
    ports: list[JSON] = [{"port": port, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "mcp-nginx-demo"},
        "spec": {"ports": ports, **spec},
    }


def there(body: Object, *, uid: str = UID, digest: str = DIGEST) -> Object:
    """The object as the API server has it."""
    metadata = {
        **mapping_at(body, "metadata"),
        "uid": uid,
        "resourceVersion": "42",
        "annotations": {**mapping_at(body, "metadata", "annotations"), DIGEST_ANNOTATION: digest},
    }
    return {**copy.deepcopy(body), "metadata": metadata, "status": {"replicas": 1}}


def planned(before: Object | None, after: Object | None, name: str = "nginx") -> PlannedObject:
    body = after or before or {}
    changes = diff(before, after)
    if before is None:
        action = Action.CREATE
    elif after is None:
        action = Action.DELETE
    else:
        action = Action.UPDATE if changes else Action.NO_OP
    return PlannedObject(
        api_version=str(body.get("apiVersion")),
        kind=str(body.get("kind", "Deployment")),
        name=name,
        action=action,
        uid=None if before is None else UID,
        base_digest=None if before is None else object_digest(before),
        predicted_digest=None if after is None else object_digest(after),
        intent=Intent(verb="apply", body={}),
        changes=tuple(
            PlannedChange(path=one.path, op=one.op, old=one.old, new=one.new) for one in changes
        ),
        before=before if action is Action.UPDATE else None,
    )


def plan(*objects: PlannedObject) -> Plan:
    return a_plan().model_copy(update={"objects": objects})


def back(one: PlannedObject, live: Object | None) -> Back | Refusal:
    ways = ways_back(plan(one), DIGEST, [live])
    return ways if isinstance(ways, Refusal) else ways[0]


def target(one: PlannedObject, live: Object | None) -> Object | None:
    way = back(one, live)
    assert isinstance(way, Back), way
    return way.target


def code(one: PlannedObject, live: Object | None) -> str:
    way = back(one, live)
    assert isinstance(way, Refusal)
    return way.code


def test_a_changed_value_goes_back_and_what_others_changed_elsewhere_stays() -> None:
    one = planned(deployment(web(image="nginx:1.27")), deployment(web(image="nginx:broken")))
    scaled = there(deployment(web(image="nginx:broken"), replicas=3))

    assert target(one, scaled) == deployment(web(image="nginx:1.27"), replicas=3)


def test_what_was_added_goes_and_what_was_removed_comes_back_in_its_place() -> None:
    before = deployment(web(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}]))
    after = deployment(web(env=[{"name": "B", "value": "2"}, {"name": "C", "value": "3"}]))

    assert target(planned(before, after), there(after)) == before


def test_an_order_that_was_changed_is_changed_back() -> None:
    before, after = deployment(web(), {"name": "p"}), deployment({"name": "p"}, web())

    assert target(planned(before, after), there(after)) == before


def test_an_order_that_somebody_else_changed_stays() -> None:
    one: Object = {"name": "A", "value": "1"}
    other: Object = {"name": "B", "value": "2"}
    plan = planned(deployment(web(env=[one, other])), deployment(web(env=[one, other]), replicas=2))
    reordered = there(deployment(web(env=[other, one]), replicas=2))

    assert target(plan, reordered) == deployment(web(env=[other, one]))


@given(OBJECTS, OBJECTS)
@settings(max_examples=200)
def test_undoing_gives_exactly_what_there_was(before: Object, after: Object) -> None:
    named: Object = {"kind": "Deployment", "metadata": {"name": "nginx"}}
    before, after = {**before, **named}, {**after, **named}
    if not same(before, after):
        assert same(target(planned(before, after), there(after)), before)


@pytest.mark.parametrize(
    "since",
    [
        deployment(web(image="nginx:1.29")),
        deployment({"name": "other", "image": "nginx:broken"}),
        deployment(),
    ],
    ids=["changed again", "another container", "container gone"],
)
def test_nothing_is_undone_over_somebodys_later_change(since: Object) -> None:
    one = planned(deployment(web()), deployment(web(image="nginx:broken")))
    way = back(one, there(since))

    assert isinstance(way, Refusal)
    assert way.code == "rollback_overtaken"
    assert "Deployment/nginx: spec.template.spec.containers[web].image" in way.message


def test_an_object_that_is_another_one_now_is_left_alone() -> None:
    one = planned(deployment(web()), deployment(web(image="nginx:broken")))

    assert code(one, None) == "rollback_overtaken"
    assert code(one, there(deployment(web(image="nginx:broken")), uid="new")) == (
        "rollback_overtaken"
    )


def test_what_is_as_before_needs_no_undoing() -> None:
    one = planned(deployment(web()), deployment(web(image="nginx:broken")))

    assert code(one, there(deployment(web()))) == "rollback_nothing"
    assert code(planned(deployment(web()), deployment(web())), None) == "rollback_nothing"


def test_an_object_that_was_not_written_is_left_out_of_the_way_back() -> None:
    written = planned(deployment(web()), deployment(web(image="nginx:broken")), name="one")
    stopped = planned(deployment(web()), deployment(web(image="nginx:broken")), name="two")

    ways = ways_back(
        plan(written, stopped),
        DIGEST,
        [there(deployment(web(image="nginx:broken"))), there(deployment(web()))],
    )

    assert not isinstance(ways, Refusal)
    assert [way.name for way in ways] == ["one"]


def test_a_created_object_goes_if_it_is_still_the_one_that_was_created() -> None:
    one = planned(None, deployment(web()))

    assert target(one, there(deployment(web()))) is None
    assert code(one, None) == "rollback_nothing"
    assert code(one, there(deployment(web(image="nginx:1.29")))) == "rollback_overtaken"
    assert code(one, there(deployment(web()), digest="sha256:of-another")) == "rollback_overtaken"


def test_a_created_service_goes_whatever_addresses_it_was_given() -> None:
    one = planned(None, service(80), name="web")

    assert target(one, there(service(80, clusterIP="10.0.0.7", clusterIPs=["10.0.0.7"]))) is None
    assert code(one, there(service(81, clusterIP="10.0.0.7"))) == "rollback_overtaken"


def test_a_deleted_object_comes_back_as_one_would_ask_for_it() -> None:
    gone = planned(service(80, clusterIP="10.0.0.7", clusterIPs=["10.0.0.7"]), None, name="web")
    headless = planned(service(80, clusterIP="None", clusterIPs=["None"]), None, name="web")

    assert target(gone, None) == service(80)
    assert target(headless, None) == service(80, clusterIP="None")
    assert target(planned(deployment(web()), None), None) == deployment(web())


def test_a_deleted_object_that_is_there_is_left_alone() -> None:
    one = planned(deployment(web()), None)

    assert code(one, there(deployment(web()))) == "rollback_nothing"
    assert code(one, there(deployment(web()), uid="new")) == "rollback_overtaken"


def test_a_way_back_names_its_object() -> None:
    one = planned(deployment(web()), deployment(web(image="nginx:broken")))
    live = there(deployment(web(image="nginx:broken")))

    assert back(one, live) == Back(
        kind=Kind.DEPLOYMENT, name="nginx", live=live, target=deployment(web())
    )
