"""One walker over a Pod template: its containers of every kind and its volumes, with their paths.

Every rule about Pods goes through here, so no rule can forget a container list. No rule lives here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.manifests import JSON, Kind, mapping_at, mappings_at, quoted, text_at

CONTAINER_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")
_TEMPLATE: Final = ("spec", "template")


@dataclass(frozen=True, slots=True)
class Part:
    """A container or volume, and the path that people find it under."""

    body: Mapping[str, JSON]
    path: str
    name: str

    def at(self, field: str) -> str:
        """The path of a field of it."""
        return f"{self.path}.{field}"


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What Pods are made from: metadata and spec, wherever they stand in the object."""

    metadata: Mapping[str, JSON]
    spec: Mapping[str, JSON]
    path: str
    """Of the template in its object; empty when the object is a Pod itself."""

    @classmethod
    def of(cls, body: Mapping[str, JSON]) -> "PodTemplate":
        """The template of a Deployment or ReplicaSet, or a Pod as its own."""
        if body.get("kind") == Kind.POD:
            return cls(mapping_at(body, "metadata"), mapping_at(body, "spec"), "")
        template = mapping_at(body, *_TEMPLATE)
        path = ".".join(_TEMPLATE)
        return cls(mapping_at(template, "metadata"), mapping_at(template, "spec"), path)

    def at(self, field: str) -> str:
        """The path of a field of the Pod's spec."""
        return f"{self.path}.spec.{field}" if self.path else f"spec.{field}"

    def metadata_at(self, field: str) -> str:
        """The path of a field of the Pod's metadata."""
        return f"{self.path}.metadata.{field}" if self.path else f"metadata.{field}"

    def containers(self) -> Iterator[Part]:
        """Every container: ordinary, init and ephemeral."""
        for field in CONTAINER_LISTS:
            yield from self._parts(field)

    def volumes(self) -> Iterator[Part]:
        """Every volume."""
        yield from self._parts("volumes")

    def _parts(self, field: str) -> Iterator[Part]:
        for index, body in mappings_at(self.spec, field):
            name = text_at(body, "name")
            yield Part(body, f"{self.at(field)}[{_key(name, index)}]", name)


def _key(name: str, index: int) -> str:
    plain = name.replace("-", "").replace(".", "").isalnum() and name.isascii()
    return (name if plain else quoted(name)) if name else str(index)


def probes(container: Part) -> Iterator[tuple[str, Mapping[str, JSON]]]:
    """Everything that the kubelet does to a container: probes and lifecycle hooks, with paths."""
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        yield container.at(field), mapping_at(container.body, field)
    for field in ("postStart", "preStop"):
        yield container.at(f"lifecycle.{field}"), mapping_at(container.body, "lifecycle", field)
