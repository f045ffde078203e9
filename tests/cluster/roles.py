"""Reader, planner and applier as three identities of a cluster, by the files that are shipped."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.errors import AdmissionDenied
from tests.cluster.conftest import NAMESPACE, Kube, eventually
from worker.cluster import Cluster

MAKE_KUBECONFIG = Path(__file__).parents[2] / ".kube" / "make-kubeconfig"
KUBECTL = os.environ.get("INFRAGATE_TEST_KUBECTL") or shutil.which("kubectl")
NO_POLICIES = (
    "this API server has no ValidatingAdmissionPolicy (Kubernetes 1.30 or newer has);"
    " it runs on the sandbox in the same suite"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """One connection for each; `policed` says whether the planner is held to dry-runs."""

    reader: Cluster
    planner: Cluster
    applier: Cluster
    policed: bool


def roles_of(kube: Kube, folder: Path) -> Roles:
    """The sandbox has them; on a real cluster the shipped files make them."""
    if kube.simulated:
        return _connected(kube.admin.parent, "kubeconfig", policed=True)
    admin = os.environ.get("INFRAGATE_TEST_ADMIN_KUBECONFIG")
    if not admin or not KUBECTL:
        pytest.skip("needs an administrator's kubeconfig and kubectl; it runs on the sandbox")
    said = {
        role: made(role, folder / f"{role}.config") for role in ("reader", "planner", "applier")
    }
    roles = _connected(folder, "config", policed="has no" not in said["planner"])
    if roles.policed:
        eventually(lambda: _is_refused(roles.planner))  # servers take a policy up in their own time
    return roles


def made(role: str, output: Path) -> str:
    """Has the script make a role's kubeconfig, and returns what it said."""
    (output.parent / "bin").mkdir(exist_ok=True)
    kubectl = output.parent / "bin" / "kubectl"
    if not kubectl.exists():
        kubectl.symlink_to(str(KUBECTL))
    path = f"{output.parent}/bin:{os.environ['PATH']}"
    admin = os.environ["INFRAGATE_TEST_ADMIN_KUBECONFIG"]
    done = subprocess.run(
        [MAKE_KUBECONFIG, "--role", role, "--namespace", NAMESPACE, "--output", output],
        env=os.environ | {"KUBECONFIG": admin, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def _connected(folder: Path, suffix: str, *, policed: bool) -> Roles:
    reader, planner, applier = (
        Cluster.connect(folder / f"{role}.{suffix}", name="local")
        for role in ("reader", "planner", "applier")
    )
    return Roles(reader=reader, planner=planner, applier=applier, policed=policed)


def _is_refused(planner: Cluster) -> bool:
    """A patch that changes nothing, of what every namespace has."""
    name = "kube-root-ca.crt"
    try:
        planner.patch("ConfigMap", NAMESPACE, name, [], dry_run=False)
    except AdmissionDenied:
        return True
    return False
