"""Why a Service leads nowhere: its selector, its ports, its endpoints, then the Pods behind it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from shared.manifests import JSON
from worker.findings.fields import (
    Event,
    Object,
    at,
    called,
    events_of,
    fields,
    items,
    name_of,
    text,
)
from worker.findings.finding import Finding, finding, ordered, said
from worker.findings.pods import in_pod


def of_service(
    service: Object,
    endpoints: Iterable[Object],
    pods: Iterable[Object],
    events: Iterable[Object],
) -> tuple[Finding, ...]:
    """Return what is wrong with a Service, the worst first, causes before symptoms.

    Args:
        service: the Service as the API returned it.
        endpoints: its EndpointSlices, or its Endpoints object, or nothing.
        pods: those that its selector matches.
        events: of events.k8s.io/v1 or core/v1, about any of these objects.
    """
    service = {"kind": "Service", **service}
    if text(service, "spec", "type") == "ExternalName":
        return ()
    behind, told = [{"kind": "Pod", **pod} for pod in pods], events_of(events)
    found = [*_selector(service, behind), *_ports(service, behind)]
    found += [each for pod in behind for each in in_pod(pod, told)]
    if not any(each.severity == "critical" and each.code in _CUT_OFF for each in found):
        found += _addresses(service, list(endpoints))
    return ordered([*found, *_load_balancer(service, told)])


_CUT_OFF = frozenset({"selector_matches_nothing", "port_not_exposed"})
"""With these a Service has no addresses; saying so again would be no news."""


def _selector(service: Object, pods: Sequence[Object]) -> Iterator[Finding]:
    selector = at(service, "spec", "selector")
    where = f"{name_of(service)} spec.selector"
    if not selector:
        yield finding(
            "no_selector",
            "info",
            f"{called(service)} has no selector: its addresses are kept by somebody else.",
            {where: None},
        )
    elif not pods:
        labels = fields(service, "spec", "selector")
        asked = said(", ".join(f"{key}={value}" for key, value in labels.items()))
        yield finding(
            "selector_matches_nothing",
            "critical",
            f"The selector of {called(service)} ({asked}) matches no Pod.",
            {where: selector},
        )


class _Port(NamedTuple):
    """A port that a container declares."""

    number: JSON
    name: str
    protocol: str


def _ports(service: Object, pods: Sequence[Object]) -> Iterator[Finding]:
    if not pods:
        return
    declared = [
        _Port(at(port, "containerPort"), text(port, "name"), text(port, "protocol") or "TCP")
        for pod in pods
        for listed in ("containers", "initContainers")
        for container in items(pod, "spec", listed)
        for port in items(container, "ports")
    ]
    for port in items(service, "spec", "ports"):
        target = at(port, "targetPort") or at(port, "port")
        protocol = text(port, "protocol") or "TCP"
        if not any(
            target in {each.number, each.name} and protocol == each.protocol for each in declared
        ):
            yield _not_exposed(service, port, target, declared)


def _not_exposed(service: Object, port: Object, target: JSON, declared: Sequence[_Port]) -> Finding:
    """Judge a target port that no container declares.

    By name it cannot be resolved, so the Service loses the port. By number traffic may still
    arrive, as declaring a port is a courtesy: a warning if others are declared, else a remark.
    """
    named = isinstance(target, str)
    names = sorted(
        {f"{it.number}/{it.protocol}{f' ({it.name})' * bool(it.name)}" for it in declared}
    )
    others = f"they declare {said(', '.join(names))}" if names else "they declare no port at all"
    where = f"{name_of(service)} spec.ports[{at(port, 'port')}]"
    return finding(
        "port_not_exposed",
        "critical" if named else "warning" if names else "info",
        f"Port {at(port, 'port')} of {called(service)} leads to {'port name ' * named}"
        f"{said(str(target))}, which no container of its Pods declares; {others}.",
        {f"{where}.targetPort": target, "Pods spec.containers[*].ports": ", ".join(names) or None},
        (target,),
    )


def _addresses(service: Object, endpoints: Sequence[Object]) -> Iterator[Finding]:
    ready, all_of_them = _counted(endpoints)
    evidence: dict[str, JSON] = {}
    for each in endpoints:
        kind, (some, of) = _kind(each), _counted([each])
        where = f"{name_of({**each, 'kind': kind})} {_ADDRESSES[kind]}"
        evidence[where] = f"{some} of {of} ready"
    evidence = evidence or {f"endpoints of {name_of(service)}": None}
    if not ready:
        yield finding(
            "no_ready_endpoints",
            "critical",
            f"{called(service)} has no address to send traffic to: 0 of {all_of_them} are ready.",
            evidence,
        )
    elif ready < all_of_them:
        yield finding(
            "some_endpoints_not_ready",
            "warning",
            f"{ready} of {all_of_them} addresses of {called(service)} are ready.",
            evidence,
        )


_ADDRESSES = {"Endpoints": "subsets[*].addresses", "EndpointSlice": "endpoints[*].conditions"}


def _kind(endpoints: Object) -> str:
    return (
        "Endpoints"
        if "subsets" in endpoints or text(endpoints, "kind") == "Endpoints"
        else ("EndpointSlice")
    )


def _counted(endpoints: Iterable[Object]) -> tuple[int, int]:
    """Return how many addresses are ready, and how many there are."""
    ready = waiting = 0
    for each in endpoints:
        for subset in items(each, "subsets"):
            ready += len(items(subset, "addresses"))
            waiting += len(items(subset, "notReadyAddresses"))
        for endpoint in items(each, "endpoints"):
            if at(endpoint, "conditions", "ready") is False:  # absent means ready, says the API
                waiting += 1
            else:
                ready += 1
    return ready, ready + waiting


def _load_balancer(service: Object, events: Sequence[Event]) -> Iterator[Finding]:
    if text(service, "spec", "type") != "LoadBalancer":
        return
    if items(service, "status", "loadBalancer", "ingress"):
        return
    event = next((it for it in events if it.warns and it.is_about(service)), None)
    why = f" {said(event.note)}" if event else ""
    evidence: dict[str, JSON] = {f"{name_of(service)} status.loadBalancer.ingress": None}
    if event:
        evidence[f"Event/{event.name} note"] = event.note
    yield finding(
        "load_balancer_pending",
        "warning",
        f"{called(service)} has no external address yet.{why}",
        evidence,
    )
