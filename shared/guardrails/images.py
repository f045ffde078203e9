"""Image references: what they mean when written short, and which may be used. Pulls nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.guardrails.policy import Policy
from shared.guardrails.rules import Violation, violation
from shared.manifests import shown

_MAX_LENGTH: Final = 512
_DEFAULT_REGISTRY: Final = "docker.io"
_REGISTRY_ALIASES: Final = {"index.docker.io": _DEFAULT_REGISTRY}
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)
_REPOSITORY: Final = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A reference in full: `nginx` is `docker.io/library/nginx`, without tag and digest."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository, what allow-lists are matched against."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        """The whole reference in its longest form."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def read_image(text: str) -> Image | None:
    """Read a reference as container runtimes do; None when it is not well-formed.

    Source: github.com/distribution/reference, `ParseNormalizedNamed`.
    """
    rest, at, digest = text.partition("@")
    if len(text) > _MAX_LENGTH or (at and not _DIGEST.fullmatch(digest)):
        return None
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")  # before the last slash a colon is a registry's port
    if colon and not _TAG.fullmatch(tag):
        return None
    registry, repository = _split(f"{head}{slash}{last}")
    if not _HOST.fullmatch(registry) or not _REPOSITORY.fullmatch(repository):
        return None
    return Image(registry=registry, repository=repository, tag=tag, digest=digest)


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = slash and (
        "." in first or ":" in first or first == "localhost" or first != first.lower()
    )
    registry, repository = (first.lower(), rest) if is_host else (_DEFAULT_REGISTRY, name)
    registry = _REGISTRY_ALIASES.get(registry, registry)
    if registry == _DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def check_image(text: str, policy: Policy, *, path: str = "image") -> Iterator[Violation]:
    """Check one image reference: form, registry, tag, digest."""
    image = read_image(text)
    if image is None:
        yield violation("IG-IMAGE-INVALID", path, f"{shown(text)} is no image reference.")
        return
    if policy.registries and not any(_from(image, allowed) for allowed in policy.registries):
        yield violation("IG-IMAGE-REGISTRY", path, f"{shown(image.name)} is not listed.")
    if policy.require_digest and not image.digest:
        yield violation("IG-IMAGE-DIGEST", path, f"{shown(text)} has no digest.")
    elif not image.digest and image.tag in ("", "latest"):
        what = "is tagged latest" if image.tag else "has no tag"
        yield violation("IG-IMAGE-TAG", path, f"{shown(text)} {what}.")


def _from(image: Image, allowed: str) -> bool:
    """Whether a listed registry, or a path below one, covers the image."""
    prefix = allowed.strip("/")
    return image.name == prefix or image.name.startswith(f"{prefix}/")
