"""What is risky in a change to a Deployment: fewer replicas, other code, other rights."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from shared.guardrails.images import read_image
from shared.guardrails.pods import Part, PodTemplate, probes
from shared.guardrails.podsecurity import check_pod_security
from shared.guardrails.policy import PodSecurityLevel
from shared.guardrails.risk_reasons import Effect, Facts, RiskReason, high, medium
from shared.manifests import JSON, mapping_at, normalized, shown, text_at
from shared.plans import Operation

MANY_PODS: Final = 5
"""From so many Pods on, replacing them all is a reason of its own."""


def rollout_reasons(operation: Operation, effect: Effect, facts: Facts) -> Iterator[RiskReason]:
    """Compare what the Deployment is and what it becomes. `effect.result` is there."""
    yield from _replicas(effect, facts)
    live, result = PodTemplate.of(effect.live or {}), PodTemplate.of(effect.result or {})
    for container in result.containers():
        yield from _container(container, _counterpart(container, live), effect)
    if effect.created:
        return
    yield from _selector(effect)
    if replaces_pods(operation, effect):
        yield from _template(effect, live, result)
        yield from _replacement(effect, facts)


def replaces_pods(operation: Operation, effect: Effect) -> bool:
    """Say whether a Deployment that stays gets new Pods.

    Judged on the normal form: a live template can hold `creationTimestamp: null`, its result not.
    """
    if operation is Operation.RESTART:
        return True
    live, result = (normalized(dict(body or {})) for body in (effect.live, effect.result))
    return PodTemplate.of(live) != PodTemplate.of(result)


def replicas(body: Mapping[str, JSON] | None) -> int:
    """Return how many Pods a Deployment asks for; 1 is the API's default."""
    value = mapping_at(body, "spec").get("replicas")
    return value if isinstance(value, int) else 1


def _replicas(effect: Effect, facts: Facts) -> Iterator[RiskReason]:
    before, after = replicas(effect.live), replicas(effect.result)
    if effect.created or before == after:
        return
    message = f"{effect} goes from {before} to {after} replicas"
    if after == 0:
        yield high("scale_to_zero", f"{message}: it stops serving.")
    elif after < before:
        yield medium("scale_down", f"{message}.")
    if effect.name in facts.autoscaled:
        yield medium("autoscaled", f"{message}; this will be reverted by its autoscaler.")


def _selector(effect: Effect) -> Iterator[RiskReason]:
    before, after = (mapping_at(b, "spec", "selector") for b in (effect.live, effect.result))
    if before != after:
        yield high("selector_change", f"{effect} selects other Pods.")


def _counterpart(container: Part, live: PodTemplate) -> Part | None:
    return next((part for part in live.containers() if part.path == container.path), None)


def _container(container: Part, before: Part | None, effect: Effect) -> Iterator[RiskReason]:
    where = f"Container {shown(container.name)} of {effect}"
    new_code = _code(container) - (_code(before) if before else frozenset())
    if new_code:
        fields = ", ".join(sorted({field for field, _ in new_code}))
        reason = medium if effect.created else high
        yield reason("new_command", f"{where} runs what the manifest says ({fields}).")
    if effect.created:
        return
    if before is None:
        yield high("new_container", f"{where} is new.")
        return
    yield from _image(where, text_at(before.body, "image"), text_at(container.body, "image"))
    if container.body.get("securityContext") != before.body.get("securityContext"):
        yield high("security_change", f"{where} changes its security context.")


def _code(container: Part) -> frozenset[tuple[str, str]]:
    """What runs in the container beyond its image: fields and their values, comparable."""
    code: dict[str, JSON] = {f: container.body.get(f) for f in ("command", "args")}
    for path, probe in probes(container):
        hook = path.removeprefix(f"{container.path}.")
        code[hook] = dict(probe) if hook.startswith("lifecycle.") else probe.get("exec")
    return frozenset((f, json.dumps(value, sort_keys=True)) for f, value in code.items() if value)


def _image(where: str, before: str, after: str) -> Iterator[RiskReason]:
    if before == after:
        return
    old, new = read_image(before), read_image(after)
    if old is not None and new is not None and old.name == new.name:
        yield medium("image_change", f"{where} changes from {shown(before)} to {shown(after)}.")
    else:
        message = f"{where} gets its image from elsewhere: {shown(before)} becomes {shown(after)}."
        yield high("registry_change", message)


def _template(effect: Effect, live: PodTemplate, result: PodTemplate) -> Iterator[RiskReason]:
    if live.spec.get("securityContext") != result.spec.get("securityContext"):
        yield high("security_change", f"{effect} changes its Pods' security context.")
    before = {volume.name for volume in live.volumes()}
    for volume in result.volumes():
        if volume.name not in before:
            yield medium("new_volume", f"{effect} gets the volume {shown(volume.name)}.")
    outside = list(check_pod_security(result, PodSecurityLevel.BASELINE))
    if outside:
        message = f"{effect} is outside the Pod Security baseline already: {outside[0].message}"
        yield high("pod_security", message)


def _replacement(effect: Effect, facts: Facts) -> Iterator[RiskReason]:
    pods = facts.pods.get(effect.name, 0)
    if pods >= MANY_PODS:
        yield medium("many_pods", f"All {pods} Pods of {effect} are replaced.")
    if text_at(effect.result or {}, "spec", "strategy", "type") == "Recreate" and pods:
        yield high("recreate", f"{effect} stops all {pods} Pods before new ones start.")
