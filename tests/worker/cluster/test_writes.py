"""Writing through the door: one attempt, dry runs, preconditions, conflicts, claims."""

import pytest

from shared.errors import AlreadyExists, ClusterThrottled, ClusterUnreachable, Conflict
from tests.worker.canned import CannedServer, Reply, status, throttled
from worker.cluster import ApplyConflict, Cluster, FieldConflict

MAPS = "/api/v1/namespaces/shop/configmaps"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/infragate-system/leases"


def test_a_dry_run_says_so_and_asks_for_strict_validation(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("POST", MAPS, Reply(status=201, body={"kind": "ConfigMap"}))

    cluster.create("ConfigMap", "shop", {"metadata": {"name": "x"}}, dry_run=True)

    assert server.asked(MAPS)[0].query == {
        "fieldManager": "infragate",
        "fieldValidation": "Strict",
        "dryRun": "All",
    }


def test_a_real_write_has_no_dry_run_parameter(server: CannedServer, cluster: Cluster) -> None:
    server.on("POST", MAPS, Reply(status=201, body={}))

    cluster.create("ConfigMap", "shop", {}, dry_run=False)

    assert "dryRun" not in server.asked(MAPS)[0].query


def test_an_old_server_is_not_asked_for_what_it_ignores(
    server: CannedServer, cluster: Cluster
) -> None:
    server.get("/version", {"major": "1", "minor": "20"})
    server.on("POST", MAPS, Reply(status=201, body={}))

    cluster.create("ConfigMap", "shop", {}, dry_run=True)

    assert "fieldValidation" not in server.asked(MAPS)[0].query


def test_warnings_of_the_server_are_read_from_their_header(
    server: CannedServer, cluster: Cluster
) -> None:
    warnings = (
        ("Warning", '299 - "unknown field \\"spec.x\\""'),
        ("Warning", '299 - "second\x07"'),
        ("Warning", "not a warning"),
    )
    server.on("POST", MAPS, Reply(status=201, body={"a": 1}, headers=warnings))

    written = cluster.create("ConfigMap", "shop", {}, dry_run=True)

    assert written.warnings == ('unknown field "spec.x"', "second")


def test_an_apply_is_never_forced(server: CannedServer, cluster: Cluster) -> None:
    server.on("PATCH", WEB, Reply(body={}))

    cluster.apply("Deployment", "shop", "web", {"kind": "Deployment"}, dry_run=False)

    request = server.asked(WEB)[0]
    assert request.query["force"] == "false"
    assert request.query["fieldManager"] == "infragate"
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert request.json == {"kind": "Deployment"}


def test_a_field_of_another_manager_is_a_conflict_that_names_both(
    server: CannedServer, cluster: Cluster
) -> None:
    cause = {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "hpa" using apps/v1',
        "field": ".spec.replicas",
    }
    body = status(409, "Conflict", "Apply failed with 1 conflict", causes=[cause])
    server.on("PATCH", WEB, Reply(status=409, body=body))

    with pytest.raises(ApplyConflict) as caught:
        cluster.apply("Deployment", "shop", "web", {}, dry_run=True)

    assert caught.value.causes == (FieldConflict(manager="hpa", field=".spec.replicas"),)


def test_a_json_patch_goes_as_such(server: CannedServer, cluster: Cluster) -> None:
    operations = [{"op": "test", "path": "/metadata/uid", "value": "u"}]
    server.on("PATCH", WEB, Reply(body={}))

    cluster.patch("Deployment", "shop", "web", operations, dry_run=False)

    request = server.asked(WEB)[0]
    assert request.headers["Content-Type"] == "application/json-patch+json"
    assert request.json == operations


def test_a_failed_test_operation_is_a_conflict(server: CannedServer, cluster: Cluster) -> None:
    words = "the server rejected our request due to an error in our request"
    server.on("PATCH", WEB, Reply(status=422, body=status(422, "Invalid", words)))

    with pytest.raises(Conflict, match="precondition"):
        cluster.patch("Deployment", "shop", "web", [], dry_run=False)


def test_a_delete_carries_its_preconditions(server: CannedServer, cluster: Cluster) -> None:
    server.on("DELETE", WEB, Reply(body={}))

    cluster.delete(
        "Deployment",
        "shop",
        "web",
        uid="u",
        resource_version="9",
        propagation="Background",
        dry_run=True,
    )

    assert server.asked(WEB)[0].json == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "9"},
        "propagationPolicy": "Background",
        "dryRun": ["All"],
    }


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (Reply(drop=True), ClusterUnreachable),
        (Reply(status=503, body=b"gateway hiccup"), ClusterUnreachable),
        (throttled("3"), ClusterThrottled),
    ],
)
def test_a_write_is_never_repeated(
    server: CannedServer, cluster: Cluster, reply: Reply, fault: type[Exception]
) -> None:
    server.on("POST", MAPS, reply, Reply(status=201, body={}))

    with pytest.raises(fault):
        cluster.create("ConfigMap", "shop", {}, dry_run=False)

    assert len(server.asked(MAPS)) == 1


def test_a_write_that_the_server_has_put_off_is_sent_when_it_asked_for_it(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("POST", MAPS, throttled("1"), Reply(status=201, body={}))

    cluster.create("ConfigMap", "shop", {}, dry_run=False)

    assert len(server.asked(MAPS)) == 2


def test_a_dry_run_is_put_off_for_longer_than_a_write(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("POST", MAPS, throttled("3"), Reply(status=201, body={}))

    cluster.create("ConfigMap", "shop", {}, dry_run=True)

    assert len(server.asked(MAPS)) == 2


def test_a_claim_is_a_lease_with_its_holder(server: CannedServer, cluster: Cluster) -> None:
    server.on("POST", LEASES, Reply(status=201, body={"metadata": {"name": "ig-1"}}))

    cluster.create_lease("ig-1", holder="worker-1", annotations={"a": "b"})

    body = server.asked(LEASES)[0].json
    assert body["spec"] == {"holderIdentity": "worker-1"}
    assert body["metadata"] == {
        "name": "ig-1",
        "namespace": "infragate-system",
        "annotations": {"a": "b"},
    }


def test_a_second_claim_already_exists(server: CannedServer, cluster: Cluster) -> None:
    taken = status(409, "AlreadyExists", 'leases.coordination.k8s.io "ig-1" already exists')
    server.on("POST", LEASES, Reply(status=409, body=taken))

    with pytest.raises(AlreadyExists):
        cluster.create_lease("ig-1", holder="worker-2", annotations={})


def test_forgetting_an_absent_claim_is_fine(server: CannedServer, cluster: Cluster) -> None:
    cluster.delete_lease("ig-1")

    assert server.requests[-1].method == "DELETE"
