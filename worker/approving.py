"""Approving a plan: the challenge, the proof and its receipt. The other way is `withdrawing`.

The gateway is believed in one thing only: a *no*. A *yes* needs a proof that the identity provider
signed, fresh, for exactly this plan. Checks run in the order of docs/security.md; each refusal has
a constant code, and that code is what the audit log keeps.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared import approvals, approver_rules, jose
from shared.approvals import Accepted, Receipt, SignedReceipt, SignedStatement, Statement
from shared.digests import base64url
from shared.errors import BadConfiguration, Refusal
from shared.manifests import JSON
from shared.messages import ChallengeCall, ProofCall
from shared.plans import APPLY_WINDOW_S, Identity, Mover, Plan, State, move_refusal
from shared.seals import RECEIPT_DOMAIN, STATEMENT_DOMAIN, decrypt_proof, sign, signature_holds
from shared.stores.plan_records import StoredPlan
from worker import claims, receipts, remembering
from worker.context import Context
from worker.notices import Event, Notice
from worker.passkeys import Used
from worker.second_proof import second_proof, unready_refusal
from worker.vault import open_plan

SPENT_KEEP_S = 24 * 60 * 60
"""A login's auth_time must lie after the challenge, so an older one is refused anyway."""


def challenge(call: ChallengeCall, context: Context) -> JSON | Refusal:
    """Returns a signed statement for one approver and one plan, as JSON."""
    opened = open_plan(call.plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    now = int(context.clock())
    refusal = (
        _pending_refusal(stored, plan, now=now)
        or approver_rules.approver_refusal(context.policy.approvers, plan, call.approver)
        or unready_refusal(plan, call.approver, context)
    )
    if refusal is not None:
        return refusal
    statement = Statement(
        plan_id=plan.id,
        plan_digest=stored.sealed.digest,
        decision="approve",
        approver=call.approver,
        challenge=base64url(secrets.token_bytes(32)),
        challenge_iat=now,
        expires_at=min(now + context.settings.challenge_ttl_s, plan.expires_at),
        cluster_id=plan.cluster.id,
    )
    context.audit.record(
        "challenge.issued", plan=plan.id, digest=stored.sealed.digest, **_who(call.approver)
    )
    signature = sign(_receipt_key(context), STATEMENT_DOMAIN, statement.document())
    signed: JSON = SignedStatement(statement=statement, signature=signature).model_dump(mode="json")
    return signed


def prove(call: ProofCall, context: Context) -> JSON | Refusal:
    """Verifies a proof, signs the receipt and approves the plan; or says why not."""
    result = _verified(call, context)
    if isinstance(result, Refusal):
        context.audit.record("proof.refused", plan=call.plan_id, code=result.code)
        return result
    stored, plan, receipt = result.stored, result.plan, result.receipt
    # Recorded before it takes effect: an approval that nobody can read about must not exist.
    context.audit.record(
        "proof.accepted",
        plan=call.plan_id,
        digest=receipt.plan_digest,
        proof=receipt.proof_sha256,
        key=receipt.key_thumbprint,
        policy=receipt.policy_sha256,
        **_who(receipt.approver),
        **_passkey(result.used),
    )
    # Redis may have forgotten that the login was used; the cluster has not.
    if not claims.spend_login(context.cluster, result.session, expires_at=plan.expires_at):
        refusal = _replayed()
        context.audit.record("proof.refused", plan=call.plan_id, code=refusal.code)
        return refusal
    signature = sign(_receipt_key(context), RECEIPT_DOMAIN, receipt.document())
    signed = SignedReceipt(receipt=receipt, signature=signature)
    before = receipts.earlier(stored, plan, context)
    state, fields = State.APPROVED, {"receipt": signed.model_dump_json()}
    if receipts.missing_refusal(receipt, before, plan, context) is not None:
        state = State.PENDING
        fields = {"co_receipts": approvals.signed_receipts_json((*before, signed))}
    needed = approver_rules.approvals_needed(context.policy.approvers, plan)
    given = f"{len(before) + 1} of {needed} approvals"
    # Told before Redis has the receipt: it could keep it and pretend that it did not answer.
    context.notices.tell(
        Notice.of(
            Event.APPROVED,
            plan,
            receipt.plan_digest,
            at=receipt.verified_at,
            by=receipt.approver,
            detail=given,
        )
    )
    if not context.plans.move(stored, state, fields):
        return Refusal(
            code="already_decided", message="Somebody else decided this plan just now; look again."
        )
    if state is State.APPROVED:
        approved = replace(stored, receipt=fields["receipt"])
        remembering.remember(approved, plan, state, context)
    return {"state": state.value, "approvals": len(before) + 1, "needed": needed}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proven:
    """A proof that passed every check, and its receipt, which nobody has signed yet."""

    stored: StoredPlan
    plan: Plan
    receipt: Receipt
    session: str
    """The login, as `Accepted.session` names it."""
    used: Used | None


def _verified(call: ProofCall, context: Context) -> _Proven | Refusal:
    """Runs every check, (1) to (9); the caller must still record, sign and move."""
    now = int(context.clock())
    opened = _opened_token(call, context, now=now)
    if isinstance(opened, Refusal):
        return opened
    token, verified = opened
    decided = _decided_plan(call, verified, context, now=now)
    if isinstance(decided, Refusal):
        return decided
    stored, plan, accepted = decided

    # (7) The policy lets this person approve this plan, by a login of this strength, once.
    refusal = _person_refusal(stored, plan, accepted, context)
    if refusal is not None:
        return refusal

    # (8) Where the policy demands it, a passkey of the policy signed the same statement.
    used = second_proof(call, plan, accepted, context)
    if isinstance(used, Refusal):
        return used

    # (9) The login was not used before.
    if not context.plans.spend(accepted.session, keep_s=SPENT_KEEP_S):
        return _replayed()
    receipt = Receipt(
        plan_id=plan.id,
        plan_digest=stored.sealed.digest,
        approver=accepted.approver,
        auth_time=accepted.auth_time,
        proof_sha256=hashlib.sha256(token.encode()).hexdigest(),
        key_thumbprint=verified.thumbprint,
        policy_sha256=context.policy.sha256,
        verified_at=now,
        apply_before=min(now + APPLY_WINDOW_S, plan.expires_at),
        groups=_groups_that_count(plan, accepted, context),
        passkey=None if used is None else used.credential_sha256,
    )
    return _Proven(stored=stored, plan=plan, receipt=receipt, session=accepted.session, used=used)


def _replayed() -> Refusal:
    return Refusal(code="proof_replayed", message="One login approves one plan; sign in again.")


def _person_refusal(
    stored: StoredPlan, plan: Plan, accepted: Accepted, context: Context
) -> Refusal | None:
    rules = context.policy.approvers
    refusal = approver_rules.approver_refusal(
        rules, plan, accepted.approver, groups=accepted.groups
    ) or approver_rules.acr_refusal(rules, plan, accepted)
    if refusal is not None:
        return refusal
    before = receipts.earlier(stored, plan, context)
    if any(signed.receipt.approver == accepted.approver for signed in before):
        return Refusal(
            code="already_approved_by_you",
            message="You have approved this plan already; somebody else must, too.",
        )
    return None


def _groups_that_count(plan: Plan, accepted: Accepted, context: Context) -> tuple[str, ...]:
    """The groups of the proof that the policy names: no others are anybody's business."""
    named = {
        one.group
        for rule in context.policy.approvers
        if rule.covers(plan)
        for one in rule.groups
        if one.iss == accepted.approver.iss
    }
    return tuple(sorted(named & accepted.groups))


def _opened_token(
    call: ProofCall, context: Context, *, now: int
) -> tuple[str, jose.Verified] | Refusal:
    # (1) The token was encrypted to this applier, for this statement.
    statement = call.signed.statement.document()
    opened = (
        decrypt_proof(key, call.sealed_token, statement=statement) for key in _proof_keys(context)
    )
    token = next((token for token in opened if token is not None), None)
    if token is None:
        return Refusal(code="proof_unreadable", message="The proof cannot be opened; try again.")

    # (2) Size, base64url, header, algorithm, kid, signature, no duplicate claims.
    kid = jose.key_id(token)
    if isinstance(kid, Refusal):
        return kid
    verified = jose.verify(token, context.provider_keys.keys_for(kid))
    if isinstance(verified, Refusal):
        return verified

    # (3) Issuer, sole audience, authorized party, an ID token, times in their windows. Pages and
    # terminals are clients of their own; a token is for exactly one of them.
    refusal = approvals.check_id_token_claims(
        verified.claims,
        issuer=context.settings.oauth_authority,
        client_id=approvals.addressed(verified.claims, context.settings.proof_audiences),
        now=now,
    )
    return refusal or (token, verified)


def _decided_plan(
    call: ProofCall, verified: jose.Verified, context: Context, *, now: int
) -> tuple[StoredPlan, Plan, Accepted] | Refusal:
    # (4) The statement is an applier's own, and its challenge live.
    statement, signature = call.signed.statement, call.signed.signature
    if not signature_holds(
        context.keys.receipt_public, STATEMENT_DOMAIN, statement.document(), signature
    ):
        return Refusal(code="statement_forged", message="The approval was not issued by us.")
    late = approvals.challenge_refusal(statement, now=now)
    if late is not None:
        return late

    # (5) The plan is sealed, pending, not expired and for this cluster.
    opened = open_plan(call.plan_id, context)
    if isinstance(opened, Refusal):
        return opened
    stored, plan = opened
    refusal = _pending_refusal(stored, plan, now=now)
    if refusal is not None:
        return refusal

    # (6) Digest, nonce, fresh login, decision, the same person.
    accepted = approvals.check_statement(
        statement,
        verified.claims,
        plan_digest=stored.sealed.digest,
        cluster_id=plan.cluster.id,
    )
    return accepted if isinstance(accepted, Refusal) else (stored, plan, accepted)


def _pending_refusal(stored: StoredPlan, plan: Plan, *, now: int) -> Refusal | None:
    if now >= plan.expires_at:
        return Refusal(code="plan_expired", message="The plan has expired; ask for it anew.")
    return move_refusal(stored.state, State.APPROVED, Mover.APPROVER)


def _passkey(used: Used | None) -> dict[str, str | int]:
    """For the record: a counter that goes back tells an operator of a copied authenticator."""
    if used is None:
        return {}
    return {"passkey": used.credential_sha256, "passkey_count": used.count}


def _who(identity: Identity) -> dict[str, str]:
    return {"iss": identity.iss, "sub": identity.sub}


def _receipt_key(context: Context) -> Ed25519PrivateKey:
    if context.keys.receipt is None:
        raise BadConfiguration("This worker has no receipt key; it is not an applier.")
    return context.keys.receipt


def _proof_keys(context: Context) -> tuple[X25519PrivateKey, ...]:
    if not context.keys.proofs:
        raise BadConfiguration("This worker has no proof key; it is not an applier.")
    return context.keys.proofs
