"""The claim: one Lease for each plan digest, taken once, read back, collected when it is old."""

import hashlib
from typing import Any, cast

import pytest

from shared.errors import ClusterFault
from shared.plans import KEEP_S
from tests.worker.model_cluster import ModelCluster
from worker import claims

DIGEST = "sha256:" + "0123456789abcdef" * 4
NAME = "ig-0123456789abcdef0123456789abcdef01234567"
EIGHT = 1_800_000_000
"""2027-01-15T08:00:00Z."""


@pytest.fixture
def cluster() -> Any:
    return ModelCluster(clock=lambda: EIGHT)


def take(cluster: Any, digest: str = DIGEST, *, expires_at: int = EIGHT + 60) -> bool:
    return claims.take(
        cluster, digest, plan_id="p1", holder="me", purpose="apply", expires_at=expires_at
    )


def test_a_lease_is_named_by_the_first_forty_digits_of_the_digest() -> None:
    assert claims.name_of(DIGEST) == NAME


def test_the_first_takes_the_claim_and_the_second_does_not(cluster: Any) -> None:
    assert [take(cluster), take(cluster)] == [True, False]


def test_a_claim_says_who_has_it_for_what_and_since_when(cluster: Any) -> None:
    take(cluster)

    assert claims.find(cluster, DIGEST) == claims.Claim(
        holder="me", purpose="apply", created_at=EIGHT
    )


def test_a_claims_age_is_counted_by_the_clock_of_the_cluster() -> None:
    times = iter([EIGHT, EIGHT + 90])
    cluster: Any = ModelCluster(clock=lambda: next(times))
    take(cluster)
    claim = claims.find(cluster, DIGEST)
    assert claim is not None

    assert claims.age_s(claim, cluster) == 90


def test_a_cluster_that_does_not_say_its_time_lets_nobody_count(cluster: Any) -> None:
    cluster.server_date = lambda: ""

    with pytest.raises(ClusterFault, match="what time it is"):
        claims.age_s(claims.Claim(holder="me", purpose="apply", created_at=EIGHT), cluster)


def test_a_lease_carries_what_collecting_and_people_need(cluster: Any) -> None:
    take(cluster)

    assert cluster.leases[NAME]["metadata"]["annotations"] == {
        "infragate.dev/plan-id": "p1",
        "infragate.dev/claim-purpose": "apply",
        "infragate.dev/plan-expires-at": str(EIGHT + 60),
    }


def test_a_login_is_spent_once(cluster: Any) -> None:
    spent = [claims.spend_login(cluster, one, expires_at=EIGHT) for one in ("a", "a", "b")]

    assert spent == [True, False, True]


def test_the_lease_of_a_spent_login_hides_whose_it_was_and_can_be_collected(cluster: Any) -> None:
    session = "https://id.example\0ada\01800000000\0sid"
    claims.spend_login(cluster, session, expires_at=EIGHT + 60)

    hidden = hashlib.sha256(b"infragate/login/v1\0" + session.encode()).hexdigest()[:40]
    (name,) = cluster.leases
    lease = cluster.leases[name]
    assert name == f"ig-login-{hidden}"
    assert lease["spec"]["holderIdentity"] == "approved"
    assert lease["metadata"]["annotations"] == {
        "infragate.dev/claim-purpose": "login",
        "infragate.dev/plan-expires-at": str(EIGHT + 60),
    }
    assert claims.collect(cluster, now=EIGHT + 61 + KEEP_S) == 1


def test_nobody_has_what_nobody_took(cluster: Any) -> None:
    assert claims.find(cluster, DIGEST) is None


def test_a_claim_without_a_readable_time_is_a_fault(cluster: Any) -> None:
    take(cluster)
    cluster.leases[NAME]["metadata"]["creationTimestamp"] = "yesterday"

    with pytest.raises(ClusterFault, match="no readable time"):
        claims.find(cluster, DIGEST)


def test_a_claim_is_collected_a_day_after_its_plan_expired_and_not_before(cluster: Any) -> None:
    take(cluster)

    kept = claims.collect(cluster, now=EIGHT + 60 + KEEP_S)
    there = NAME in cluster.leases
    gone = claims.collect(cluster, now=EIGHT + 60 + KEEP_S + 1)

    assert (kept, there, gone) == (0, True, 1)
    assert cluster.leases == {}


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5"])
def test_a_claim_whose_expiry_cannot_be_read_is_kept(cluster: Any, text: str) -> None:
    take(cluster)
    cluster.leases[NAME]["metadata"]["annotations"][claims.EXPIRES_ANNOTATION] = text

    assert claims.collect(cluster, now=2**40) == 0


def test_leases_of_others_are_never_collected(cluster: Any) -> None:
    cluster.create_lease(
        "kube-scheduler", holder="it", annotations={claims.EXPIRES_ANNOTATION: "1"}
    )

    assert claims.collect(cast("Any", cluster), now=2**40) == 0
    assert list(cluster.leases) == ["kube-scheduler"]
