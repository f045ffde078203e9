"""Rules for deletions: what the cluster keeps for itself, and what would only come back."""

from collections.abc import Iterator, Mapping

from shared.guardrails.rules import Violation, violation
from shared.manifests import JSON, mappings_at, path_text, shown, text_at


def check_owned(live: Mapping[str, JSON]) -> Iterator[Violation]:
    """Refuse an object that another one controls."""
    for index, owner in mappings_at(live, "metadata", "ownerReferences"):
        if owner.get("controller") is True:
            path = path_text(("metadata", "ownerReferences", index))
            name = f"{text_at(owner, 'kind')} {text_at(owner, 'name')}"
            yield violation("IG-DELETE-OWNED", path, f"{shown(name)} owns it.")
