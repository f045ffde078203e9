"""`.kube/make-kubeconfig` on a real cluster; the sandbox has no RBAC objects, so not there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".kube" / "make-kubeconfig"
ADMIN = os.environ.get("INFRAGATE_TEST_ADMIN_KUBECONFIG")
KUBECTL = os.environ.get("INFRAGATE_TEST_KUBECTL") or shutil.which("kubectl")

if ADMIN and KUBECTL:  # a test that exists only where it can run is never skipped in silence

    @pytest.mark.cluster
    def test_it_makes_a_kubeconfig_that_may_do_what_a_worker_does_and_no_more(
        tmp_path: Path,
    ) -> None:
        made = tmp_path / "made.config"
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "kubectl").symlink_to(str(KUBECTL))
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        environment = os.environ | {"KUBECONFIG": str(ADMIN), "PATH": path}

        subprocess.run([SCRIPT, "--output", made], env=environment, check=True)

        assert made.stat().st_mode & 0o777 == 0o600
        assert may(made, "patch", "deployments.apps", "-n", "mcp-nginx-demo")
        assert may(made, "create", "leases.coordination.k8s.io", "-n", "infragate-system")
        assert not may(made, "get", "secrets", "-n", "mcp-nginx-demo")
        assert not may(made, "get", "pods", "-n", "default")


def may(kubeconfig: Path, *question: str) -> bool:
    """Asks the cluster."""
    asked = [str(KUBECTL), "--kubeconfig", str(kubeconfig), "auth", "can-i", *question]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
