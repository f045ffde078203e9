"""What may be asked to be changed, and why a request is refused before anything is looked up; pure.

As `shared.questions` for reading: the gateway asks before it queues, the worker asks again.
"""

from collections.abc import Iterable
from typing import Final

from shared.errors import Refusal
from shared.manifests import MAX_BYTES
from shared.messages import PlanCall
from shared.plans import Operation
from shared.questions import name_refusal, namespace_refusal

MAX_REPLICAS: Final = 5
"""Of the contract; a policy can lower it, not raise it."""

MAX_IMAGE_LENGTH: Final = 1024


def request_refusal(call: PlanCall, allowed: Iterable[str]) -> Refusal | None:
    """Returns why a request cannot become a plan; None when it can be looked into.

    Order: namespace, name, bounds, what the operation needs.
    """
    refusal = namespace_refusal(call.namespace, allowed)
    if refusal is not None:
        return refusal
    if call.operation in {Operation.APPLY, Operation.DELETE}:
        return _manifest_refusal(call.manifest)
    refusal = name_refusal(call.name or "")
    if refusal is not None:
        return refusal
    if call.operation is Operation.SCALE:
        return _replicas_refusal(call.replicas)
    if call.operation is Operation.SET_IMAGE:
        return _image_refusal(call)
    return None


def _manifest_refusal(manifest: str | None) -> Refusal | None:
    if not (manifest or "").strip():
        return Refusal(code="manifest_required", message="Manifest is required.")
    if len((manifest or "").encode()) > MAX_BYTES:
        return Refusal(
            code="manifest_too_large",
            message=f"The manifest is larger than {MAX_BYTES // 1024} KiB; split it.",
        )
    return None


def _replicas_refusal(replicas: int | None) -> Refusal | None:
    if replicas is None or not 0 <= replicas <= MAX_REPLICAS:
        return Refusal(
            code="invalid_replicas", message=f"Replicas must be between 0 and {MAX_REPLICAS}."
        )
    return None


def _image_refusal(call: PlanCall) -> Refusal | None:
    if not (call.container or "").strip():
        return Refusal(code="container_required", message="Container name is required.")
    refusal = name_refusal(call.container or "", what="Container name")
    if refusal is not None:
        return refusal
    image = call.image or ""
    if not image.strip():
        return Refusal(code="image_required", message="Image is required.")
    if len(image) > MAX_IMAGE_LENGTH or any(character.isspace() for character in image):
        return Refusal(code="invalid_image", message="Image is not a valid image reference.")
    return None
