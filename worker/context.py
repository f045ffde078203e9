"""What the verbs are given: everything of a worker's that is made once. Makes none of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shared.audit import AuditLog
from shared.errors import Refusal
from shared.keysets import RemoteKeys
from shared.manifests import JSON
from shared.messages import Role
from shared.settings import WorkerSettings
from shared.stores.connection import Redis
from shared.stores.plans import PlanStore
from shared.tracing import Tracer
from worker.anchoring import Anchoring
from worker.cluster import Cluster
from worker.keys import Keys
from worker.metrics import Metrics
from worker.notices import SILENT, Notices
from worker.policy import LoadedPolicy

Report: TypeAlias = Callable[[int, int, str], None]
"""Tells the caller how far a long call is: done, total, one short line. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One worker process. Thread-safe in all its parts.

    `clock` gives epoch seconds; `namespaces` are the only ones that may be read or written; `roles`
    are the only ones whose verbs may run here. `anchoring` anchors `audit` where there is a key.
    """

    settings: WorkerSettings
    cluster: Cluster
    redis: Redis
    plans: PlanStore
    policy: LoadedPolicy
    keys: Keys
    audit: AuditLog
    provider_keys: RemoteKeys
    clock: Callable[[], float]
    namespaces: tuple[str, ...]
    roles: tuple[Role, ...]
    anchoring: Anchoring | None = None
    notices: Notices = SILENT
    metrics: Metrics = field(default_factory=Metrics)
    tracer: Tracer | None = None


Verb: TypeAlias = Callable[[Any, Context, Report], JSON | Refusal]
"""One verb: its call (a message of `shared.messages`), the context, and the way to report."""

Verbs: TypeAlias = Mapping[str, Verb]
"""A worker's verbs by the name that is in a call's `verb`; what is not in it is refused."""
