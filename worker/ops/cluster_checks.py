"""Whether this kubeconfig can do what its roles need in the cluster, and nothing beyond it.

Asked by SelfSubjectAccessReview, and by one dry-run where only that tells; nothing is written.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from shared.errors import BadConfiguration, ClusterFault, NotFound
from shared.messages import Role
from shared.settings import WorkerSettings
from worker.cluster import LEASE_NAMESPACE, Cluster, together
from worker.ops import rights
from worker.ops.diagnosis import (
    Diagnosis,
    clocks,
    failed,
    fine,
    judged,
    not_checked,
    warning,
)
from worker.ops.rights import Right
from worker.outbound import epoch_of

ABOUT: Final = "cluster"
OLDEST: Final = (1, 25)
TABLE: Final = "docs/operations.md, Rights"


def check(settings: WorkerSettings, clock: Callable[[], float]) -> Iterator[Diagnosis]:
    """Yields what is found; `clock` gives epoch seconds."""
    try:
        cluster = Cluster.connect(
            settings.kubeconfig,
            name=settings.cluster,
            timeout_s=settings.kubernetes_timeout_s,
            role="doctor",
        )
        yield from _hazards(cluster, production=settings.production)
        yield from _identity(cluster, production=settings.production)
        yield clocks(ABOUT, epoch_of(cluster.server_date()), clock())
        for namespace in settings.namespaces:
            yield from _namespace(cluster, namespace, settings.roles)
        yield from _claims(cluster, settings.roles)
        yield _whole_cluster(cluster)
    except BadConfiguration as problem:
        yield failed(ABOUT, str(problem), "set KUBECONFIG; .kube/README.md says how to make one")
    except ClusterFault as fault:
        yield failed(ABOUT, fault.message, "check the kubeconfig's server, CA and token")


def _hazards(cluster: Cluster, *, production: bool) -> Iterator[Diagnosis]:
    if not cluster.hazards:
        yield fine(ABOUT, "the kubeconfig has no hazards")
        return
    say = failed if production else warning
    mend = "use a token or a client certificate, over TLS that is checked"
    yield say(ABOUT, f"the kubeconfig has {', '.join(cluster.hazards)}", mend)


def _identity(cluster: Cluster, *, production: bool) -> Iterator[Diagnosis]:
    who = cluster.identity
    if who.version < OLDEST:
        yield warning(
            ABOUT,
            f"{who.git_version} does not check fields strictly",
            "upgrade to 1.25 or newer; until then InfraGate's own field table refuses typos",
        )
    else:
        yield fine(ABOUT, f"{who.git_version} answers")
    if who.simulated:
        say = failed if production else not_checked
        yield say(ABOUT, "it is the simulated cluster", "name a real one" if production else "")
    if who.uid_source == "kube-system":
        yield fine(ABOUT, "known by the uid of kube-system")
        return
    yield warning(
        ABOUT,
        "the namespace kube-system cannot be read; known by server address and CA instead",
        "grant get on namespaces with resourceNames [kube-system], or keep the address for all",
    )


def _namespace(cluster: Cluster, namespace: str, roles: tuple[Role, ...]) -> Iterator[Diagnosis]:
    wanted, banned = rights.needed(roles), rights.forbidden(roles)
    held = _held(cluster, namespace, wanted | banned | rights.FORESEEING)
    names = "+".join(roles)
    yield judged(
        wanted <= held,
        ABOUT,
        f"{namespace}: {names} has all {len(wanted)} rights that it needs",
        f"{namespace}: {names} lacks {_listed(wanted - held)}",
        f"grant them ({TABLE})",
    )
    if Role.PLAN in roles and not held >= rights.FORESEEING:
        said = f"{namespace}: plan cannot {_listed(rights.FORESEEING)} (optional)"
        yield not_checked(ABOUT, f"{said}; no plan foresees an autoscaler")
    yield _excess(namespace, banned & held)


def _claims(cluster: Cluster, roles: tuple[Role, ...]) -> Iterator[Diagnosis]:
    """An applier needs Leases; anybody else who has them could hold up an apply."""
    held = _held(cluster, LEASE_NAMESPACE, rights.CLAIMING)
    if Role.APPLY not in roles:
        yield _excess(LEASE_NAMESPACE, held - {Right("get", "leases", "coordination.k8s.io")})
        return
    yield judged(
        held >= rights.CLAIMING,
        ABOUT,
        f"{LEASE_NAMESPACE}: the applier can claim plans (Leases)",
        f"{LEASE_NAMESPACE}: the applier lacks {_listed(rights.CLAIMING - held)}",
        f"grant them ({TABLE})",
    )
    if held >= rights.CLAIMING:
        yield _lease_namespace(cluster)


def _lease_namespace(cluster: Cluster) -> Diagnosis:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ig-doctor", "namespace": LEASE_NAMESPACE},
        "spec": {"holderIdentity": "doctor"},
    }
    try:
        cluster.create("Lease", LEASE_NAMESPACE, lease, dry_run=True)
    except NotFound:
        mend = f"kubectl create namespace {LEASE_NAMESPACE}"
        return failed(ABOUT, f"there is no namespace {LEASE_NAMESPACE}", mend)
    except ClusterFault as fault:
        return failed(ABOUT, f"a claim would be refused: {fault.message}", "see the message")
    return fine(ABOUT, f"{LEASE_NAMESPACE} takes claims (tried as a dry-run)")


def _whole_cluster(cluster: Cluster) -> Diagnosis:
    return _excess("cluster-wide", _held(cluster, "", rights.FORBIDDEN_IN_CLUSTER))


def _excess(where: str, held: frozenset[Right]) -> Diagnosis:
    if not held:
        return fine(ABOUT, f"{where}: no right that it should not have")
    return warning(
        ABOUT,
        f"{where}: more rights than InfraGate ever needs: {_listed(held)}",
        f"take them away: bind only what is in {TABLE}",
    )


def _held(cluster: Cluster, namespace: str, asked: Iterable[Right]) -> frozenset[Right]:
    questions = sorted(asked)
    answers = together(
        *(partial(cluster.can, one.verb, one.resource, namespace, one.group) for one in questions)
    )
    return frozenset(one for one, yes in zip(questions, answers, strict=True) if yes)


def _listed(some: Iterable[Right]) -> str:
    return ", ".join(str(one) for one in sorted(some))
