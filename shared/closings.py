"""What is kept of a plan that somebody decided, after the plan itself is gone. Pure.

An applier signs it. It holds who asked, who decided, what it was about and how it ended: no values
of objects, so that it may be kept for longer than plans are.
"""

from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict

from shared.digests import canonical
from shared.errors import Refusal
from shared.plans import ClusterRef, Identity, Operation, Plan, Requester, State
from shared.seals import CLOSING_DOMAIN, sign, signature_holds

MAX_MESSAGE = 300
"""Characters of an outcome's message."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Closing(_Frozen):
    """One decided plan in short. All times are epoch seconds."""

    version: Literal[1] = 1
    plan_id: str
    plan_digest: str
    cluster: ClusterRef
    namespace: str
    operation: Operation
    summary: str
    objects: int
    risk: Literal["low", "medium", "high"]
    requester: Requester
    state: State
    rollout: str = ""
    """How its rollouts went, as `shared.outcomes.Verdict`; empty while nobody knows."""
    code: str = ""
    message: str = ""
    approvers: tuple[Identity, ...] = ()
    """Who approved, by receipts whose signature the applier checked."""
    decided_by: Identity | None = None
    """Who denied it, revoked its approval or cancelled it."""
    reason: str = ""
    """What that person gave as their reason."""
    created_at: int
    expires_at: int
    decided_at: int
    ended_at: int
    """When it came to `state`."""

    @property
    def id(self) -> str:
        """The plan's id."""
        return self.plan_id

    def document(self) -> bytes:
        """Returns the canonical bytes; these are signed."""
        return canonical(self.model_dump(mode="json"))


class SignedClosing(_Frozen):
    """A closing with an applier's signature; not yet checked."""

    closing: Closing
    signature: str

    def holds(self, keys: tuple[Ed25519PublicKey, ...]) -> bool:
        """Says whether one of these appliers signed it."""
        return signature_holds(keys, CLOSING_DOMAIN, self.closing.document(), self.signature)


def closing_of(plan: Plan, digest: str, **ended: object) -> Closing:
    """Returns what is kept of a plan; `ended` are the fields that say how it ended."""
    known = {
        "plan_id": plan.id,
        "plan_digest": digest,
        "cluster": plan.cluster,
        "namespace": plan.namespace,
        "operation": plan.operation,
        "summary": plan.summary,
        "objects": len(plan.objects),
        "risk": plan.risk.level,
        "requester": plan.requester,
        "created_at": plan.created_at,
        "expires_at": plan.expires_at,
    }
    return Closing.model_validate({**known, **ended})


def signed_closing(key: Ed25519PrivateKey, closing: Closing) -> SignedClosing:
    """Returns a closing with the signature of an applier."""
    return SignedClosing(closing=closing, signature=sign(key, CLOSING_DOMAIN, closing.document()))


def read_signed_closing(document: str | bytes) -> SignedClosing | Refusal:
    """Returns a stored closing, or that it is unreadable."""
    try:
        signed = SignedClosing.model_validate_json(document)
        signed.closing.document()
    except ValueError:  # also what no canonical document can hold
        return Refusal(code="closing_unreadable", message="The record of this plan is damaged.")
    return signed
