"""Bad input, each with its clear refusal, no plan, and no call to Kubernetes that it could save."""

from collections import Counter
from typing import Any

import pytest
import yaml

from tests.journeys.live import Agent, Live, code_of, text_of

pytestmark = pytest.mark.stack

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def _deployment(**pod: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "localhost/busybox:1.35", **pod.pop("container", {})}
    spec = {
        "replicas": pod.pop("replicas", 1),
        "selector": {"matchLabels": {"app": "bad"}},
        "template": {
            "metadata": {"labels": {"app": "bad"}},
            "spec": {"containers": [container], **pod},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bad"},
        "spec": spec,
    }


def _object(api_version: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "bad"}, **more}


def _yaml(*documents: dict[str, Any]) -> str:
    return yaml.safe_dump_all(documents)


SECRET_REF = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
HOST_PATH = [{"name": "root", "hostPath": {"path": "/"}}]
ELSEWHERE = {**_object("v1", "ConfigMap", data={"a": "b"})}
ELSEWHERE = {**ELSEWHERE, "metadata": {"name": "bad", "namespace": "kube-system"}}

MANIFESTS: dict[str, tuple[str, str]] = {
    "a Secret": (_yaml(_object("v1", "Secret", stringData={"a": "b"})), "Secret"),
    "an Ingress": (_yaml(_object("networking.k8s.io/v1", "Ingress", spec={})), "Ingress"),
    "a custom resource": (_yaml(_object("example.com/v1", "Widget", spec={})), "Widget"),
    "a CRD": (
        _yaml(_object("apiextensions.k8s.io/v1", "CustomResourceDefinition", spec={})),
        "CustomResourceDefinition",
    ),
    "a Namespace": (_yaml(_object("v1", "Namespace")), "Namespace"),
    "a ClusterRole": (_yaml(_object("rbac.authorization.k8s.io/v1", "ClusterRole")), "ClusterRole"),
    "another namespace": (_yaml(ELSEWHERE), "namespace"),
    "one key twice": ("apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: a}", "kind"),
    "an alias bomb": (BOMB, "anchors"),
    "two megabytes": ("#" * 2 * 1024 * 1024, ""),
    "an unknown field": (_yaml(_object("v1", "ConfigMap", dada={"a": "b"})), "dada"),
    "an unknown field of a Deployment": (_yaml(_deployment(replicaz=2)), "replicaz"),
    "a privileged container": (
        _yaml(_deployment(container={"securityContext": {"privileged": True}})),
        "privileged",
    ),
    "a hostPath": (_yaml(_deployment(volumes=HOST_PATH)), "hostPath"),
    "a reference to a Secret": (_yaml(_deployment(container=SECRET_REF)), "secret"),
    "six replicas": (_yaml(_deployment(replicas=6)), "replicas"),
    "half a replica": (_yaml(_deployment(replicas=1.5)), ""),
    "the latest image": (_yaml(_deployment(container={"image": "nginx:latest"})), "latest"),
    "an image without a tag": (_yaml(_deployment(container={"image": "registry:5000/app"})), "tag"),
    "no object at all": ("---\n---\n", ""),
    "a list": ("- a\n- b\n", ""),
    "no YAML": ("a: [", ""),
    "a tag of Python": ("!!python/object/apply:os.system ['id']", ""),
    "a NUL": ("a: \0", ""),
}


def _plans(live: Live) -> int:
    with live.redis() as client:
        return int(client.zcard("wk:plans"))


def _asked_of_namespaces(live: Live) -> "Counter[str]":
    """How often each namespace was asked about, by the worker."""
    return Counter(
        asked["namespace"]
        for asked in live.kubernetes_requests()
        if "infragate" in asked["identity"]
    )


@pytest.mark.parametrize("tool", ["request_apply_manifest"])
@pytest.mark.parametrize("what", MANIFESTS)
def test_a_bad_manifest_makes_no_plan_and_says_why(what: str, tool: str, live: Live) -> None:
    manifest, word = MANIFESTS[what]
    before = _plans(live)

    if what == "two megabytes":
        with live.http(
            authorization=f"Bearer {live.token()}",
            accept="application/json, text/event-stream",
        ) as client:
            params = {"name": tool, "arguments": {"manifest": manifest}}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            assert client.post("/mcp", json=body).status_code == 413
    else:
        result = live.call(tool, namespace=live.namespace, manifest=manifest)
        assert code_of(result) not in {"internal_fault", "worker_timeout"}, text_of(result)
        assert word.casefold() in text_of(result).casefold(), text_of(result)
        assert "Traceback" not in text_of(result)
    assert _plans(live) == before


@pytest.mark.parametrize("what", ["a Secret", "another namespace", "an alias bomb"])
def test_a_bad_manifest_deletes_nothing_either(what: str, live: Live) -> None:
    before = _plans(live)

    result = live.call(
        "request_delete_manifest", namespace=live.namespace, manifest=MANIFESTS[what][0]
    )

    assert code_of(result) != "internal_fault"
    assert _plans(live) == before


