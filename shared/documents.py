"""Which documents a manifest may hold, and what is wrong with one that it may not. Pure.

Reading YAML or JSON text is not done here (`worker.loading` does: only workers have a YAML parser);
neither is judging what a manifest asks for (`shared.guardrails`).
"""

from dataclasses import dataclass
from typing import Final

from shared.errors import Refusal
from shared.manifests import JSON, Kind, Object, ObjectRef, name_refusal, shown

MAX_DOCUMENTS: Final = 20

WRITABLE_KINDS: Final = tuple(kind for kind in Kind if kind.writable)
ACCEPTED: Final = ", ".join(f"{kind.api_version} {kind}" for kind in WRITABLE_KINDS)
"""For messages: what a manifest may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One document that was read strictly and names an object that a plan may hold.

    `body` is the canonical object: what is shown to the approver is what is sent. Do not change it.
    """

    document: int
    """Its number in the text it came from, counting from 1 and without empty documents."""
    kind: Kind
    ref: ObjectRef
    body: Object


def accepted(documents: list[JSON], *, namespace: str) -> tuple[Manifest, ...] | Refusal:
    """Turn canonical documents into manifests of `namespace`, or say what is wrong with the first.

    Args:
        documents: What the text held, empty documents left out, in their order.
        namespace: An allowed namespace. A document without one gets it, another one is refused.

    """
    if not documents:
        return _refusal("The manifest holds no object.", code="empty_manifest")
    if len(documents) > MAX_DOCUMENTS:
        return _refusal(
            f"The manifest holds more than {MAX_DOCUMENTS} documents; split it.",
            code="manifest_too_large",
        )
    manifests: dict[ObjectRef, Manifest] = {}
    for number, document in enumerate(documents, start=1):
        manifest = _manifest(document, number, namespace)
        if isinstance(manifest, Refusal):
            return manifest
        if (first := manifests.get(manifest.ref)) is not None:
            return _refusal(
                f"Documents {first.document} and {number} are the same object ({manifest.ref}); "
                "leave one out.",
                number,
                "metadata.name",
                code="duplicate_object",
            )
        manifests[manifest.ref] = manifest
    return tuple(manifests.values())


def _manifest(document: JSON, number: int, namespace: str) -> Manifest | Refusal:
    if not isinstance(document, dict):
        return _refusal(f"Document {number} is not a mapping with apiVersion and kind.", number)
    kind = _kind(document, number)
    if isinstance(kind, Refusal):
        return kind
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return _refusal(f"Document {number} has no metadata with a name.", number, "metadata")
    body = _placed(document, metadata, number, namespace)
    if isinstance(body, Refusal):
        return body
    name = _name(metadata, kind, number)
    if isinstance(name, Refusal):
        return name
    ref = ObjectRef.of(kind, namespace, name)
    return Manifest(document=number, kind=kind, ref=ref, body=body)


def _kind(document: Object, number: int) -> Kind | Refusal:
    version, name = document.get("apiVersion"), document.get("kind")
    if not (isinstance(version, str) and isinstance(name, str) and version and name):
        return _refusal(f"Document {number} needs apiVersion and kind.", number, "kind")
    if name == "List" or name.endswith("List"):
        return _refusal(
            f"Document {number} is a {shown(name)}; give its items as documents of their own.",
            number,
            "kind",
            code="unsupported_kind",
        )
    kind = next((k for k in WRITABLE_KINDS if (k, k.api_version) == (name, version)), None)
    if kind is None:
        return _refusal(
            f"Document {number} is {shown(version)} {shown(name)}. "
            f"A manifest may only hold {ACCEPTED}.",
            number,
            "kind",
            code="unsupported_kind",
        )
    return kind


def _placed(document: Object, metadata: Object, number: int, namespace: str) -> Object | Refusal:
    """The document with its namespace filled in."""
    stated = metadata.get("namespace")
    if stated not in (None, "", namespace):
        return _refusal(
            f"Document {number} is for namespace {shown(stated)}, but the request is for "
            f"'{namespace}'; make them agree.",
            number,
            "metadata.namespace",
            code="namespace_conflict",
        )
    return {**document, "metadata": {**metadata, "namespace": namespace}}


def _name(metadata: Object, kind: Kind, number: int) -> str | Refusal:
    if metadata.get("generateName") not in (None, ""):
        return _refusal(
            f"Document {number} asks for a generated name; give a fixed one in metadata.name.",
            number,
            "metadata.generateName",
        )
    name = metadata.get("name")
    if not isinstance(name, str):
        return _refusal(
            f"Document {number} needs a name; if it looks like a number, quote it.",
            number,
            "metadata.name",
        )
    refusal = name_refusal(name, label=kind is Kind.SERVICE)
    if refusal is None:
        return name
    details = {"document": str(number), "path": "metadata.name"}
    return Refusal(
        code=refusal.code, message=f"Document {number}: {refusal.message}", details=details
    )


def _refusal(
    message: str, document: int | None = None, path: str = "", *, code: str = "invalid_manifest"
) -> Refusal:
    details = {} if document is None else {"document": str(document)}
    if path:
        details["path"] = path
    return Refusal(code=code, message=message, details=details)
