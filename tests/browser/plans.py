"""Plans as their pages show them: small ones, and one with something in every place."""

import re

from shared.manifests import JSON, Object
from shared.plans import Note, Operation, Plan, RiskNote
from tests.api.stage import changed_object, make_plan
from tests.browser.conftest import clock


def fresh_plan(name: str, **changes: object) -> Plan:
    facts: dict[str, object] = {
        "id": re.sub(r"[^A-Za-z0-9_-]", "-", name)[:64],
        "created_at": clock() - 90,
        "expires_at": clock() + 3500,
    }
    return make_plan(**(facts | changes))


def rich() -> dict[str, object]:
    """A plan with something in every place."""
    config = "\n".join(f"option_{number} = {number * 7}" for number in range(40))
    return {
        "summary": "update Deployment nginx, ConfigMap nginx-conf",
        "operation": Operation.APPLY,
        "objects": (
            changed_object(
                deployment(2, "nginx:1.22.1", labels={"app": "nginx", "version": "1.22"}),
                deployment(
                    4,
                    "nginx:1.23.4",
                    labels={"app": "nginx"},
                    resources={"limits": {"memory": "256Mi"}, "requests": {"cpu": "50m"}},
                ),
            ),
            changed_object(
                config_map(config),
                config_map(config.replace("option_7 = 49", "option_7 = 50")),
            ),
        ),
        "risk": RiskNote(
            level="high",
            reasons=(
                Note(code="image_change", message="Container 'nginx' of Deployment nginx changes "
                     "from 'nginx:1.22.1' to 'nginx:1.23.4'.", severity="warning"),
                Note(code="config_consumers", message="ConfigMap nginx-conf is used by Deployment "
                     "nginx; to them its text can be code.", severity="critical"),
            ),
        ),
        "touched": (
            Note(code="pods_replaced", message="Deployment nginx replaces 2 Pods step by step "
                 "(at most 25% missing, 25% extra)."),
            Note(code="pods_started", message="Deployment nginx starts 2 more Pods."),
            Note(code="endpoints", message="Service nginx leads to the Pods of Deployment nginx; "
                 "2 ready addresses now."),
        ),
        "managers": ("kubectl-client-side-apply", "argocd-controller"),
    }  # fmt: skip


def deployment(replicas: int, image: str, *, labels: Object, **container: JSON) -> Object:
    ports: list[JSON] = [{"containerPort": 80, "protocol": "TCP"}]
    nginx: Object = {"image": image, "name": "nginx", "ports": ports, **container}
    pod: Object = {
        "containers": [nginx],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"labels": labels, "name": "nginx", "namespace": "mcp-nginx-demo"},
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": replicas,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": "nginx"}},
            "template": {"metadata": {"labels": {"app": "nginx"}}, "spec": pod},
        },
    }


def config_map(text: str) -> Object:
    return {
        "apiVersion": "v1",
        "data": {"nginx.conf": text},
        "kind": "ConfigMap",
        "metadata": {"name": "nginx-conf", "namespace": "mcp-nginx-demo"},
    }
