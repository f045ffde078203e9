"""What an operator is told of a problem: where it is, what it is, and what to do."""

from dataclasses import dataclass
from typing import Final

_TAMPERED: Final = (
    "Keep the file as it is, stop the workers, compare with a copy or the log collector's."
)
_DAMAGED: Final = "If a disk or a copy is to blame, restore the file; else treat it as tampering."

ADVICE: Final = {
    "unreadable": _DAMAGED,
    "gap": _TAMPERED,
    "chain": _TAMPERED,
    "changed": _TAMPERED,
    "tail_cut": _TAMPERED,
    "rewritten": _TAMPERED,
    "unanchored": "Look for audit.unanchored in the workers' log; "
    "a reader's own log has no anchors (--without-anchors).",
    "anchor_unreadable": _DAMAGED,
    "anchor_forged": "Name the former key with --seal-key or --receipt-key, "
    "if there was one; else somebody else writes there.",
    "plan_changed": "Do not trust this file; the audit log has the digest of the real plan.",
    "seal_broken": "Name the former planner's key with --seal-key, if there was one; "
    "else do not trust this file.",
    "receipt_missing": "Find out how this was written: look at the records of this plan.",
    "receipt_twice": "Ask both people; the policy may have wanted two.",
    "receipt_forged": "Name the former applier's key with --receipt-key, if there was one; "
    "else somebody made this up.",
    "receipt_of_another_plan": "Do not trust this file.",
    "receipt_times": "Compare with the identity provider's log of that login.",
    "outcome_contradicts": "Look at the objects in the cluster; do not trust this file.",
    "evidence_changed": "Do not trust this file; restore it, or name the former applier's key.",
    "evidence_unsigned": "It was written by a version before signatures, or by somebody else.",
    "evidence_unreadable": _DAMAGED,
    "evidence_missing": "The worker died before writing it, or it was removed; "
    "audit show still tells what the log has.",
    "evidence_of_another_plan": "Do not trust this file.",
    "audit_missing": "If the log was begun anew or another host has it, "
    "name its folder, too (--root).",
    "audit_order": _TAMPERED,
    "audit_differs": "Believe the log if its chain and anchors hold, not this file.",
    "write_without_approval": "If the log was begun anew or another host has the approval, name "
    "its folder, too (--root); else find out who wrote.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem: the file and place in it, a stable code, and a sentence."""

    where: str
    code: str
    message: str

    @property
    def line(self) -> str:
        """Returns what is printed for it."""
        advice = ADVICE.get(self.code, "")
        return f"{self.where}: {self.code}: {self.message} {advice}".rstrip()
