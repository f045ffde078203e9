"""What cannot become a plan, on a cluster: each with its own code, and no plan is made."""

import pytest

from shared.errors import Refusal
from shared.plans import Operation
from tests.cluster.conftest import NAMESPACE, ClusterWorld

pytestmark = pytest.mark.cluster

POD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: ig-bad}
spec:
  replicas: 1
  selector: {matchLabels: {app: ig-bad}}
  template:
    metadata: {labels: {app: ig-bad}}
    spec:
      EXTRA
      containers:
      - name: web
        image: localhost/nginx:1.22
        CONTAINER
"""


def pod(extra: str = "dnsPolicy: ClusterFirst", container: str = "tty: false") -> str:
    return POD.replace("EXTRA", extra).replace("CONTAINER", container)


def config_map(body: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ig-bad}}\n{body}\n"


BAD = {
    "a Secret": ("apiVersion: v1\nkind: Secret\nmetadata: {name: x}", "unsupported_kind"),
    "an Ingress": (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: x}",
        "unsupported_kind",
    ),
    "a custom resource": (
        "apiVersion: x.io/v1\nkind: Thing\nmetadata: {name: x}",
        "unsupported_kind",
    ),
    "a cluster-scoped object": (
        "apiVersion: v1\nkind: Node\nmetadata: {name: x}",
        "unsupported_kind",
    ),
    "another namespace": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}",
        "namespace_conflict",
    ),
    "a duplicate key": (config_map("data: {a: x, a: y}"), "invalid_manifest"),
    "an alias bomb": (
        config_map("data: &a {x: y}\nother: [*a, *a, *a, *a]"),
        "invalid_manifest",
    ),
    "two megabytes": (config_map("data: {a: " + "x" * 2_000_000 + "}"), "manifest_too_large"),
    "an unknown field": (pod(container="colour: red"), "guardrail"),
    "a privileged container": (pod(container="securityContext: {privileged: true}"), "guardrail"),
    "a hostPath volume": (pod("volumes: [{name: h, hostPath: {path: /}}]"), "guardrail"),
    "a Secret by reference": (
        pod(container="env: [{name: P, valueFrom: {secretKeyRef: {name: db, key: password}}}]"),
        "guardrail",
    ),
    "six replicas": (pod().replace("replicas: 1", "replicas: 6"), "guardrail"),
    "the latest image": (pod().replace("nginx:1.22", "nginx:latest"), "guardrail"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_manifest_is_refused_with_its_code_and_makes_no_plan(
    here: ClusterWorld, name: str
) -> None:
    manifest, code = BAD[name]

    answer = here.request(Operation.APPLY, manifest=manifest)

    assert isinstance(answer, Refusal)
    assert answer.code == code, answer.message
    assert here.world.redis.zcard("wk:plans") == 0


@pytest.mark.parametrize(
    ("operation", "arguments", "code", "message"),
    [
        (
            Operation.SCALE,
            {"name": "nginx", "replicas": 6},
            "invalid_replicas",
            "Replicas must be between 0 and 5.",
        ),
        (Operation.SCALE, {"name": "nope", "replicas": 1}, "not_found", "does not exist"),
        (
            Operation.SET_IMAGE,
            {"name": "nginx", "container": "sidecar", "image": "localhost/nginx:1.23"},
            "unknown_container",
            "Containers: nginx.",
        ),
        (
            Operation.SET_IMAGE,
            {"name": "nginx", "container": "nginx", "image": "localhost/nginx:latest"},
            "guardrail",
            "IG-IMAGE",
        ),
        (
            Operation.SET_IMAGE,
            {"name": "nginx", "container": "nginx", "image": "registry:5000/app"},
            "guardrail",
            "IG-IMAGE-TAG",
        ),
        (Operation.RESTART, {"name": "Not A Name"}, "invalid_name", "not valid"),
        (Operation.RESTART, {"name": ""}, "name_required", "Resource name is required."),
        (Operation.DELETE, {"manifest": config_map("data: {}")}, "not_found", "does not exist"),
    ],
)
def test_a_bad_request_is_refused_with_its_code_and_makes_no_plan(
    here: ClusterWorld,
    operation: Operation,
    arguments: dict[str, object],
    code: str,
    message: str,
) -> None:
    answer = here.request(operation, **arguments)

    assert isinstance(answer, Refusal)
    assert answer.code == code
    assert message in answer.message
    assert here.world.redis.zcard("wk:plans") == 0


def test_what_the_servers_own_validation_refuses_is_refused_in_its_words(
    here: ClusterWorld,
) -> None:
    manifest = pod().replace("matchLabels: {app: ig-bad}", "matchLabels: {app: other}")

    answer = here.request(Operation.APPLY, manifest=manifest)

    assert isinstance(answer, Refusal)
    assert answer.code == "invalid_object"
    assert "Document 1" in answer.message


@pytest.mark.promise("rbac-is-the-last-word")
def test_an_identity_that_may_only_read_is_refused_by_the_clusters_rbac(
    here: ClusterWorld,
) -> None:
    from dataclasses import replace  # noqa: PLC0415 - only here

    from worker.cluster import Cluster  # noqa: PLC0415

    reader = Cluster.connect(here.kube.reader, name="local")
    here.world.context = replace(here.world.context, cluster=reader)

    answer = here.request(Operation.APPLY, manifest=config_map("data: {a: b}"))

    assert isinstance(answer, Refusal)
    assert answer.code == "forbidden_by_rbac"
    assert "create" in answer.message
    assert here.admin.get("ConfigMap", NAMESPACE, "ig-bad") is None
