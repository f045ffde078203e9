"""The only door to Kubernetes. Everything above asks through `Cluster`; nothing else opens one."""

from worker.cluster.client import FIELD_MANAGER, Cluster
from worker.cluster.errors import (
    ApplyConflict,
    FieldCause,
    FieldConflict,
    InvalidObject,
    ListExpired,
    MissingPermission,
    NotSent,
)
from worker.cluster.paths import LEASE_NAMESPACE
from worker.cluster.patience import FOR_A_WRITE_S
from worker.cluster.structs import ClusterIdentity, JSONObject, Listed, LogTail, Written, shaped
from worker.cluster.together import together

__all__ = [
    "FIELD_MANAGER",
    "FOR_A_WRITE_S",
    "LEASE_NAMESPACE",
    "ApplyConflict",
    "Cluster",
    "ClusterIdentity",
    "FieldCause",
    "FieldConflict",
    "InvalidObject",
    "JSONObject",
    "ListExpired",
    "Listed",
    "LogTail",
    "MissingPermission",
    "NotSent",
    "Written",
    "shaped",
    "together",
]
