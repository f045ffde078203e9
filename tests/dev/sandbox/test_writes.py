"""Create, patch, dry run, preconditions, validation, deletes: as a real API server answers."""

import pytest

from tests.dev.sandbox.conftest import (
    CONFIGMAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    LEASES,
    MERGE,
    SERVICES,
    STRATEGIC,
    Client,
    configmap,
    deployment,
    until,
)


def test_a_created_object_has_identity_version_generation_and_owners(
    admin: Client, web: str
) -> None:
    metadata = admin("GET", f"{DEPLOYMENTS}/{web}").body["metadata"]

    assert metadata["uid"]
    assert metadata["generation"] == 1
    assert int(metadata["resourceVersion"]) > 0
    assert "tests" in {entry["manager"] for entry in metadata["managedFields"]}


def test_defaults_are_filled_in(admin: Client) -> None:
    spec = admin("POST", f"{DEPLOYMENTS}?dryRun=All", deployment("defaults")).body["spec"]
    pod = spec["template"]["spec"]

    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert pod["dnsPolicy"] == "ClusterFirst"
    assert pod["securityContext"] == {}
    assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert pod["containers"][0]["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]


def test_a_service_gets_an_address_that_no_manager_owns(admin: Client) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "addressed"},
        "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]},
    }

    made = admin("POST", f"{SERVICES}?dryRun=All", body).body

    assert made["spec"]["clusterIP"].startswith("10.97.")
    assert made["spec"]["ipFamilies"] == ["IPv4"]
    assert made["spec"]["ports"][0]["targetPort"] == 80
    assert "f:clusterIP" not in made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]


def test_a_dry_run_gives_the_full_result_and_keeps_nothing(admin: Client) -> None:
    reply = admin("POST", f"{CONFIGMAPS}?dryRun=All", configmap("ghost", a="1"))

    assert reply.code == 201
    assert reply.body["metadata"]["uid"]
    assert "resourceVersion" not in reply.body["metadata"]
    assert admin("GET", f"{CONFIGMAPS}/ghost").code == 404


def test_creating_twice_is_already_exists(admin: Client, web: str) -> None:
    reply = admin("POST", DEPLOYMENTS, deployment(web))

    assert (reply.code, reply.body["reason"]) == (409, "AlreadyExists")
    assert reply.body["message"] == f'deployments.apps "{web}" already exists'


def test_a_lease_is_a_claim_that_only_one_can_make(applier: Client) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ig-claim"},
        "spec": {"holderIdentity": "one"},
    }

    codes = [applier("POST", LEASES, lease).code for _ in range(2)]

    assert codes == [201, 409]


def test_a_json_patch_whose_test_fails_is_422(admin: Client, web: str) -> None:
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": "another"},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
    ]

    reply = admin("PATCH", f"{DEPLOYMENTS}/{web}", operations, JSON_PATCH)

    assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    assert admin("GET", f"{DEPLOYMENTS}/{web}").body["spec"]["replicas"] == 1


def test_a_json_patch_whose_tests_hold_bumps_version_and_generation(
    admin: Client, web: str
) -> None:
    before = admin("GET", f"{DEPLOYMENTS}/{web}").body["metadata"]
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": before["uid"]},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:1.27"},
    ]

    after = admin("PATCH", f"{DEPLOYMENTS}/{web}", operations, JSON_PATCH).body["metadata"]

    assert after["generation"] == before["generation"] + 1
    assert int(after["resourceVersion"]) > int(before["resourceVersion"])


def test_a_merge_patch_with_an_old_version_is_a_conflict(admin: Client, web: str) -> None:
    patch = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}}

    reply = admin("PATCH", f"{DEPLOYMENTS}/{web}", patch, MERGE)

    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    assert "the object has been modified" in reply.body["message"]


