"""What `doctor` says of a cluster: the sandbox as a process, with rights that a test chooses."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dev.sandbox import rbac
from shared.messages import Role
from shared.settings import WorkerSettings
from tests.worker.ops.doctoring import marks, the_one
from worker.ops import cluster_checks, rights
from worker.ops.diagnosis import Diagnosis, Mark

NAMESPACE = "mcp-nginx-demo"


def rows(*rules: rbac.Rule) -> list[object]:
    document: object = json.loads(rbac.dump({"x": rbac.Identity(user="x", rules=rules)}))
    assert isinstance(document, dict)
    found = document["x"]
    assert isinstance(found, list)
    return found


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of kubeconfigs; `greedy` may read Secrets too, `blind` may not see the cluster."""
    state = tmp_path_factory.mktemp("sandbox")
    greedy = rbac.Rule(
        groups=("",),
        resources=("secrets", "pods/exec"),
        verbs=("get", "list", "create"),
        namespace=NAMESPACE,
    )
    applier = rbac.applier_rules(NAMESPACE)
    (state / "rules.json").write_text(
        json.dumps(
            {
                "greedy": rows(*applier, greedy),
                "blind": rows(*(rule for rule in applier if rule is not rbac.CLUSTER_ID)),
            }
        )
    )
    command = [sys.executable, "-m", "dev.sandbox", "--port", "0", "--state", str(state)]
    with subprocess.Popen(
        [*command, "--rbac", str(state / "rules.json")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        yield state
        process.terminate()


def checked(kubeconfig: Path, *roles: Role, namespace: str = NAMESPACE) -> list[Diagnosis]:
    settings = WorkerSettings(
        kubeconfig=kubeconfig, roles=roles or tuple(Role), namespaces=(namespace,)
    )
    return list(cluster_checks.check(settings, time.time))


def test_an_appliers_kubeconfig_has_what_all_roles_need_and_no_more(sandbox: Path) -> None:
    found = checked(sandbox / "applier.kubeconfig")

    assert marks(found) == {Mark.FINE, Mark.NOT_CHECKED}, "\n".join(map(str, found))
    the_one(found, Mark.FINE, f"{NAMESPACE}: read+plan+apply has all")
    the_one(found, Mark.FINE, "takes claims")
    the_one(found, Mark.FINE, "uid of kube-system")
    the_one(found, Mark.FINE, "clock")
    the_one(found, Mark.NOT_CHECKED, "simulated")


def test_a_readers_kubeconfig_is_enough_for_a_reader(sandbox: Path) -> None:
    found = checked(sandbox / "reader.kubeconfig", Role.READ)

    assert Mark.FAILED not in marks(found)
    assert Mark.WARNING not in marks(found)


def test_what_a_planner_lacks_is_named_right_by_right(sandbox: Path) -> None:
    line = the_one(checked(sandbox / "reader.kubeconfig", Role.PLAN), Mark.FAILED, "plan lacks")

    assert "patch deployments.apps" in line.said
    assert "create configmaps" in line.said
    assert "Rights" in line.mend


def test_a_planner_that_cannot_list_autoscalers_is_told_what_plans_then_lack(
    sandbox: Path,
) -> None:
    kubeconfig = sandbox / "reader.kubeconfig"

    line = the_one(checked(kubeconfig, Role.PLAN), Mark.NOT_CHECKED, "autoscaler")

    assert "list horizontalpodautoscalers.autoscaling (optional)" in line.said
    assert "autoscaler" not in "".join(map(str, checked(kubeconfig, Role.READ)))


def test_an_applier_without_leases_cannot_claim(sandbox: Path) -> None:
    found = checked(sandbox / "reader.kubeconfig", Role.APPLY)

    assert (
        "create leases.coordination.k8s.io"
        in the_one(found, Mark.FAILED, "infragate-system: the applier lacks").said
    )


def test_a_reader_that_can_write_is_warned_of(sandbox: Path) -> None:
    found = checked(sandbox / "applier.kubeconfig", Role.READ)

    assert "delete deployments.apps" in the_one(found, Mark.WARNING, f"{NAMESPACE}: more").said
    the_one(found, Mark.WARNING, "infragate-system: more rights")


def test_secrets_and_exec_are_warned_of(sandbox: Path) -> None:
    line = the_one(checked(sandbox / "greedy.kubeconfig"), Mark.WARNING, "more rights")

    for right in ("get secrets", "list secrets", "create pods/exec"):
        assert right in line.said


def test_an_administrator_is_warned_of_everywhere(sandbox: Path) -> None:
    found = checked(sandbox / "admin.kubeconfig")

    the_one(found, Mark.WARNING, f"{NAMESPACE}: more rights")
    assert "create namespaces" in the_one(found, Mark.WARNING, "cluster-wide").said


def test_a_namespace_without_rights_fails(sandbox: Path) -> None:
    found = checked(sandbox / "applier.kubeconfig", namespace="somewhere-else")

    the_one(found, Mark.FAILED, "somewhere-else: read+plan+apply lacks")


def test_a_cluster_that_hides_its_uid_is_warned_of(sandbox: Path) -> None:
    line = the_one(checked(sandbox / "blind.kubeconfig"), Mark.WARNING, "kube-system")

    assert "resourceNames" in line.mend


def changed(sandbox: Path, folder: Path, **fields: object) -> Path:
    """The applier's kubeconfig with other fields of its cluster or user."""
    document = yaml.safe_load((sandbox / "applier.kubeconfig").read_text())
    for name, value in fields.items():
        section = "user" if name in ("token", "username") else "cluster"
        document[f"{section}s"][0][section][name.replace("_", "-")] = value
    path = folder / "kubeconfig"
    path.write_text(json.dumps(document))
    return path


def test_hazards_of_the_kubeconfig_are_named(sandbox: Path, tmp_path: Path) -> None:
    kubeconfig = changed(sandbox, tmp_path, username="somebody")

    line = the_one(checked(kubeconfig), Mark.WARNING, "basic-auth")

    assert "TLS" in line.mend


def test_a_token_that_is_not_accepted_is_named_and_not_shown(sandbox: Path, tmp_path: Path) -> None:
    token = "a-token-that-nobody-knows"

    found = checked(changed(sandbox, tmp_path, token=token))

    the_one(found, Mark.FAILED, "credentials")
    assert token not in "".join(map(str, found))


def test_a_cluster_that_is_away_is_named(sandbox: Path, tmp_path: Path) -> None:
    found = checked(changed(sandbox, tmp_path, server="https://127.0.0.1:9"))

    the_one(found, Mark.FAILED, "cannot be reached")


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = checked(tmp_path / "none")

    assert "KUBECONFIG" in the_one(found, Mark.FAILED, "cannot be read").mend


def test_no_role_needs_what_none_must_have() -> None:
    for role in Role:
        assert not rights.needed((role,)) & rights.forbidden((role,))
