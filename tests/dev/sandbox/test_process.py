"""The process: start and stop, its files, what survives a restart, the real client, v1.20."""

import stat
from pathlib import Path

import pytest

from tests.dev.sandbox.conftest import (
    CONFIGMAPS,
    DEPLOYMENTS,
    LEASES,
    MERGE,
    Running,
    configmap,
    deployment,
    rolled_out,
    start,
    stop,
    until,
)

kubernetes = pytest.importorskip("kubernetes")


def test_it_stops_when_it_is_asked_to_whoever_is_still_connected(tmp_path: Path) -> None:
    running = start(tmp_path, "--seed", "demo")
    idle = running.client("reader")
    idle("GET", "/version")  # keeps its connection open

    stop(running)

    assert running.process.returncode == 0


def test_its_secrets_are_readable_by_the_owner_only(sandbox: Running) -> None:
    kept = [*sandbox.state.glob("*.kubeconfig"), sandbox.state / "server.key"]

    assert {path.name for path in kept} >= {"admin.kubeconfig", "reader.kubeconfig"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_objects_claims_and_credentials_survive_a_restart(tmp_path: Path) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ig-kept"},
    }
    first = start(tmp_path, "--pace", "0.1", "--seed", "demo")
    client = first.client("admin")
    client("POST", LEASES, lease)
    before = client("GET", f"{DEPLOYMENTS}/nginx").body["metadata"]
    cluster = client("GET", "/api/v1/namespaces/kube-system").body["metadata"]["uid"]
    stop(first)

    again = start(tmp_path, "--pace", "0.1", "--seed", "demo")
    try:
        renewed = again.client("admin")
        after = until(lambda: rolled_out(renewed, "nginx"))["metadata"]
        assert renewed.token == client.token
        assert renewed("POST", LEASES, lease).code == 409
        assert after["uid"] == before["uid"]
        assert int(after["resourceVersion"]) > int(before["resourceVersion"])
        found = renewed("GET", "/api/v1/namespaces/kube-system").body["metadata"]["uid"]
        assert found == cluster
    finally:
        stop(again)


def test_the_real_python_client_works_with_the_kubeconfig(sandbox: Running) -> None:
    config = kubernetes.config.new_client_from_config(str(sandbox.state / "reader.kubeconfig"))
    with config as api:
        apps = kubernetes.client.AppsV1Api(api)
        live = apps.read_namespaced_deployment("nginx", "mcp-nginx-demo")
        names = [d.metadata.name for d in apps.list_namespaced_deployment("mcp-nginx-demo").items]

        with pytest.raises(kubernetes.client.ApiException) as refused:
            apps.delete_namespaced_deployment("nginx", "mcp-nginx-demo")

    assert live.spec.template.spec.containers[0].image == "localhost/nginx:1.22"
    assert "broken-crash" in names
    assert refused.value.status == 403


def test_an_old_server_ignores_field_validation(old_sandbox: Running) -> None:
    client = old_sandbox.client("admin")
    body = deployment("odd")
    body["spec"]["foo"] = 1

    reply = client("POST", f"{DEPLOYMENTS}?fieldValidation=Strict&dryRun=All", body)

    assert reply.code == 201
    assert "foo" not in reply.body["spec"]
    assert "warning" not in reply.headers


def test_an_old_server_has_no_endpoint_slices_v1(old_sandbox: Running) -> None:
    client = old_sandbox.client("admin")

    assert client("GET", "/version").body["minor"] == "20"
    assert client("GET", "/apis/discovery.k8s.io/v1").code == 404
    assert client("GET", "/apis/discovery.k8s.io/v1beta1").code == 200


def test_an_old_server_leaves_no_trace_of_a_scale(old_sandbox: Running) -> None:
    client = old_sandbox.client("admin")
    client("POST", DEPLOYMENTS, deployment("scaled"))
    until(lambda: rolled_out(client, "scaled"))

    path = f"{DEPLOYMENTS}/scaled/scale?fieldManager=infragate"
    client("PATCH", path, {"spec": {"replicas": 2}}, MERGE)

    live = client("GET", f"{DEPLOYMENTS}/scaled").body
    managers = {entry["manager"] for entry in live["metadata"]["managedFields"]}
    assert live["spec"]["replicas"] == 2
    assert "infragate" not in managers


def test_an_empty_cluster_has_namespaces_and_no_workload(old_sandbox: Running) -> None:
    client = old_sandbox.client("admin")

    names = {ns["metadata"]["name"] for ns in client("GET", "/api/v1/namespaces").body["items"]}

    assert {"default", "kube-system", "mcp-nginx-demo", "infragate-system"} <= names
    assert (
        client("POST", CONFIGMAPS.replace("mcp-nginx-demo", "absent"), configmap("x")).code == 404
    )
