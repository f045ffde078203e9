"""How much attention a plan asks of its approver, from named reasons. Forbids nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.guardrails.owners import owners
from shared.guardrails.risk_reasons import Effect, Facts, RiskLevel, RiskReason, high, medium
from shared.guardrails.rollout_risk import rollout_reasons
from shared.manifests import Kind, mapping_at, text_at
from shared.plans import Operation

_ORDER: Final[tuple[RiskLevel, ...]] = ("low", "medium", "high")
_MOST_NAMES: Final = 5

RISK_CODES: Final[Mapping[str, str]] = {
    "autoscaled": "A HorizontalPodAutoscaler manages the replicas that the plan sets.",
    "config_consumers": "Workloads use the ConfigMap; it can be code to them.",
    "delete": "An object is deleted; high when it runs Pods, serves traffic or is used.",
    "endpoints_emptied": "A Service loses the Pods that it leads to.",
    "image_change": "A container gets another version of its image.",
    "many_pods": "Many Pods are replaced.",
    "new_command": "What runs in a container changes: command, args, hook or exec probe.",
    "new_container": "A running workload gets a container that it did not have.",
    "new_volume": "A running workload gets a volume that it did not have.",
    "owned": "A GitOps tool, Helm or a controller will revert the change.",
    "pod_security": "The workload is outside the Pod Security baseline already.",
    "recreate": "All Pods stop before new ones start.",
    "registry_change": "A container's image comes from another repository.",
    "scale_down": "Fewer replicas.",
    "scale_to_zero": "No replicas: the workload stops serving.",
    "security_change": "What a container may do changes.",
    "selector_change": "Traffic or Pods are selected by other labels.",
    "service_exposed": "The Service is reachable from outside the cluster, or no longer is.",
    "service_ports": "The Service's ports change.",
    "several_objects": "Several objects change.",
}
"""Every reason by its code, for the documentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """The level, which is that of the gravest reason, and all reasons."""

    level: RiskLevel
    reasons: tuple[RiskReason, ...]


def assess(operation: Operation, effects: Iterable[Effect], facts: Facts) -> Risk:
    """Weigh a plan. Without any reason the risk is low.

    Args:
        operation: What was asked for.
        effects: The objects that change; no-ops left out.
        facts: What the planner saw around them.

    """
    changed = tuple(effects)
    reasons = [reason for effect in changed for reason in _effect(operation, effect, facts)]
    if len(changed) > 1:
        message = f"{len(changed)} objects change, one after the other; a failure stops the rest."
        reasons.append(medium("several_objects", message))
    levels: list[RiskLevel] = [reason.level for reason in reasons]
    level: RiskLevel = max(levels, key=_ORDER.index, default="low")
    return Risk(level=level, reasons=tuple(dict.fromkeys(reasons)))


def _effect(operation: Operation, effect: Effect, facts: Facts) -> Iterator[RiskReason]:
    for owner in owners(effect.live):
        yield medium("owned", f"{effect}: {owner.message}")
    if services := facts.fronts.get(effect.name, ()) if effect.kind is Kind.DEPLOYMENT else ():
        message = f"The Pods of {effect} stand behind {_listed(services)}, which loses them."
        yield high("endpoints_emptied", message)
    if effect.result is None:
        yield _delete(effect, facts)
    elif effect.kind is Kind.DEPLOYMENT:
        yield from rollout_reasons(operation, effect, facts)
    elif effect.kind is Kind.SERVICE:
        yield from _service(effect, facts)
    else:
        yield from _config_map(effect, facts)


def _delete(effect: Effect, facts: Facts) -> RiskReason:
    if effect.kind is Kind.DEPLOYMENT and (pods := facts.pods.get(effect.name, 0)):
        return high("delete", f"{effect} is deleted with its ReplicaSets and {pods} Pods.")
    if effect.kind is Kind.SERVICE and (ready := facts.endpoints.get(effect.name, 0)):
        return high("delete", f"{effect} is deleted while {ready} addresses serve through it.")
    if effect.kind is Kind.CONFIG_MAP and (users := facts.consumers.get(effect.name, ())):
        return high("delete", f"{effect} is deleted although {_listed(users)} use it.")
    return medium("delete", f"{effect} is deleted.")


def _service(effect: Effect, facts: Facts) -> Iterator[RiskReason]:
    live, result = mapping_at(effect.live, "spec"), mapping_at(effect.result, "spec")
    kinds = [text_at(spec, "type") or "ClusterIP" for spec in (live, result)]
    if kinds[1] != "ClusterIP" and effect.created:
        yield high("service_exposed", f"{effect} is of type {kinds[1]}.")
    if effect.created:
        return
    if kinds[0] != kinds[1]:
        yield high("service_exposed", f"{effect} changes from {kinds[0]} to {kinds[1]}.")
    if live.get("selector") != result.get("selector"):
        ready = facts.endpoints.get(effect.name, 0)
        message = f"{effect} sends its traffic to other Pods ({ready} addresses are ready now)."
        yield high("selector_change", message)
    if live.get("ports") != result.get("ports"):
        yield medium("service_ports", f"{effect} changes its ports.")


def _config_map(effect: Effect, facts: Facts) -> Iterator[RiskReason]:
    if users := facts.consumers.get(effect.name, ()):
        message = f"{effect} is used by {_listed(users)}; to them its text can be code."
        yield medium("config_consumers", message)


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
