"""Claims: the Leases that make a plan's write and a login's approval happen once at most.

etcd decides, whatever Redis forgets: whoever creates the Lease of a plan's digest may write, or has
revoked it for good; whoever creates that of a login may approve one plan with it. Collected after
the plan's expiry plus a day, when no receipt could be believed any more.
"""

import calendar
import hashlib
import time
from dataclasses import dataclass

from shared.errors import AlreadyExists, ClusterFault
from shared.manifests import Object, mapping_at, text_at
from shared.plans import KEEP_S
from worker.cluster import Cluster
from worker.outbound import epoch_of

PREFIX = "ig-"
LOGIN_PREFIX = "ig-login-"
PLAN_ANNOTATION = "infragate.dev/plan-id"
PURPOSE_ANNOTATION = "infragate.dev/claim-purpose"
EXPIRES_ANNOTATION = "infragate.dev/plan-expires-at"
_LOGIN_DOMAIN = b"infragate/login/v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim: who took it, what for ("apply" or "revoke"), and when by the API server (epoch)."""

    holder: str
    purpose: str
    created_at: int


def name_of(digest: str) -> str:
    """Returns the Lease's name: `ig-` and the first 40 hex digits (160 bits) of the digest."""
    return PREFIX + digest.removeprefix("sha256:")[:40]


def take(
    cluster: Cluster, digest: str, *, plan_id: str, holder: str, purpose: str, expires_at: int
) -> bool:
    """Takes the claim; says False when somebody has it already.

    Raises:
        ClusterFault: whether the claim was taken is unknown, or RBAC refused it.
    """
    annotations = {
        PLAN_ANNOTATION: plan_id,
        PURPOSE_ANNOTATION: purpose,
        EXPIRES_ANNOTATION: str(expires_at),
    }
    try:
        cluster.create_lease(name_of(digest), holder=holder, annotations=annotations)
    except AlreadyExists:
        return False
    return True


def spend_login(cluster: Cluster, session: str, *, expires_at: int) -> bool:
    """Spends a login for one approval; says False when it was spent before.

    `expires_at` is that of the plan that it approves; by then the login is too old for another.

    Raises:
        ClusterFault: whether it was spent is unknown, or RBAC refused it; the login is lost.
    """
    name = LOGIN_PREFIX + hashlib.sha256(_LOGIN_DOMAIN + session.encode()).hexdigest()[:40]
    annotations = {PURPOSE_ANNOTATION: "login", EXPIRES_ANNOTATION: str(expires_at)}
    try:
        cluster.create_lease(name, holder="approved", annotations=annotations)
    except AlreadyExists:
        return False
    return True


def find(cluster: Cluster, digest: str) -> Claim | None:
    """Returns the claim of a plan, or None when nobody has taken it.

    Raises:
        ClusterFault: the API server did not answer or refused.
    """
    lease = cluster.get_lease(name_of(digest))
    if lease is None:
        return None
    return Claim(
        holder=text_at(lease, "spec", "holderIdentity"),
        purpose=str(mapping_at(lease, "metadata", "annotations").get(PURPOSE_ANNOTATION)),
        created_at=_epoch(text_at(lease, "metadata", "creationTimestamp")),
    )


def age_s(claim: Claim, cluster: Cluster) -> float:
    """Returns for how many seconds a claim has existed, by the API server's clock alone.

    A worker's own may be minutes off, and an apply under way would seem to be over.

    Raises:
        ClusterFault: the API server did not answer, or not with its time (`Date`).
    """
    now = epoch_of(cluster.server_date())
    if now is None:
        raise ClusterFault("The API server does not say what time it is.")
    return now - claim.created_at


def collect(cluster: Cluster, *, now: int) -> int:
    """Deletes the claims of plans that expired more than a day ago; returns how many.

    Raises:
        ClusterFault: the API server did not answer or refused.
    """
    old = [lease for lease in cluster.list_leases() if _is_old(lease, now=now)]
    for lease in old:
        cluster.delete_lease(text_at(lease, "metadata", "name"))
    return len(old)


def _is_old(lease: Object, *, now: int) -> bool:
    if not text_at(lease, "metadata", "name").startswith(PREFIX):
        return False
    expires_at = str(mapping_at(lease, "metadata", "annotations").get(EXPIRES_ANNOTATION, ""))
    return expires_at.isdigit() and int(expires_at) + KEEP_S < now


def _epoch(timestamp: str) -> int:
    try:
        return calendar.timegm(time.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError as error:
        raise ClusterFault("A claim in the cluster has no readable time.") from error
