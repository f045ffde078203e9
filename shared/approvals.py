"""The approval protocol's documents and checks: statement, proof and receipt.

Nothing here trusts the gateway or Redis: the applier calls these checks with keys it fetched from
the identity provider itself, a statement it signed itself and a policy it read itself.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from shared.digests import approval_nonce, canonical, passkey_challenge
from shared.errors import Refusal
from shared.plans import Identity

CHALLENGE_TTL_S = 300
"""Long enough for a login with a second factor, short enough that a stolen page is worth little."""

AUTH_TIME_SKEW_S = 5
"""The provider's clock may be this far behind the applier's when it says "logged in after"."""

LEEWAY_S = 30
"""Allowed clock difference for iat and exp."""

MAX_TOKEN_AGE_S = 300
"""An ID token for an approval is used at once; an older one was kept for something else."""

MAX_GROUPS = 1000

Decision = Literal["approve"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Statement(_Frozen):
    """What one login commits to; signed by the applier, hashed into the login's nonce."""

    plan_id: str
    plan_digest: str
    decision: Decision
    approver: Identity
    challenge: str
    """32 random bytes, base64url."""
    challenge_iat: int
    expires_at: int
    cluster_id: str

    def document(self) -> bytes:
        """Returns the canonical bytes."""
        return canonical(self.model_dump(mode="json"))

    def nonce(self) -> str:
        """Returns the OpenID nonce that commits to this statement."""
        return approval_nonce(self.document())

    def passkey_challenge(self) -> bytes:
        """Returns the challenge by which a passkey commits to this statement."""
        return passkey_challenge(self.document())


class Receipt(_Frozen):
    """The applier's word that it verified a proof for exactly this plan."""

    plan_id: str
    plan_digest: str
    approver: Identity
    auth_time: int
    proof_sha256: str
    key_thumbprint: str
    """RFC 7638 thumbprint of the provider's key that signed the proof."""
    policy_sha256: str
    verified_at: int
    apply_before: int
    groups: tuple[str, ...] = ()
    """The groups in the proof by which the policy let this person approve."""
    passkey: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """SHA-256 (hex) of the id of the passkey that signed the statement, too; left out if none did,
    so that receipts from before there were passkeys keep their bytes."""

    def document(self) -> bytes:
        """Returns the canonical bytes."""
        return canonical(self.model_dump(mode="json"))


class SignedStatement(_Frozen):
    """A statement with the applier's signature."""

    statement: Statement
    signature: str


class SignedReceipt(_Frozen):
    """A receipt with the applier's signature."""

    receipt: Receipt
    signature: str


