"""A context whose parts are real where a test needs them and absent where it does not."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from pydantic import SecretStr

from shared.audit import AuditLog
from shared.guardrails.policy import Policies
from shared.keysets import RemoteKeys
from shared.messages import Role
from shared.settings import WorkerSettings
from shared.stores.connection import connect
from shared.stores.plans import PlanStore
from worker.cluster import Cluster, ClusterIdentity
from worker.context import Context
from worker.keys import Keys
from worker.policy import LoadedPolicy

IDENTITY = ClusterIdentity(
    name="local",
    uid="uid-1",
    uid_source="kube-system",
    ca_sha256="",
    version=(1, 36),
    server_strict=True,
    has_endpoint_slices=True,
    git_version="v1.36.2",
)


def context_for(
    redis_url: str,
    folder: Path,
    *,
    roles: tuple[Role, ...] = tuple(Role),
    keys: Keys | None = None,
    cluster: object = None,
) -> Context:
    """Returns a context on a real Redis, with a cluster that only knows who it is."""
    settings = WorkerSettings(redis_url=SecretStr(redis_url), roles=roles, audit_root=folder)
    redis = connect(settings.redis_url, timeout_s=2)
    return Context(
        settings=settings,
        cluster=cast("Cluster", cluster or SimpleNamespace(identity=IDENTITY)),
        redis=redis,
        plans=PlanStore(redis),
        policy=LoadedPolicy(guardrails=Policies(), sha256="0"),
        keys=keys or Keys(),
        audit=AuditLog(folder, lambda: 0.0),
        provider_keys=RemoteKeys(issuer="http://127.0.0.1:1", require_https=False),
        clock=lambda: 1_000.0,
        namespaces=("mcp-nginx-demo",),
        roles=roles,
    )