def test_a_strategic_patch_merges_containers_by_name(admin: Client, web: str) -> None:
    pod = {"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}]}
    patch = {"spec": {"template": {"spec": pod}}}

    spec = admin("PATCH", f"{DEPLOYMENTS}/{web}", patch, STRATEGIC).body["spec"]

    container = spec["template"]["spec"]["containers"][0]
    assert container["image"] == "localhost/nginx:1.22"
    assert container["env"] == [{"name": "A", "value": "1"}]


def test_a_patch_without_effect_keeps_the_version(admin: Client) -> None:
    made = admin("POST", CONFIGMAPS, configmap("same", a="1")).body

    after = admin("PATCH", f"{CONFIGMAPS}/same", {"data": {"a": "1"}}, MERGE).body

    assert after["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


@pytest.mark.parametrize("wrong", [{"uid": "another"}, {"resourceVersion": "1"}])
def test_a_delete_whose_precondition_fails_is_a_conflict(
    admin: Client, web: str, wrong: dict[str, str]
) -> None:
    reply = admin("DELETE", f"{DEPLOYMENTS}/{web}", {"preconditions": wrong})

    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    assert "in the precondition" in reply.body["message"]


def test_a_dry_run_in_the_query_of_a_delete_with_a_body_is_not_heard(admin: Client) -> None:
    """The real server reads DeleteOptions from the body alone when there is one."""
    admin("POST", CONFIGMAPS, configmap("doomed"))

    admin("DELETE", f"{CONFIGMAPS}/doomed?dryRun=All", {"propagationPolicy": "Background"})

    assert admin("GET", f"{CONFIGMAPS}/doomed").code == 404


def test_a_dry_run_in_the_body_of_a_delete_deletes_nothing(admin: Client, web: str) -> None:
    reply = admin("DELETE", f"{DEPLOYMENTS}/{web}", {"dryRun": ["All"]})

    assert reply.body["status"] == "Success"
    assert admin("GET", f"{DEPLOYMENTS}/{web}").code == 200


def test_a_foreground_delete_waits_for_what_the_object_owned(admin: Client) -> None:
    admin("POST", DEPLOYMENTS, deployment("layered"))
    until(lambda: admin("GET", f"{DEPLOYMENTS}/layered").body["status"].get("availableReplicas"))

    marked = admin("DELETE", f"{DEPLOYMENTS}/layered", {"propagationPolicy": "Foreground"}).body

    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    until(lambda: admin("GET", f"{DEPLOYMENTS}/layered").code == 404)
    left = admin("GET", f"{DEPLOYMENTS.replace('deployments', 'replicasets')}").body["items"]
    assert not [rs for rs in left if rs["metadata"]["name"].startswith("layered-")]


def test_an_unknown_field_is_refused_when_strict(admin: Client) -> None:
    body = deployment("odd")
    body["spec"]["template"]["spec"]["foo"] = 1

    reply = admin("POST", f"{DEPLOYMENTS}?fieldValidation=Strict&dryRun=All", body)

    assert reply.code == 400
    assert reply.body["message"] == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error:'
        ' unknown field "spec.template.spec.foo"'
    )


def test_an_unknown_field_is_a_warning_by_default(admin: Client) -> None:
    body = deployment("odd")
    body["spec"]["foo"] = 1

    reply = admin("POST", f"{DEPLOYMENTS}?dryRun=All", body)

    assert reply.code == 201
    assert reply.headers["warning"] == '299 - "unknown field \\"spec.foo\\""'
    assert "foo" not in reply.body["spec"]


def test_a_duplicate_field_is_refused_when_strict(admin: Client) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d","name":"e"}}'

    reply = admin("POST", f"{CONFIGMAPS}?fieldValidation=Strict", body)

    assert 'duplicate field "metadata.name"' in reply.body["message"]


def test_every_fault_of_an_invalid_object_is_named(admin: Client) -> None:
    body = deployment("web", replicas=-1)
    body["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    del body["spec"]["template"]["spec"]["containers"][0]["image"]

    reply = admin("POST", DEPLOYMENTS, body)

    assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    fields = [cause["field"] for cause in reply.body["details"]["causes"]]
    assert fields == [
        "spec.replicas",
        "spec.template.metadata.labels",
        "spec.template.spec.containers[0].image",
    ]


def test_a_selector_cannot_be_changed(admin: Client, web: str) -> None:
    labels = {"app": "other"}
    patch = {
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        }
    }

    reply = admin("PATCH", f"{DEPLOYMENTS}/{web}", patch, MERGE)

    assert reply.code == 422
    assert "field is immutable" in reply.body["message"]


def test_a_value_of_the_wrong_type_is_a_bad_request(admin: Client) -> None:
    reply = admin("POST", DEPLOYMENTS, deployment("typed", replicas="three"))

    assert reply.code == 400
    assert "cannot unmarshal string into Go struct field" in reply.body["message"]


def test_a_scale_is_recorded_for_its_manager_and_subresource(admin: Client, web: str) -> None:
    scale = admin("GET", f"{DEPLOYMENTS}/{web}/scale").body
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "replace", "path": "/spec/replicas", "value": 2},
    ]
    path = f"{DEPLOYMENTS}/{web}/scale?fieldManager=infragate"

    stale = admin("PATCH", path, operations, JSON_PATCH)
    done = admin("PATCH", path, operations[1:], JSON_PATCH)

    assert scale["kind"] == "Scale"
    assert stale.code == 422
    assert done.body["spec"]["replicas"] == 2
    live = admin("GET", f"{DEPLOYMENTS}/{web}").body
    entry = next(e for e in live["metadata"]["managedFields"] if e["manager"] == "infragate")
    assert entry["subresource"] == "scale"
    assert entry["fieldsV1"] == {"f:spec": {"f:replicas": {}}}


def test_a_template_with_ephemeral_containers_is_422(admin: Client) -> None:
    body = deployment("ephemeral")
    body["spec"]["template"]["spec"]["ephemeralContainers"] = [{"name": "e", "image": "x:1"}]

    reply = admin("POST", f"{DEPLOYMENTS}?dryRun=All", body)

    assert reply.code == 422
    assert "ephemeral containers not allowed in pod template" in reply.body["message"]
