"""A namespace with thousands of Pods that no scheduler places: made with raw calls, and removed.

Needs a cluster's administrator. The worker's ServiceAccount gets the right to read there.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from bench.kube import Kube
from shared.errors import Fault

NAME: Final = "infragate-bench"
AT_A_TIME: Final = 16
GONE_S: Final = 120.0
_CORE: Final = "/api/v1/namespaces"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1/namespaces"
_READABLE: Final = (
    {"apiGroups": [""], "resources": ["pods", "services", "configmaps", "endpoints"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"]},
)


class NotMade(Fault):
    """The cluster refused; the text says what."""

    code = "not_made"


@dataclass(frozen=True, slots=True)
class Admin:
    """Calls that must succeed."""

    kube: Kube
    pool: urllib3.HTTPConnectionPool

    def must(self, method: str, path: str, document: dict[str, Any] | None = None) -> None:
        """Makes a call; what is there already is fine.

        Raises:
            NotMade: it was refused.
        """
        status, answer = self.kube.call(self.pool, method, path, document)
        if status >= 300 and status not in (404, 409):
            raise NotMade(f"{method} {path}: {status} {answer.get('message', '')}")

    def is_there(self, path: str) -> bool:
        """Says whether there is such an object."""
        return self.kube.call(self.pool, "GET", path)[0] != 404


@contextmanager
def crowded(admin: Kube, reader: Kube, pods: int) -> Iterator[str]:
    """The name of a namespace with so many Pods, in which `reader` may read; gone afterwards.

    Raises:
        NotMade: the cluster refused something.
    """
    by = Admin(admin, admin.pool(AT_A_TIME))
    try:
        by.must("POST", _CORE, {"metadata": {"name": NAME}})
        _let_read(by, reader)
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            list(
                threads.map(lambda n: by.must("POST", f"{_CORE}/{NAME}/pods", pod(n)), range(pods))
            )
        yield NAME
    finally:
        by.must("DELETE", f"{_CORE}/{NAME}/pods?gracePeriodSeconds=0")
        by.must("DELETE", f"{_CORE}/{NAME}")
        deadline = time.monotonic() + GONE_S
        while by.is_there(f"{_CORE}/{NAME}") and time.monotonic() < deadline:
            time.sleep(0.5)


def pod(number: int) -> dict[str, Any]:
    """Returns a Pod as large as usual ones are, for a scheduler that does not exist."""
    probe = {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 10}  # noqa: S108 - in a container
    return {
        "metadata": {
            "name": f"crowd-{number:05}",
            "labels": {"app": "crowd", "shard": str(number % 10), "team": "bench"},
            "annotations": {"example.com/configuration": "x" * 600},
        },
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": name,
                    "image": f"localhost/{name}:1.22",
                    "env": [{"name": f"SETTING_{n}", "value": f"value {n}"} for n in range(8)],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "readinessProbe": probe,
                    "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}},
                }
                for name in ("nginx", "sidecar")
            ],
        },
    }


def _let_read(by: Admin, reader: Kube) -> None:
    verbs = ["get", "list", "watch"]
    role = {"metadata": {"name": NAME}, "rules": [{**each, "verbs": verbs} for each in _READABLE]}
    binding = {
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": reader.subject}
        ],
    }
    by.must("POST", f"{_RBAC}/{NAME}/roles", role)
    by.must("POST", f"{_RBAC}/{NAME}/rolebindings", binding)
