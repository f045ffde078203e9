"""Server-side apply: owners, conflicts, force, dropped fields, preconditions."""

import uuid

from tests.dev.sandbox.conftest import (
    APPLY,
    CONFIGMAPS,
    DEPLOYMENTS,
    Client,
    Obj,
    Reply,
    configmap,
    deployment,
)


def apply(client: Client, body: Obj, manager: str = "infragate", query: str = "") -> Reply:
    kinds = {"Deployment": DEPLOYMENTS, "ConfigMap": CONFIGMAPS}
    path = f"{kinds[body['kind']]}/{body['metadata']['name']}?fieldManager={manager}{query}"
    return client("PATCH", path, body, APPLY)


def fresh() -> str:
    return f"applied-{uuid.uuid4().hex[:8]}"


def fields(obj: Obj, manager: str) -> Obj:
    entries = obj["metadata"]["managedFields"]
    found: Obj = next(e["fieldsV1"] for e in entries if e["manager"] == manager)
    return found


def test_what_is_applied_is_owned_and_what_is_defaulted_is_not(admin: Client) -> None:
    made = apply(admin, deployment(fresh(), replicas=0))

    spec = fields(made.body, "infragate")["f:spec"]
    assert made.code == 201
    assert spec["f:replicas"] == {}
    assert "f:strategy" not in spec
    container = spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"app"}']
    assert set(container) == {".", "f:name", "f:image", "f:ports"}


def test_a_conflict_names_the_other_manager_and_the_field(admin: Client, web: str) -> None:
    body = deployment(web, replicas=3)
    body["spec"] = {"replicas": 3}

    reply = apply(admin, body)

    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    assert reply.body["message"] == (
        'Apply failed with 1 conflict: conflict with "tests" using apps/v1: .spec.replicas'
    )
    assert reply.body["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "tests" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_several_conflicts_are_listed(admin: Client, web: str) -> None:
    body = deployment(web, "localhost/nginx:1.23")
    body["spec"] = {
        "replicas": 3,
        "template": {"spec": {"containers": [{"name": "app", "image": "localhost/nginx:1.23"}]}},
    }

    reply = apply(admin, body)

    assert reply.body["message"] == (
        'Apply failed with 2 conflicts: conflicts with "tests" using apps/v1:\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="app"].image'
    )


def test_force_takes_the_field_from_its_owner(admin: Client, web: str) -> None:
    body = {**deployment(web), "spec": {"replicas": 0}}

    forced = apply(admin, body, query="&force=true").body

    assert forced["spec"]["replicas"] == 0
    assert "f:replicas" not in fields(forced, "tests")["f:spec"]


def test_the_same_value_makes_a_second_owner_without_conflict(admin: Client) -> None:
    name = fresh()
    apply(admin, configmap(name, a="1"), "one")

    shared = apply(admin, configmap(name, a="1"), "two")

    assert shared.code == 200
    assert fields(shared.body, "one") == fields(shared.body, "two")


def test_a_dropped_field_goes_when_nobody_else_owns_it(admin: Client) -> None:
    name = fresh()
    apply(admin, configmap(name, a="1", b="2"), "one")
    apply(admin, configmap(name, b="2"), "two")

    left = apply(admin, configmap(name), "one").body

    assert left["data"] == {"b": "2"}


def test_a_dropped_container_goes_with_all_that_was_defaulted_in_it(admin: Client) -> None:
    name = fresh()
    body = deployment(name, replicas=0)
    body["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "nginx:1.27"})
    apply(admin, body)
    body["spec"]["template"]["spec"]["containers"].pop()

    left = apply(admin, body).body

    containers = left["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["app"]


def test_applying_the_same_again_changes_nothing(admin: Client) -> None:
    name = fresh()
    first = apply(admin, configmap(name, a="1")).body

    again = apply(admin, configmap(name, a="1")).body

    assert again == first


def test_an_old_version_in_the_document_is_a_conflict(admin: Client, web: str) -> None:
    body = {**deployment(web), "spec": {}}
    body["metadata"]["resourceVersion"] = "1"

    reply = apply(admin, body)

    assert reply.code == 409
    assert "the object has been modified" in reply.body["message"]


def test_the_uid_of_an_object_that_is_gone_is_a_conflict(admin: Client) -> None:
    body = configmap(fresh(), a="1")
    body["metadata"]["uid"] = "gone"

    reply = apply(admin, body)

    assert reply.code == 409
    assert "no existing object was found" in reply.body["message"]


def test_a_dry_run_of_an_apply_shows_owners_and_keeps_nothing(admin: Client) -> None:
    before = admin("GET", f"{CONFIGMAPS}/nginx-config").body
    body = configmap("nginx-config", extra="1")

    shown = apply(admin, body, query="&dryRun=All").body

    assert fields(shown, "infragate") == {"f:data": {"f:extra": {}}}
    assert admin("GET", f"{CONFIGMAPS}/nginx-config").body == before


def test_an_apply_needs_a_field_manager(admin: Client, web: str) -> None:
    reply = admin("PATCH", f"{DEPLOYMENTS}/{web}", deployment(web), APPLY)

    assert reply.code == 422
    assert "is required for apply patch" in reply.body["message"]


def test_an_unknown_field_cannot_be_applied(admin: Client, web: str) -> None:
    body = {**deployment(web), "spec": {"foo": 1}}

    reply = apply(admin, body)

    assert reply.code == 500
    assert ".spec.foo: field not declared in schema" in reply.body["message"]


def test_yaml_is_understood(admin: Client) -> None:
    name = fresh()
    body = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: x}}\n"

    made = admin("PATCH", f"{CONFIGMAPS}/{name}?fieldManager=me", body.encode(), APPLY)

    assert made.body["data"] == {"a": "x"}