def test_a_manifest_of_300_kilobytes_is_refused_with_the_bound(live: Live) -> None:
    result = live.call(
        "request_apply_manifest", namespace=live.namespace, manifest="#" * 300 * 1024
    )

    assert code_of(result) == "manifest_too_large"
    assert "256 KiB" in text_of(result)


CALLS = [
    ("request_scale_deployment", {"name": "nginx", "replicas": 6}, "invalid_replicas"),
    ("request_scale_deployment", {"name": "nginx", "replicas": -1}, "invalid_replicas"),
    ("request_scale_deployment", {"name": "absent", "replicas": 1}, "not_found"),
    ("request_restart_deployment", {"name": "absent"}, "not_found"),
    ("request_restart_deployment", {"name": "../secrets"}, "invalid_name"),
    (
        "request_set_deployment_image",
        {"name": "nginx", "container": "nginx", "image": "localhost/nginx:latest"},
        "",
    ),
    (
        "request_set_deployment_image",
        {"name": "nginx", "container": "nginx", "image": "localhost/nginx"},
        "",
    ),
    (
        "request_set_deployment_image",
        {"name": "nginx", "container": "sidecar", "image": "localhost/nginx:1.23"},
        "",
    ),
    ("get_k8s_resource", {"kind": "Deployment", "name": "absent"}, "not_found"),
    ("get_k8s_resource", {"kind": "Secret", "name": "nginx-credentials"}, "unsupported_kind"),
    ("get_pod_logs", {"podName": "absent"}, "not_found"),
    ("get_deployment_diagnostics", {"name": "absent"}, "not_found"),
    ("get_service_diagnostics", {"name": "absent"}, "not_found"),
    ("get_k8s_status", {"labelSelector": "app in (a"}, "invalid_label_selector"),
    ("get_k8s_status", {"labelSelector": "a=b,,"}, "invalid_label_selector"),
    ("get_k8s_events", {"fieldSelector": "metadata.name"}, "invalid_field_selector"),
    ("get_k8s_events", {"limit": 1000}, "invalid_limit"),
]


@pytest.mark.parametrize(("tool", "arguments", "code"), CALLS)
def test_a_bad_call_is_refused_and_makes_no_plan(
    tool: str, arguments: dict[str, Any], code: str, live: Live
) -> None:
    before = _plans(live)

    result = live.call(tool, namespace=live.namespace, **arguments)

    assert code_of(result) not in {"internal_fault", "worker_timeout"}, text_of(result)
    assert code in code_of(result)
    assert _plans(live) == before


@pytest.mark.promise("refused-before-kubernetes")
def test_the_namespace_default_is_refused_before_any_call_to_kubernetes(live: Live) -> None:
    before = _asked_of_namespaces(live)
    named: list[tuple[str, dict[str, object]]] = [
        ("get_k8s_status", {}),
        ("get_k8s_events", {}),
        ("get_pod_logs", {"podName": "a"}),
        ("get_k8s_resource", {"kind": "Pod", "name": "a"}),
        ("get_deployment_diagnostics", {"name": "a"}),
        ("get_pod_diagnostics", {"podName": "a"}),
        ("get_service_diagnostics", {"name": "a"}),
        ("request_apply_manifest", {"manifest": MANIFESTS["a Secret"][0]}),
        ("request_delete_manifest", {"manifest": MANIFESTS["a Secret"][0]}),
        ("request_scale_deployment", {"name": "a", "replicas": 1}),
        ("request_restart_deployment", {"name": "a"}),
        ("request_set_deployment_image", {"name": "a", "container": "a", "image": "a:1"}),
    ]

    async def journey(agent: Agent) -> None:
        for tool, arguments in named:
            result = await agent.call(tool, namespace="default", **arguments)
            assert code_of(result) == "namespace_not_allowed"
            assert text_of(result).startswith(
                f"Namespace 'default' is not allowed. Allowed namespaces: {live.namespace}."
            )

    live.run(journey)
    after = _asked_of_namespaces(live)
    assert after["default"] == 0
    assert {name: after[name] for name in after if name} == {
        name: before[name] for name in before if name
    }


def test_a_plan_id_that_is_none_is_refused(live: Live) -> None:
    for plan_id in ("", "x", "../../etc/passwd", "x" * 5000, "wk:plans"):
        result = live.call("apply_approved_plan", planId=plan_id)
        assert code_of(result) == "no_such_plan"


def test_a_document_that_fails_is_named(live: Live) -> None:
    good = _object("v1", "ConfigMap", data={"a": "b"})

    result = live.call(
        "request_apply_manifest",
        namespace=live.namespace,
        manifest=_yaml(good, _deployment(container={"image": "nginx:latest"})),
    )

    told = text_of(result)
    assert code_of(result)
    assert "2" in told, told
    assert "image" in told, told
