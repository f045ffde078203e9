"""What the API server's refusal of a dry-run means for the one who asked; faults stay faults."""

from shared.errors import (
    AdmissionDenied,
    AlreadyExists,
    ClusterFault,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
)
from worker.cluster import ApplyConflict
from worker.intents import Wanted

_THEIRS = (AdmissionDenied, AlreadyExists, Conflict, Forbidden, Invalid, NotFound)
"""Answers to the request. Everything else is trouble between us and the API server."""


def of_preview(fault: ClusterFault, wanted: Wanted) -> Refusal:
    """Returns why the dry-run of one object was refused, naming the document it came from.

    Raises:
        ClusterFault: `fault` itself, when it says nothing about the request.
    """
    if not isinstance(fault, _THEIRS):
        raise fault
    subject = f"{wanted.ref.kind} '{wanted.ref.name}'"
    details = {"object": f"{wanted.ref.kind}/{wanted.ref.name}"}
    if wanted.manifest is not None:
        subject = f"Document {wanted.manifest.document} ({subject})"
        details["document"] = str(wanted.manifest.document)
    if isinstance(fault, ApplyConflict):
        owned = "; ".join(f"{cause.field} by {cause.manager}" for cause in fault.causes)
        message = (
            f"{subject}: other field managers own what would change: {owned}. "
            "Leave these fields out of the manifest, or ask their owner to change them."
        )
        return Refusal(code="field_manager_conflict", message=message, details=details)
    return Refusal(code=fault.code, message=f"{subject}: {fault.message}", details=details)
