"""Which Secrets a Pod template uses, wherever it may name one. Reads no Secret, only names."""

from collections.abc import Iterator, Mapping
from typing import Final

from shared.guardrails.pods import PodTemplate
from shared.guardrails.policy import Policy
from shared.guardrails.rules import Violation, violation
from shared.manifests import JSON, mapping_at, mappings_at, shown, text_at

_NAMING_OBJECTS: Final = (
    "secret",  # a volume, or a source of a projected one
    "secretKeyRef",
    "secretRef",  # envFrom, and volume drivers
    "nodePublishSecretRef",  # a CSI volume
)


def secret_names(template: PodTemplate) -> frozenset[str]:
    """Every Secret that the template's containers can read; pull secrets are not among them."""
    return frozenset(name for _, name in _uses(template))


def pull_secret_names(template: PodTemplate) -> frozenset[str]:
    """The Secrets that the kubelet pulls images with."""
    pull_secrets = mappings_at(template.spec, "imagePullSecrets")
    return frozenset(text_at(item, "name") for _, item in pull_secrets)


def check_secrets(
    template: PodTemplate, live: PodTemplate | None, policy: Policy
) -> Iterator[Violation]:
    """Refuse Secrets that neither the live object uses nor the policy lists."""
    known = policy.secrets | (secret_names(live) if live else frozenset())
    for path, name in _uses(template):
        if name not in known:
            yield violation("IG-POD-SECRET", path, f"The Secret {shown(name)} would be read.")
    known = policy.image_pull_secrets | (pull_secret_names(live) if live else frozenset())
    for index, item in mappings_at(template.spec, "imagePullSecrets"):
        name = text_at(item, "name")
        if name not in known:
            path = template.at(f"imagePullSecrets[{index}]")
            yield violation("IG-POD-PULLSECRET", path, f"{shown(name)} is new here.")


def _uses(template: PodTemplate) -> Iterator[tuple[str, str]]:
    """Paths and names, found by the shape of a reference so that no driver is forgotten."""
    for part in (*template.containers(), *template.volumes()):
        yield from _references(part.body, part.path)


def _references(value: JSON | Mapping[str, JSON], path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references(item, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            at = f"{path}.{key}"
            if key in _NAMING_OBJECTS and isinstance(item, Mapping):
                yield at, text_at(item, "name") or text_at(mapping_at(item), "secretName")
            elif key == "secretName" and isinstance(item, str):
                yield at, item
            else:
                yield from _references(item, at)
