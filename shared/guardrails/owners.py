"""Who else looks after an object and may undo a change: GitOps tools, Helm, controllers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.manifests import JSON, list_at, mapping_at, mappings_at, shown, text_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Somebody who keeps the object as they want it; `message` says what becomes of a change."""

    kind: str
    """`argo-cd`, `flux`, `helm`, or `controller` (an owner reference)."""
    name: str
    message: str


def owners(live: Mapping[str, JSON] | None) -> tuple[Owner, ...]:
    """Name the owners that the live object's labels, annotations and owner references tell of."""
    metadata = mapping_at(live, "metadata")
    labels, annotations = mapping_at(metadata, "labels"), mapping_at(metadata, "annotations")
    return (
        *_argo_cd(labels, annotations),
        *_flux(labels),
        *_helm(labels, annotations),
        *_controllers(metadata),
    )


def _argo_cd(labels: Mapping[str, JSON], annotations: Mapping[str, JSON]) -> Iterator[Owner]:
    tracking = text_at(annotations, "argocd.argoproj.io/tracking-id").partition(":")[0]
    name = tracking or text_at(labels, "argocd.argoproj.io/instance")
    if name:
        yield Owner(
            kind="argo-cd",
            name=name,
            message=f"This will be reverted by Argo CD if application {shown(name)} heals itself; "
            "change it in Git.",
        )


def _flux(labels: Mapping[str, JSON]) -> Iterator[Owner]:
    for controller in ("kustomize", "helm"):
        name = text_at(labels, f"{controller}.toolkit.fluxcd.io/name")
        if name:
            yield Owner(
                kind="flux",
                name=name,
                message=f"This will be reverted by Flux ({controller} {shown(name)}); "
                "change it in Git.",
            )


def _helm(labels: Mapping[str, JSON], annotations: Mapping[str, JSON]) -> Iterator[Owner]:
    name = text_at(annotations, "meta.helm.sh/release-name")
    if name or text_at(labels, "app.kubernetes.io/managed-by") == "Helm":
        release = shown(name) if name else "a release"
        yield Owner(
            kind="helm",
            name=name,
            message=f"This will be reverted by the next upgrade of Helm release {release}; "
            "change its values.",
        )


def _controllers(metadata: Mapping[str, JSON]) -> Iterator[Owner]:
    for _, reference in mappings_at(metadata, "ownerReferences"):
        if reference.get("controller") is True:
            name = f"{text_at(reference, 'kind')} {text_at(reference, 'name')}"
            yield Owner(
                kind="controller",
                name=name,
                message=f"This will be reverted by its owner {shown(name)}; change that.",
            )


def field_managers(live: Mapping[str, JSON] | None) -> tuple[str, ...]:
    """The field managers of the live object, sorted, each once."""
    entries = list_at(mapping_at(live, "metadata"), "managedFields")
    return tuple(sorted({text_at(entry, "manager") for entry in entries} - {""}))
