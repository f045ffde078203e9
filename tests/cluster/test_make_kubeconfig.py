"""`.kube/make-kubeconfig` on a real cluster; the sandbox has no RBAC objects, so not there."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.roles import KUBECTL, MAKE_KUBECONFIG, made

ADMIN = os.environ.get("INFRAGATE_TEST_ADMIN_KUBECONFIG")

if ADMIN and KUBECTL:  # a test that exists only where it can run is never skipped in silence

    @pytest.mark.cluster
    def test_it_makes_a_kubeconfig_that_may_do_what_a_worker_does_and_no_more(
        tmp_path: Path,
    ) -> None:
        output = tmp_path / "made.config"
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "kubectl").symlink_to(str(KUBECTL))
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        environment = os.environ | {"KUBECONFIG": str(ADMIN), "PATH": path}

        subprocess.run([MAKE_KUBECONFIG, "--output", output], env=environment, check=True)

        assert output.stat().st_mode & 0o777 == 0o600
        assert may(output, "patch", "deployments.apps", "-n", "mcp-nginx-demo")
        assert may(output, "create", "leases.coordination.k8s.io", "-n", "infragate-system")
        assert not may(output, "get", "secrets", "-n", "mcp-nginx-demo")
        assert not may(output, "get", "pods", "-n", "default")

    @pytest.mark.cluster
    @pytest.mark.parametrize("role", ["reader", "planner", "applier"])
    def test_each_role_gets_an_identity_of_its_own_with_its_own_rights(
        tmp_path: Path, role: str
    ) -> None:
        output = tmp_path / f"{role}.config"

        said = made(role, output)

        assert f"ServiceAccount infragate-system/infragate-{role}" in said
        assert output.stat().st_mode & 0o777 == 0o600
        served = ("-n", "mcp-nginx-demo")
        claims = ("create", "leases.coordination.k8s.io", "-n", "infragate-system")
        assert may(output, "list", "pods", *served)
        assert may(output, "patch", "deployments.apps", *served) is (role != "reader")
        assert may(output, *claims) is (role == "applier")
        for forbidden in ("get secrets", "update configmaps", "create pods/exec", "watch pods"):
            assert not may(output, *forbidden.split(), *served), forbidden
        assert ("policy" in said) is not ("has no validating" in said)


def may(kubeconfig: Path, *question: str) -> bool:
    """Asks the cluster."""
    asked = [str(KUBECTL), "--kubeconfig", str(kubeconfig), "auth", "can-i", *question]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
