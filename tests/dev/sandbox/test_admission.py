"""Admission policies in the sandbox: which files it takes, what they cover, how it answers."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.sandbox.admission import Admission, Attempt
from dev.sandbox.policies import BadPolicyError, load
from dev.sandbox.rbac import Asked, Identity
from dev.sandbox.resources import CONFIGMAPS as CONFIGMAP_ROW
from dev.sandbox.resources import DEPLOYMENTS as DEPLOYMENT_ROW
from dev.sandbox.status import ApiError
from tests.dev.sandbox.conftest import (
    APPLY,
    CONFIGMAPS,
    DEPLOYMENTS,
    LEASES,
    MERGE,
    Client,
    Obj,
    Running,
    configmap,
    start,
    stop,
)

SHIPPED = Path(__file__).parents[3] / "deploy" / "kubernetes" / "admission-policy.yaml"
PLANNER = "system:serviceaccount:infragate-system:infragate-planner"
DENIED = (
    "ValidatingAdmissionPolicy 'infragate-planner-dry-run-only' with binding"
    " 'infragate-planner-dry-run-only' denied request: InfraGate's planner may only dry-run;"
    " approved plans are written by the applier."
)


def documents() -> list[Obj]:
    return list(yaml.safe_load_all(SHIPPED.read_text("utf-8")))


def written(folder: Path, *found: Obj) -> Path:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump_all(found))
    return path


def attempt(user: str = PLANNER, **fields: Any) -> Attempt:
    asked = Asked(verb=fields.pop("verb", "patch"), namespace="x", name="n")
    wanted = {"resource": CONFIGMAP_ROW, "subresource": "", "dry_run": False, **fields}
    return Attempt(who=Identity(user=user, rules=()), asked=asked, name="n", **wanted)


def refused(admission: Admission, one: Attempt) -> Obj | None:
    try:
        admission.check(one)
    except ApiError as error:
        return error.status
    return None


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
@pytest.mark.parametrize("subresource", ["", "scale", "status", "exec"])
def test_the_shipped_policy_lets_the_planner_dry_run_and_nothing_else(
    verb: str, subresource: str
) -> None:
    admission = Admission(load([SHIPPED]))
    asked: Obj = {"verb": verb, "subresource": subresource, "resource": DEPLOYMENT_ROW}

    assert refused(admission, attempt(**asked))
    assert not refused(admission, attempt(dry_run=True, **asked))
    assert not refused(admission, attempt(PLANNER.replace("planner", "applier"), **asked))
    assert not refused(admission, attempt("system:anonymous", **asked))


def test_a_request_that_does_not_say_whether_it_is_a_dry_run_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = {"userInfo": {"username": PLANNER}, "operation": "CONNECT"}
    monkeypatch.setattr(Attempt, "request", lambda _: silent)

    assert refused(Admission(load([SHIPPED])), attempt())


def test_what_cannot_be_evaluated_is_refused_as_invalid(tmp_path: Path) -> None:
    policy, binding = documents()
    policy["spec"]["matchConditions"][0]["expression"] = "request.userInfo.nobody == 'x'"

    found = refused(Admission(load([written(tmp_path, policy, binding)])), attempt(dry_run=True))

    assert found is not None
    assert (found["code"], found["reason"]) == (422, "Invalid")
    assert "expression 'request.userInfo.nobody == 'x'' resulted in error" in found["message"]


def test_a_policy_without_words_shows_its_expression(tmp_path: Path) -> None:
    policy, binding = documents()
    policy["spec"]["validations"] = [{"expression": "request.dryRun"}]

    found = refused(Admission(load([written(tmp_path, policy, binding)])), attempt())

    assert found is not None
    assert (found["code"], found["reason"]) == (422, "Invalid")
    assert found["message"].endswith("denied request: failed expression: request.dryRun")


@pytest.mark.parametrize(
    ("resources", "subresource", "covered"),
    [
        ("*", "", True),
        ("*", "scale", False),
        ("*/*", "scale", True),
        ("deployments", "scale", False),
        ("deployments/scale", "scale", True),
        ("deployments/*", "", True),
        ("*/scale", "status", False),
        ("services", "", False),
    ],
)
def test_a_rule_names_resources_as_kubernetes_does(
    tmp_path: Path, resources: str, subresource: str, covered: bool
) -> None:
    policy, binding = documents()
    policy["spec"]["matchConstraints"]["resourceRules"][0]["resources"] = [resources]
    admission = Admission(load([written(tmp_path, policy, binding)]))

    asked = attempt(resource=DEPLOYMENT_ROW, subresource=subresource)

    assert bool(refused(admission, asked)) is covered


def test_a_rule_for_other_operations_groups_or_versions_covers_nothing(tmp_path: Path) -> None:
    for field, value in (("operations", "CREATE"), ("apiGroups", "x"), ("apiVersions", "v2")):
        policy, binding = documents()
        policy["spec"]["matchConstraints"]["resourceRules"][0][field] = [value]

        admission = Admission(load([written(tmp_path, policy, binding)]))

        assert not refused(admission, attempt()), field


SPOILED: dict[str, Callable[[Obj, Obj], object]] = {
    "a field it does not know": lambda policy, _: policy["spec"].update(paramKind={}),
    "a selector": lambda policy, _: policy["spec"]["matchConstraints"].update(namespaceSelector={}),
    "failures that are ignored": lambda policy, _: policy["spec"].update(failurePolicy="Ignore"),
    "a binding that only warns": lambda _, binding: binding["spec"].update(
        validationActions=["Warn"]
    ),
    "an older version": lambda policy, _: policy.update(
        apiVersion="admissionregistration.k8s.io/v1beta1"
    ),
    "another kind": lambda policy, _: policy.update(kind="ConfigMap"),
    "a binding of nothing": lambda _, binding: binding["spec"].update(policyName="other"),
    "an expression that does not parse": lambda policy, _: policy["spec"].update(
        validations=[{"expression": "request.dryRun =="}]
    ),
    "an expression about the object": lambda policy, _: policy["spec"].update(
        validations=[{"expression": "has(object.metadata)"}]
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_policy_that_would_not_be_obeyed_in_full_is_refused(tmp_path: Path, what: str) -> None:
    policy, binding = documents()
    SPOILED[what](policy, binding)

    with pytest.raises(BadPolicyError):
        load([written(tmp_path, policy, binding)])


def test_a_policy_that_nothing_binds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPolicyError, match="nothing binds"):
        load([written(tmp_path, documents()[0])])


def test_a_sandbox_does_not_start_with_a_policy_that_it_cannot_obey(tmp_path: Path) -> None:
    policy, binding = documents()
    policy["spec"]["variables"] = []
    command = [sys.executable, "-m", "dev.sandbox", "--state", str(tmp_path / "state")]

    done = subprocess.run(
        [*command, "--admission", str(written(tmp_path, policy, binding))],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 2
    assert "variables" in done.stderr


@pytest.fixture
def planner(sandbox: Running) -> Client:
    return sandbox.client("planner")


@pytest.fixture
def kept(admin: Client) -> Iterator[str]:
    name: str = admin("POST", CONFIGMAPS, {"metadata": {"generateName": "kept-"}}).body["metadata"][
        "name"
    ]
    yield f"{CONFIGMAPS}/{name}"
    admin("DELETE", f"{CONFIGMAPS}/{name}")


def test_the_answer_to_a_denied_write_is_that_of_kubernetes(planner: Client) -> None:
    reply = planner("POST", CONFIGMAPS, configmap("mine"))

    assert reply.code == 403
    assert reply.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'configmaps "mine" is forbidden: {DENIED}',
        "reason": "Forbidden",
        "details": {"name": "mine", "kind": "configmaps", "causes": [{"message": DENIED}]},
        "code": 403,
    }


def test_rbac_is_asked_before_any_policy(planner: Client) -> None:
    reply = planner("POST", LEASES, {"metadata": {"name": "ig-x"}})

    assert reply.code == 403
    assert "cannot create resource" in reply.body["message"]


def test_a_dry_run_that_is_only_in_the_query_of_a_delete_with_a_body_is_a_delete(
    planner: Client, kept: str
) -> None:
    """The real server looks at the body alone, so the policy must see what will happen."""
    body = {"kind": "DeleteOptions", "apiVersion": "v1"}

    assert planner("DELETE", f"{kept}?dryRun=All", body).code == 403
    assert planner("DELETE", kept, {**body, "dryRun": ["All"]}).code == 200
    assert planner("DELETE", f"{kept}?dryRun=All").code == 200
    assert planner("GET", kept).code == 200


def test_an_apply_of_what_is_not_there_is_a_create(tmp_path: Path) -> None:
    policy, binding = documents()
    policy["spec"]["matchConstraints"]["resourceRules"][0]["operations"] = ["CREATE"]
    del policy["spec"]["matchConditions"]
    running = start(tmp_path / "state", "--admission", str(written(tmp_path, policy, binding)))
    try:
        admin = running.client("admin")
        path, body = f"{CONFIGMAPS}/new?fieldManager=x", json.dumps(configmap("new")).encode()

        assert admin("PATCH", path, body, APPLY).code == 403
        assert admin("PATCH", f"{path}&dryRun=All", body, APPLY).code == 201
        root = f"{CONFIGMAPS}/kube-root-ca.crt"
        assert admin("PATCH", root, {"data": {"a": "b"}}, MERGE).code == 200
    finally:
        stop(running)


def test_a_scale_by_the_subresource_is_covered_too(tmp_path: Path) -> None:
    policy, binding = documents()
    policy["spec"]["matchConditions"][0]["expression"] = (
        'request.userInfo.username == "kubernetes-admin" && request.subResource == "scale"'
    )
    file = written(tmp_path, policy, binding)
    running = start(tmp_path / "state", "--seed", "demo", "--admission", str(file))
    try:
        path, body = f"{DEPLOYMENTS}/nginx/scale", {"spec": {"replicas": 5}}
        admin = running.client("admin")

        assert admin("PATCH", path, body, MERGE).code == 403
        assert admin("PATCH", f"{path}?dryRun=All", body, MERGE).code == 200
        assert admin("GET", f"{DEPLOYMENTS}/nginx").body["spec"]["replicas"] == 2
    finally:
        stop(running)


def test_without_a_policy_there_is_no_planner(old_sandbox: Running) -> None:
    """RBAC alone would let it write, and a server like v1.20 knows no policies."""
    assert not (old_sandbox.state / "planner.kubeconfig").exists()
