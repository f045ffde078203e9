"""The three diagnostics: one object, what belongs to it, what happened to it, what is wrong.

What belongs together is found by owner references and uids, never by names that look alike. What
is wrong is said by `worker.findings`, from the raw objects; here nothing is judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from shared.errors import Refusal
from shared.questions import DeploymentQuestion, PodQuestion, ServiceQuestion
from shared.results import DiagnosticsResult, EndpointRow, FindingRow, PodRow, ReplicaSetRow
from worker import findings
from worker.cluster import Cluster, JSONObject, Listed, shaped, together
from worker.reading import shapes
from worker.reading.missing import not_found
from worker.reading.presenting import presented
from worker.reading.rows import (
    endpoints_rows,
    event_row,
    pod_row,
    replica_set_row,
    slice_rows,
)
from worker.reading.status import in_trouble_first
from worker.reading.summaries import SUMMARIES
from worker.reading.texts import diagnostics_text

MOST_SHOWN: Final = 50
"""Of each kind that belongs to the object."""

MOST_SEARCHED: Final = 500
"""Objects among which those of one owner are looked for: one page."""

_NARROW: Final = "get_pod_diagnostics of one Pod, or a smaller limit"


def deployment_diagnostics(
    cluster: Cluster, question: DeploymentQuestion
) -> DiagnosticsResult | Refusal:
    """A Deployment, its ReplicaSets, its Pods, their events and the findings."""
    namespace = question.namespace
    deployment = cluster.get("Deployment", namespace, question.name)
    if deployment is None:
        return not_found("Deployment", question.name, namespace)
    selector = selector_text(deployment.get("spec", {}).get("selector") or {})
    replica_sets, pods = together(
        lambda: _searched(cluster, "ReplicaSet", namespace, selector),
        lambda: _searched(cluster, "Pod", namespace, selector),
    )
    own_sets = sorted(owned_by(replica_sets, {_uid(deployment)}), key=_newest_revision_first)
    own_pods = _in_trouble_first(owned_by(pods, {_uid(it) for it in own_sets}))
    shown_sets, shown_pods = own_sets[:MOST_SHOWN], own_pods[:MOST_SHOWN]
    live_sets = [it for it in shown_sets if it.get("spec", {}).get("replicas")] or shown_sets[:1]
    events = _about(cluster, namespace, [deployment, *live_sets, *shown_pods], question.limit)
    return _diagnosed(
        namespace,
        deployment,
        findings.of_deployment(deployment, shown_sets, shown_pods, events.items),
        events,
        _Belongings(
            replica_sets=[replica_set_row(shaped(it, shapes.Workload)) for it in shown_sets],
            pods=[pod_row(shaped(it, shapes.Pod)) for it in shown_pods],
            totals={"replicaSets": len(own_sets), "pods": len(own_pods)},
            notes=[*_unsearched("ReplicaSets", replica_sets), *_unsearched("Pods", pods)],
        ),
    )


def pod_diagnostics(cluster: Cluster, question: PodQuestion) -> DiagnosticsResult | Refusal:
    """A Pod with every container's state and history, its events and the findings."""
    pod = cluster.get("Pod", question.namespace, question.pod_name)
    if pod is None:
        return not_found("Pod", question.pod_name, question.namespace)
    events = _about(cluster, question.namespace, [pod], question.limit)
    return _diagnosed(
        question.namespace, pod, findings.of_pod(pod, events.items), events, _Belongings()
    )


def service_diagnostics(cluster: Cluster, question: ServiceQuestion) -> DiagnosticsResult | Refusal:
    """A Service, the addresses behind it, the Pods that it selects, events and the findings."""
    namespace = question.namespace
    service = cluster.get("Service", namespace, question.name)
    if service is None:
        return not_found("Service", question.name, namespace)
    labels = service.get("spec", {}).get("selector") or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    endpoints, pods = together(
        lambda: _endpoints(cluster, namespace, question.name),
        lambda: _searched(cluster, "Pod", namespace, selector),
    )
    own_pods = _in_trouble_first(pods.items)
    shown_pods = own_pods[:MOST_SHOWN]
    events = _about(cluster, namespace, [service, *shown_pods], question.limit)
    addresses = _address_rows(endpoints)
    return _diagnosed(
        namespace,
        service,
        findings.of_service(service, endpoints, shown_pods, events.items),
        events,
        _Belongings(
            endpoints=addresses[:MOST_SHOWN],
            pods=[pod_row(shaped(it, shapes.Pod)) for it in shown_pods],
            totals={"endpoints": len(addresses), "pods": pods.total},
        ),
    )


