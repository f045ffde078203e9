"""What else a plan reaches beside its objects, in words: Pods, endpoints, users, owners.

For the approver's information; how risky it is, `risk` says. What the planner did not see is not
mentioned, so silence is no promise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from shared.guardrails.owners import owners
from shared.guardrails.risk_reasons import Effect, Facts
from shared.guardrails.rollout_risk import replaces_pods, replicas
from shared.manifests import Kind, mapping_at, text_at
from shared.plans import Operation

MAX_NAMES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Something around the objects that the plan touches: a stable code and a sentence."""

    code: str
    message: str


def reach(operation: Operation, effects: Iterable[Effect], facts: Facts) -> tuple[Reached, ...]:
    """Say what each effect reaches; `effects` are the objects that change."""
    return tuple(
        Reached(code=code, message=message)
        for effect in effects
        for code, message in _reached(operation, effect, facts)
    )


_Said = tuple[str, str]


def _reached(operation: Operation, effect: Effect, facts: Facts) -> Iterator[_Said]:
    if effect.kind is Kind.DEPLOYMENT:
        yield from _pods(operation, effect, facts)
        yield from _around_pods(effect, facts)
    elif effect.kind is Kind.SERVICE and effect.name in facts.endpoints:
        yield "endpoints", f"{effect} leads to {_ready(facts.endpoints[effect.name])} now."
    elif effect.kind is Kind.CONFIG_MAP and effect.name in facts.consumers:
        yield _config_map(effect, facts.consumers[effect.name])
    for owner in owners(effect.live):
        named = f"{owner.kind} {owner.name}".strip()
        yield "owned", f"{effect} is kept by {named}."


def _pods(operation: Operation, effect: Effect, facts: Facts) -> Iterator[_Said]:
    before, after = replicas(effect.live), replicas(effect.result)
    running = facts.pods.get(effect.name, 0)
    if effect.created:
        yield "pods_started", f"{effect} starts {_some(after, 'Pod')}."
    elif effect.result is None:
        yield "pods_stopped", f"{effect} stops {_some(running, 'Pod')}."
    elif replaces_pods(operation, effect):
        yield "pods_replaced", f"{effect} replaces {_some(running, 'Pod')}{_pace(effect)}."
    elif before == after:
        yield "pods_kept", f"No Pod of {effect} restarts."
    if effect.live and effect.result and after > before:
        yield "pods_started", f"{effect} starts {_some(after - before, 'more Pod')}."
    if effect.live and effect.result and after < before:
        yield "pods_stopped", f"{effect} stops {before - after} of {_some(before, 'Pod')}."


def _pace(effect: Effect) -> str:
    """How a Deployment replaces its Pods; the defaults are the API's own."""
    strategy = mapping_at(effect.result or {}, "spec", "strategy")
    if text_at(strategy, "type") == "Recreate":
        return ": all stop before new ones start"
    rolling = mapping_at(strategy, "rollingUpdate")
    away, more = (str(rolling.get(key, "25%")) for key in ("maxUnavailable", "maxSurge"))
    return f" step by step (at most {away} missing, {more} extra)"


def _around_pods(effect: Effect, facts: Facts) -> Iterator[_Said]:
    for service in facts.serves.get(effect.name, ()):
        ready = facts.endpoints.get(service)
        more = "" if ready is None else f"; {_ready(ready)} now"
        yield "endpoints", f"Service {service} leads to the Pods of {effect}{more}."
    if autoscaler := facts.autoscaled.get(effect.name):
        yield "autoscaled", f"{autoscaler} sets the replicas of {effect}."


def _config_map(effect: Effect, users: tuple[str, ...]) -> _Said:
    # Kubernetes, concepts/configuration/configmap: "Mounted ConfigMaps are updated automatically".
    if not users:
        return "config_unused", f"No Deployment of this namespace uses {effect}."
    more = f" and {len(users) - MAX_NAMES} more" if len(users) > MAX_NAMES else ""
    named = f"{effect} is used by {', '.join(users[:MAX_NAMES])}{more}"
    if effect.created:
        return "config_used", f"{named}."
    if effect.result is None:
        return "config_used", f"{named}; Pods that start later will not start without it."
    lag = "mounted files follow in a minute or two, variables and subPath mounts at a restart"
    return "config_used", f"{named}. No Pod restarts: {lag}."


def _ready(count: int) -> str:
    return f"{count} ready {'address' if count == 1 else 'addresses'}"


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
