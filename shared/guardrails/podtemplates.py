"""Rules for Pod templates beyond the Pod Security Standards: identity, place, images, limits."""

from collections.abc import Iterator
from typing import Final

from shared.guardrails.images import check_image
from shared.guardrails.pods import Part, PodTemplate
from shared.guardrails.podsecurity import check_pod_security
from shared.guardrails.policy import PodSecurityLevel, Policy
from shared.guardrails.rules import Violation, violation
from shared.guardrails.secrets import check_secrets
from shared.manifests import JSON, mapping_at, mappings_at, shown, text_at

_CONTROL_PLANE: Final = "node-role.kubernetes.io/"
_SYSTEM_CLASSES: Final = "system-"
_CREDENTIAL_SOURCES: Final = ("serviceAccountToken", "podCertificate")
_NO_ACCOUNT: Final = frozenset({"", "default"})
"""What a Pod gets that asks for no service account."""
_VERSION_FIELDS: Final = frozenset({"image", "imagePullPolicy", "resources"})
_JUDGED_ELSEWHERE: Final = frozenset({"name", "hostPath"})


def check_pod_template(
    template: PodTemplate, live: PodTemplate | None, policy: Policy
) -> Iterator[Violation]:
    """Check a Pod template against the namespace's policy and what the live object has already."""
    yield from check_pod_security(template, policy.pod_security)
    yield from _placement(template)
    yield from _identity(template, live, policy)
    yield from check_secrets(template, live, policy)
    yield from _volume_types(template, policy)
    for container in template.containers():
        image = text_at(container.body, "image")
        yield from check_image(image, policy, path=container.at("image"))
        yield from _limits(container, policy)


def check_inherited(template: PodTemplate, live: PodTemplate) -> Iterator[Violation]:
    """Refuse to add to a workload that breaks the baseline and goes on to break it.

    Server-side apply merges a harmless manifest with what an administrator wrote: a command, a
    container or a mount added to a privileged Pod would have its rights.
    """
    baseline = PodSecurityLevel.BASELINE
    before = set(check_pod_security(live, baseline))
    kept = [item for item in check_pod_security(template, baseline) if item in before]
    if not kept:
        return
    known = {container.path: container for container in live.containers()}
    for container in template.containers():
        old = known.get(container.path)
        if old is None or _settled(old) != _settled(container):
            rules = ", ".join(sorted({item.rule_id for item in kept}))
            yield violation(
                "IG-POD-INHERITED", container.path, f"The workload breaks {rules} already."
            )


def _settled(container: Part) -> dict[str, JSON]:
    """What of a container decides what it can do; versions and sizes do not."""
    return {key: item for key, item in container.body.items() if key not in _VERSION_FIELDS}


def _placement(template: PodTemplate) -> Iterator[Violation]:
    spec = template.spec
    if spec.get("nodeName"):
        yield violation("IG-POD-NODENAME", template.at("nodeName"), "A node is named.")
    if spec.get("hostAliases"):
        yield violation("IG-POD-HOSTALIASES", template.at("hostAliases"), "hostAliases are given.")
    class_name = text_at(spec, "priorityClassName")
    if class_name.startswith(_SYSTEM_CLASSES):
        path = template.at("priorityClassName")
        yield violation("IG-POD-PRIORITY", path, f"The class is {shown(class_name)}.")
    for index, toleration in mappings_at(spec, "tolerations"):
        key = text_at(toleration, "key")
        if not key or key.startswith(_CONTROL_PLANE):
            path = template.at(f"tolerations[{index}]")
            what = shown(key) if key else "every taint"
            yield violation("IG-POD-TOLERATION", path, f"It tolerates {what}.")


def _identity(
    template: PodTemplate, live: PodTemplate | None, policy: Policy
) -> Iterator[Violation]:
    before = live.spec if live else {}
    fields = ("serviceAccountName", "serviceAccount")  # the second is the old name of the first
    allowed = _NO_ACCOUNT | policy.service_accounts | {text_at(before, field) for field in fields}
    for field in fields:
        name = text_at(template.spec, field)
        if name not in allowed:
            yield violation("IG-POD-SERVICEACCOUNT", template.at(field), f"It is {shown(name)}.")
    mounted = "automountServiceAccountToken"
    if template.spec.get(mounted) and not before.get(mounted):
        yield violation("IG-POD-TOKEN", template.at(mounted), "The token is asked for.")
    for volume in template.volumes():
        for index, source in mappings_at(volume.body, "projected", "sources"):
            for kind in _CREDENTIAL_SOURCES:
                if source.get(kind) is not None:
                    path = volume.at(f"projected.sources[{index}].{kind}")
                    yield violation("IG-POD-TOKEN", path, "A credential is projected.")


def _volume_types(template: PodTemplate, policy: Policy) -> Iterator[Violation]:
    for volume in template.volumes():
        for kind in sorted(set(volume.body) - policy.volume_types - _JUDGED_ELSEWHERE):
            if volume.body[kind] is not None:
                yield violation("IG-POD-VOLUMETYPE", volume.at(kind), f"It is a {shown(kind)}.")
        if reference := text_at(volume.body, "image", "reference"):
            yield from check_image(reference, policy, path=volume.at("image.reference"))


def _limits(container: Part, policy: Policy) -> Iterator[Violation]:
    if container.path.rpartition(".")[2].startswith("ephemeralContainers"):
        return  # they cannot have any
    limits = mapping_at(container.body, "resources", "limits")
    for resource in sorted(policy.require_limits - set(limits)):
        path = container.at("resources.limits")
        yield violation("IG-POD-LIMITS", path, f"There is no limit for {resource}.")
