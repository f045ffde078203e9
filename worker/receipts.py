"""Which stored approvals still count: signed by an applier, for this digest, by people of today.

Redis may hold any receipts; what counts is decided here, for the proof that adds one and again for
the write.
"""

from collections.abc import Iterable

from shared import approvals, approver_rules
from shared.approvals import Receipt, SignedReceipt
from shared.errors import Refusal
from shared.plans import Plan
from shared.seals import RECEIPT_DOMAIN, signature_holds
from shared.stores.plan_records import StoredPlan
from worker import second_proof
from worker.context import Context


def authentic(signed: SignedReceipt, context: Context) -> bool:
    """Says whether an applier signed a receipt."""
    document = signed.receipt.document()
    return signature_holds(context.keys.receipt_public, RECEIPT_DOMAIN, document, signed.signature)


def earlier(stored: StoredPlan, plan: Plan, context: Context) -> tuple[SignedReceipt, ...]:
    """Returns the receipts before the last one that still count, one for each person."""
    if stored.co_receipts is None:
        return ()
    listed = approvals.read_signed_receipts(stored.co_receipts)
    if isinstance(listed, Refusal):
        return ()
    counted: dict[tuple[str, str], SignedReceipt] = {}
    for signed in listed:
        if _counts(signed, stored, plan, context):
            approver = signed.receipt.approver
            counted.setdefault((approver.iss, approver.sub), signed)
    return tuple(counted.values())


def missing_refusal(
    last: Receipt, before: Iterable[SignedReceipt], plan: Plan, context: Context
) -> Refusal | None:
    """Returns that too few different people approved; None when they are enough."""
    people = {(one.receipt.approver.iss, one.receipt.approver.sub) for one in before}
    people.add((last.approver.iss, last.approver.sub))
    needed = approver_rules.approvals_needed(context.policy.approvers, plan)
    if len(people) >= needed:
        return None
    return Refusal(
        code="approvals_missing",
        message=f"{len(people)} of {needed} people have approved; others must, too.",
    )


def _counts(signed: SignedReceipt, stored: StoredPlan, plan: Plan, context: Context) -> bool:
    receipt = signed.receipt
    allowed = approver_rules.approver_refusal(
        context.policy.approvers, plan, receipt.approver, groups=frozenset(receipt.groups)
    )
    return (
        receipt.plan_digest == stored.sealed.digest
        and allowed is None
        and second_proof.receipt_refusal(receipt, plan, context) is None
        and authentic(signed, context)
    )