def selector_text(selector: JSONObject) -> str:
    """A LabelSelector object in the syntax of the query parameter."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for requirement in selector.get("matchExpressions") or ():
        key, values = requirement["key"], ",".join(requirement.get("values") or ())
        terms.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[requirement["operator"]]
        )
    return ",".join(terms)


def owned_by(found: Listed[JSONObject], owners: set[str]) -> list[JSONObject]:
    """Those that one of `owners` (uids) controls."""
    return [
        it
        for it in found.items
        if any(
            owner.get("controller") and owner.get("uid") in owners
            for owner in it["metadata"].get("ownerReferences") or ()
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Belongings:
    """What belongs to the subject; None where the kind has no such thing."""

    replica_sets: list[ReplicaSetRow] | None = None
    pods: list[PodRow] | None = None
    endpoints: list[EndpointRow] | None = None
    totals: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _diagnosed(
    namespace: str,
    subject: JSONObject,
    found: Iterable[findings.Finding],
    events: Listed[JSONObject],
    belongings: _Belongings,
) -> DiagnosticsResult:
    shape, summarize = SUMMARIES[subject["kind"]]
    result = DiagnosticsResult(
        namespace=namespace,
        notes=belongings.notes,
        findings=[
            FindingRow(
                code=it.code, severity=it.severity, message=it.message, evidence=dict(it.evidence)
            )
            for it in found
        ],
        resource=summarize(shaped(subject, shape)),
        replica_sets=belongings.replica_sets,
        pods=belongings.pods,
        endpoints=belongings.endpoints,
        events=[event_row(event) for event in events.items],
        totals={**belongings.totals, "events": events.total},
    )
    return presented(result, diagnostics_text, narrow_with=_NARROW)


def _searched(cluster: Cluster, kind: str, namespace: str, selector: str) -> Listed[JSONObject]:
    """One page of what the labels select; nothing when there is no selector."""
    if not selector:
        return Listed(items=(), total=0, truncated=False, resource_version="")
    return cluster.list(kind, namespace, label_selector=selector, limit=MOST_SEARCHED)


def _unsearched(kinds: str, found: Listed[JSONObject]) -> list[str]:
    if not found.truncated:
        return []
    return [f"Only the first {MOST_SEARCHED} of {found.total} {kinds} by label were looked at."]


def _about(
    cluster: Cluster, namespace: str, subjects: list[JSONObject], limit: int
) -> Listed[JSONObject]:
    return cluster.events(namespace, regarding_uids=[_uid(it) for it in subjects], limit=limit)


def _endpoints(cluster: Cluster, namespace: str, name: str) -> tuple[JSONObject, ...]:
    """EndpointSlices, or the one Endpoints object on a server that has none (before 1.21)."""
    if cluster.identity.has_endpoint_slices:
        selector = f"kubernetes.io/service-name={name}"
        return cluster.list("EndpointSlice", namespace, label_selector=selector).items
    found = cluster.get("Endpoints", namespace, name)
    return (found,) if found else ()


def _address_rows(endpoints: Iterable[JSONObject]) -> list[EndpointRow]:
    rows = []
    for it in endpoints:
        if "subsets" in it or it.get("kind") == "Endpoints":
            rows += endpoints_rows(shaped(it, shapes.Endpoints))
        else:
            rows += slice_rows(shaped(it, shapes.EndpointSlice))
    return sorted(rows, key=lambda row: (row.ready, row.address))


def _in_trouble_first(pods: Iterable[JSONObject]) -> list[JSONObject]:
    return sorted(pods, key=lambda pod: in_trouble_first(pod_row(shaped(pod, shapes.Pod))))


def _newest_revision_first(replica_set: JSONObject) -> tuple[int, str]:
    meta = replica_set["metadata"]
    revision = (meta.get("annotations") or {}).get("deployment.kubernetes.io/revision", "0")
    return -(int(revision) if revision.isdigit() else 0), meta["name"]


def _uid(it: JSONObject) -> str:
    return str(it["metadata"]["uid"])
