"""Where the policy demands a passkey beside the login: for challenge, proof and write."""

from shared import approver_rules
from shared.addresses import origin_of
from shared.approvals import Accepted, Receipt
from shared.errors import Refusal
from shared.messages import ProofCall
from shared.plans import Identity, Plan
from worker import passkeys
from worker.context import Context
from worker.passkeys import Used


def unready_refusal(plan: Plan, approver: Identity, context: Context) -> Refusal | None:
    """Returns that somebody would sign in for nothing: they need a passkey and have none.

    Their groups are not known before the login, so only rules that name them count here.
    """
    own = passkeys.of_person(context.policy.passkeys, approver)
    needs = approver_rules.passkey_demanded(context.policy.approvers, plan, approver, frozenset())
    return passkeys.absent_refusal(()) if needs and not own else None


def second_proof(
    call: ProofCall, plan: Plan, accepted: Accepted, context: Context
) -> Used | Refusal | None:
    """Returns the passkey that signed the login's own statement; None where none is demanded.

    The caller has verified the statement. One that is not demanded is not looked at.
    """
    person = accepted.approver
    rules = context.policy.approvers
    if not approver_rules.passkey_demanded(rules, plan, person, accepted.groups):
        return None
    own = passkeys.of_person(context.policy.passkeys, person)
    if call.assertion is None or not own:
        return passkeys.absent_refusal(own)
    return passkeys.verify(
        call.assertion,
        passkeys=own,
        challenge=call.signed.statement.passkey_challenge(),
        origin=origin_of(context.settings.approval_base_url),
    )


def receipt_refusal(receipt: Receipt, plan: Plan, context: Context) -> Refusal | None:
    """Returns that today's policy demands a passkey that is not in a (correctly signed) receipt.

    One that was taken out of the policy since, because it was lost, does not count any more.
    """
    person, rules = receipt.approver, context.policy.approvers
    if not approver_rules.passkey_demanded(rules, plan, person, frozenset(receipt.groups)):
        return None
    own = passkeys.of_person(context.policy.passkeys, person)
    if receipt.passkey in {one.credential_sha256 for one in own}:
        return None
    return Refusal(
        code="receipt_without_passkey",
        message="The policy wants a passkey that this approval lacks; request the change anew.",
    )
