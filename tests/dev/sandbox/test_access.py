"""Who may do what; scripted faults; the request log."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from dev.sandbox.seeds import CANARY
from tests.dev.sandbox.conftest import (
    CONFIGMAPS,
    DEMO,
    DEPLOYMENTS,
    LEASES,
    MERGE,
    PODS,
    Client,
    Running,
    configmap,
    deployment,
    pods_of,
    rolled_out,
    until,
)

READER = "system:serviceaccount:infragate-system:infragate-reader"


def test_a_refusal_names_verb_resource_and_namespace(reader: Client) -> None:
    reply = reader("POST", DEPLOYMENTS, deployment("x"))

    assert (reply.code, reply.body["reason"]) == (403, "Forbidden")
    assert reply.body["message"] == (
        f'deployments.apps is forbidden: User "{READER}" cannot create resource "deployments" in'
        ' API group "apps" in the namespace "mcp-nginx-demo"'
    )


@pytest.mark.parametrize("identity", ["reader", "applier"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/mcp-nginx-demo/secrets",
        "/api/v1/namespaces/mcp-nginx-demo/secrets/nginx-credentials",
        "/api/v1/namespaces/default/pods",
        "/api/v1/pods",
        "/api/v1/namespaces/default",
        "/api/v1/namespaces",
    ],
)
def test_nobody_but_the_admin_sees_secrets_or_other_namespaces(
    sandbox: Running, identity: str, path: str
) -> None:
    reply = sandbox.client(identity)("GET", path)

    assert reply.code == 403
    assert CANARY not in json.dumps(reply.body)


@pytest.mark.parametrize("identity", ["reader", "applier"])
def test_the_cluster_tells_its_id_to_all(sandbox: Running, identity: str) -> None:
    reply = sandbox.client(identity)("GET", "/api/v1/namespaces/kube-system")

    assert reply.body["metadata"]["uid"]


def test_the_applier_changes_the_three_kinds_and_leases_only(applier: Client) -> None:
    assert applier("POST", f"{CONFIGMAPS}?dryRun=All", configmap("x")).code == 201
    assert applier("GET", LEASES).code == 200
    assert applier("DELETE", f"{PODS}/x").code == 403
    assert applier("PUT", f"{CONFIGMAPS}/nginx-config", configmap("nginx-config")).code == 403
    assert applier("DELETE", CONFIGMAPS).code == 403


def test_a_token_that_is_not_known_is_401(admin: Client) -> None:
    stranger = Client(pool=admin.pool, server=admin.server, token="forged")

    reply = stranger("GET", DEPLOYMENTS)

    assert (reply.code, reply.body["message"]) == (401, "Unauthorized")


def test_without_a_token_only_version_and_health_are_shown(admin: Client) -> None:
    anonymous = Client(pool=admin.pool, server=admin.server, token="")

    assert anonymous("GET", "/version").code == 200
    assert 'User "system:anonymous"' in anonymous("GET", DEPLOYMENTS).body["message"]
    assert anonymous("GET", "/apis").code == 403


@pytest.mark.parametrize(("verb", "allowed"), [("get", True), ("delete", False)])
def test_an_access_review_answers_from_the_table(reader: Client, verb: str, allowed: bool) -> None:
    attributes = {
        "namespace": "mcp-nginx-demo",
        "verb": verb,
        "group": "apps",
        "resource": "deployments",
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }

    reply = reader("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)

    assert reply.body["status"]["allowed"] is allowed


@pytest.fixture
def script(admin: Client) -> Iterator[Any]:
    def add(fault: str, times: int = 1, **more: Any) -> None:
        match = {"verb": "patch", "resource": "configmaps", "name": "nginx-config"}
        row = {"match": match, "times": times, "fault": fault, **more}
        assert admin("POST", "/_sandbox/faults", [row]).code == 201

    yield add
    admin("DELETE", "/_sandbox/faults")


def patch(client: Client, value: str) -> Any:
    body = {"metadata": {"annotations": {"touched": value}}}
    return client("PATCH", f"{CONFIGMAPS}/nginx-config", body, MERGE)


def touched(client: Client) -> str:
    body = client("GET", f"{CONFIGMAPS}/nginx-config").body
    return str(body["metadata"].get("annotations", {}).get("touched"))


def test_a_scripted_429_says_when_to_come_back_and_then_is_spent(
    applier: Client, script: Any
) -> None:
    script("429", times=2, seconds=3)

    replies = [patch(applier, "a") for _ in range(3)]

    assert [reply.code for reply in replies] == [429, 429, 200]
    assert replies[0].headers["retry-after"] == "3"


def test_the_first_that_match_can_pass_unharmed(applier: Client, script: Any) -> None:
    script("410", skip=2)

    replies = [patch(applier, "skipped") for _ in range(4)]

    assert [reply.code for reply in replies] == [200, 200, 410, 200]
    assert replies[2].body["reason"] == "Expired"


def test_a_scripted_500_changes_nothing(applier: Client, script: Any) -> None:
    script("500")

    reply = patch(applier, "never-500")

    assert (reply.code, reply.body["reason"]) == (500, "InternalError")
    assert touched(applier) != "never-500"


def test_latency_delays_the_honest_answer(applier: Client, script: Any) -> None:
    script("latency", ms=300)
    began = time.monotonic()

    reply = patch(applier, "late")

    assert reply.code == 200
    assert time.monotonic() - began >= 0.3


def test_a_timeout_after_commit_has_written(applier: Client, script: Any) -> None:
    script("timeout_after_commit", seconds=0.2)

    reply = patch(applier, "committed")

    assert reply.code == 504
    assert touched(applier) == "committed"


@pytest.mark.parametrize(("fault", "written"), [("reset", False), ("reset_after_commit", True)])
def test_a_reset_cuts_the_connection(
    applier: Client, script: Any, fault: str, written: bool
) -> None:
    script(fault)

    with pytest.raises(urllib3.exceptions.ProtocolError):
        patch(applier, f"value-{fault}")

    assert (touched(applier) == f"value-{fault}") is written


def test_faults_are_for_the_admin_and_must_make_sense(admin: Client, applier: Client) -> None:
    row = {"match": {"verb": "get"}, "fault": "explode"}

    assert applier("POST", "/_sandbox/faults", [row]).code == 403
    assert admin("POST", "/_sandbox/faults", [row]).code == 400
    assert (
        admin("POST", "/_sandbox/faults", [{**row, "fault": "500", "match": {"x": "y"}}]).code
        == 400
    )


def test_the_request_log_shows_who_did_what(admin: Client, applier: Client) -> None:
    admin("DELETE", "/_sandbox/requests")
    applier("POST", f"{CONFIGMAPS}?dryRun=All", configmap("logged"))
    applier("GET", "/api/v1/namespaces/default/pods")

    lines = admin("GET", "/_sandbox/requests").body.splitlines()

    mine = [json.loads(line) for line in lines]
    rows = [(r["verb"], r["namespace"], r["dryRun"], r["status"]) for r in mine]
    assert rows == [("create", "mcp-nginx-demo", True, 201), ("list", "default", False, 403)]
    assert {row["identity"] for row in mine} == {READER.replace("reader", "applier")}


def test_the_request_log_is_for_the_admin(reader: Client) -> None:
    assert reader("GET", "/_sandbox/requests").code == 403


def test_a_container_can_be_told_to_write_a_long_log(admin: Client, applier: Client) -> None:
    until(lambda: rolled_out(admin, "nginx"))
    pod = pods_of(admin, "nginx")[0]["metadata"]["name"]
    namespace = DEMO.rpartition("/")[2]
    wish = {"namespace": namespace, "pod": pod, "container": "nginx", "lines": 3, "length": 5}

    assert applier("POST", "/_sandbox/log", wish).code == 403
    assert admin("POST", "/_sandbox/log", wish).code == 204
    assert admin("GET", f"{PODS}/{pod}/log?tailLines=3").body == "xxxxx\n" * 3
