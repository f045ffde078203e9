"""What a terminal believes: signatures under pinned keys, over exactly this plan and person. Pure.

Each refusal here means that somebody between planner, applier and this terminal does not carry what
they were given.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from shared.approvals import LEEWAY_S, Receipt, SignedReceipt, SignedStatement
from shared.digests import words
from shared.errors import BadConfiguration, Refusal
from shared.plans import Identity, Plan, SealedPlan, read_plan
from shared.seals import (
    RECEIPT_DOMAIN,
    STATEMENT_DOMAIN,
    plan_seal_holds,
    proof_key_from_text,
    signature_holds,
    signing_key_from_text,
)
from shared.settings import TerminalSettings

LIES: Final = frozenset(
    {
        "seal_broken",
        "another_plan",
        "statement_forged",
        "statement_of_another_plan",
        "receipt_missing",
    }
)
"""Codes of refusals after which the approvals service is not to be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The public keys of planners (`seal`) and appliers, as the approver got them."""

    seal: tuple[Ed25519PublicKey, ...]
    receipt: tuple[Ed25519PublicKey, ...]
    proof: X25519PublicKey

    @classmethod
    def of(cls, settings: TerminalSettings) -> Self:
        """Returns what the settings pin.

        Raises:
            BadConfiguration: one is no key.
        """
        try:
            return cls(
                seal=tuple(map(signing_key_from_text, settings.seal_public_keys)),
                receipt=tuple(map(signing_key_from_text, settings.receipt_public_keys)),
                proof=proof_key_from_text(settings.proof_public_key),
            )
        except ValueError:
            raise BadConfiguration(
                "A pinned key is not 32 bytes as unpadded base64url: look at "
                "INFRA_GATE_SEAL_PUBLIC_KEYS, INFRA_GATE_RECEIPT_PUBLIC_KEYS and "
                "INFRA_GATE_PROOF_PUBLIC_KEY."
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A plan under a pinned planner's seal, and its digest as this terminal computed it."""

    plan: Plan
    digest: str

    @property
    def words(self) -> str:
        """The digest in six words."""
        return words(self.digest)


def opened(document: bytes, seal: str, *, plan_id: str, pins: Pins) -> Opened | Refusal:
    """Returns the plan in `document`, or why it is not the sealed plan that was asked for."""
    plan = read_plan(document)
    if isinstance(plan, Refusal):
        return _lie("seal_broken", "What came is no plan.")
    digest = SealedPlan(document=document, seal=seal).digest
    if not plan_seal_holds(pins.seal, digest, plan.expires_at, seal):
        return _lie("seal_broken", "The plan that came is not under a pinned planner's seal.")
    if plan.id != plan_id:
        return _lie("another_plan", "What came is another plan than the one that was asked for.")
    return Opened(plan=plan, digest=digest)


def statement_refusal(
    signed: SignedStatement, shown: Opened, approver: Identity, *, pins: Pins, now: int
) -> Refusal | None:
    """Returns why a login must not commit to this statement; None if it is about what was shown."""
    statement = signed.statement
    if not signature_holds(pins.receipt, STATEMENT_DOMAIN, statement.document(), signed.signature):
        return _lie("statement_forged", "No pinned applier signed what the login would commit to.")
    about = (
        statement.plan_id,
        statement.plan_digest,
        statement.decision,
        statement.approver,
        statement.cluster_id,
    )
    plan = shown.plan
    if about != (plan.id, shown.digest, "approve", approver, plan.cluster.id):
        return _lie(
            "statement_of_another_plan",
            "The login would commit to another plan, cluster or person than those shown.",
        )
    if not statement.challenge_iat - LEEWAY_S <= now < statement.expires_at:
        return Refusal(
            code="challenge_expired",
            message="The applier's statement is not of now: an old one, or clocks differ.",
        )
    return None


def receipt_for(
    token: str, shown: Opened, approver: Identity, receipts: Sequence[SignedReceipt], *, pins: Pins
) -> Receipt | Refusal:
    """Returns the applier's signed word that it verified exactly this login for this plan."""
    proof = hashlib.sha256(token.encode()).hexdigest()
    for signed in receipts:
        receipt = signed.receipt
        about = (receipt.plan_id, receipt.plan_digest, receipt.approver, receipt.proof_sha256)
        if about == (shown.plan.id, shown.digest, approver, proof) and signature_holds(
            pins.receipt, RECEIPT_DOMAIN, receipt.document(), signed.signature
        ):
            return receipt
    return _lie("receipt_missing", "There is no receipt that a pinned applier signed for it.")


def _lie(code: str, message: str) -> Refusal:
    return Refusal(code=code, message=message)