_RECEIPTS: TypeAdapter[tuple[SignedReceipt, ...]] = TypeAdapter(tuple[SignedReceipt, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A proof that passed every check."""

    approver: Identity
    auth_time: int
    session: str
    """What one login is known by: (iss, sub, auth_time, sid); spent on first use."""
    groups: frozenset[str] = frozenset()
    acr: str = ""


def addressed(claims: Mapping[str, object], client_ids: Sequence[str]) -> str:
    """Returns which of our clients a token is for, and for it alone; else the first of them."""
    audience = claims.get("aud")
    return next((one for one in client_ids if _sole_audience(audience, one)), client_ids[0])


def check_id_token_claims(
    claims: Mapping[str, object], *, issuer: str, client_id: str, now: int
) -> Refusal | None:
    """Checks the claims that every ID token of an approval must have (OIDC Core, 3.1.3.7).

    Signature, algorithm, kid, base64url and duplicate claims were checked by `shared.jose.verify`.
    """
    if claims.get("iss") != issuer:
        return _refused("proof_issuer", "The login came from another identity provider.")
    if not _sole_audience(claims.get("aud"), client_id):
        return _refused("proof_audience", "The login was made for another application.")
    if claims.get("azp", client_id) != client_id:
        return _refused("proof_authorized_party", "The login was made for another application.")
    if "scope" in claims or "client_id" in claims:
        return _refused("proof_not_an_id_token", "An access token does not prove an approval.")
    return _check_times(claims, now=now)


def challenge_refusal(statement: Statement, *, now: int) -> Refusal | None:
    """Returns why it is too late to prove a statement."""
    if now >= statement.expires_at:
        return _refused("challenge_expired", "The approval took too long; start it again.")
    return None


def check_statement(
    statement: Statement,
    claims: Mapping[str, object],
    *,
    plan_digest: str,
    cluster_id: str,
) -> Accepted | Refusal:
    """Checks that one login was made for one statement about one plan, and after the challenge.

    That the statement is ours and its challenge live was asked before: `challenge_refusal`.
    """
    if statement.plan_digest != plan_digest or statement.cluster_id != cluster_id:
        return _refused("statement_of_another_plan", "The approval is for another plan.")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), statement.nonce().encode()
    ):
        return _refused("proof_nonce", "The login does not commit to this plan.")
    auth_time = claims["auth_time"]
    if not isinstance(auth_time, int) or auth_time < statement.challenge_iat - AUTH_TIME_SKEW_S:
        return _refused("proof_not_fresh", "The login is older than the approval; sign in again.")
    if statement.decision != "approve":
        return _refused("proof_decision", "The login commits to another decision.")
    subject = claims.get("sub")
    approver = Identity(iss=str(claims["iss"]), sub=str(subject))
    if not isinstance(subject, str) or approver != statement.approver:
        return _refused("proof_of_somebody_else", "Somebody else signed in to approve.")
    session = "\0".join((approver.iss, approver.sub, str(auth_time), str(claims.get("sid", ""))))
    return Accepted(
        approver=approver,
        auth_time=auth_time,
        session=session,
        groups=groups_in(claims),
        acr=str(claims.get("acr", "")),
    )


def groups_in(claims: Mapping[str, object]) -> frozenset[str]:
    """Returns the groups that a provider signed into a token; none when there are too many."""
    listed = claims.get("groups")
    if not isinstance(listed, list) or len(listed) > MAX_GROUPS:
        return frozenset()
    return frozenset(group for group in listed if isinstance(group, str))


def receipt_refusal(receipt: Receipt, *, plan_digest: str, now: int) -> Refusal | None:
    """Returns why a (correctly signed) receipt does not allow applying now."""
    if receipt.plan_digest != plan_digest:
        return _refused("receipt_of_another_plan", "The approval is for another plan.")
    if now >= receipt.apply_before:
        return Refusal(
            code="approval_expired", message="The approval has expired; request the change anew."
        )
    return None


def read_signed_statement(document: str | bytes) -> SignedStatement | Refusal:
    """Returns a stored or posted statement, or that it is unreadable."""
    try:
        return SignedStatement.model_validate_json(document)
    except ValidationError:
        return _refused("statement_unreadable", "The approval cannot be read; start it again.")


def read_signed_receipt(document: str | bytes) -> SignedReceipt | Refusal:
    """Returns a stored receipt, or that it is unreadable."""
    try:
        return SignedReceipt.model_validate_json(document)
    except ValidationError:
        return _refused("receipt_unreadable", "The stored approval is damaged; approve again.")


def read_signed_receipts(document: str | bytes) -> tuple[SignedReceipt, ...] | Refusal:
    """Returns the earlier receipts of a plan that needs several, or that they are unreadable."""
    try:
        return _RECEIPTS.validate_json(document)
    except ValidationError:
        return _refused("receipt_unreadable", "The stored approval is damaged; approve again.")


def signed_receipts_json(receipts: Sequence[SignedReceipt]) -> str:
    """Returns receipts as they are stored."""
    return _RECEIPTS.dump_json(tuple(receipts)).decode()


def _check_times(claims: Mapping[str, object], *, now: int) -> Refusal | None:
    times = [claims.get(name) for name in ("exp", "iat", "auth_time")]
    if not all(isinstance(time, int) and not isinstance(time, bool) for time in times):
        return _refused(
            "proof_times",
            "The login lacks exp, iat or auth_time; ask the operator to map auth_time.",
        )
    exp, iat, auth_time = (int(str(time)) for time in times)
    if now >= exp + LEEWAY_S:
        return _refused("proof_expired", "The login has expired; sign in again.")
    if iat > now + LEEWAY_S or auth_time > now + LEEWAY_S:
        return _refused("proof_from_the_future", "The identity provider's clock is ahead.")
    if iat < now - MAX_TOKEN_AGE_S:
        return _refused("proof_too_old", "The login is too old; sign in again.")
    return None


def _sole_audience(audience: object, client_id: str) -> bool:
    return audience in (client_id, [client_id])


def _refused(code: str, message: str) -> Refusal:
    return Refusal(code=code, message=message)
