"""Checks one evidence document offline: plan, seal, receipts, outcome, and what the log says of it.

Pure: a parsed document, the plan's audit records and believed keys in, problems out. The provider's
ID token is nowhere stored, only its SHA-256, so its signature cannot be checked again: what stands
for it is the applier's signed receipt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.approvals import AUTH_TIME_SKEW_S, LEEWAY_S, Receipt, SignedReceipt
from shared.audit import Record
from shared.digests import canonical, plan_digest
from shared.errors import Refusal
from shared.manifests import JSON
from shared.outcomes import Outcome, Written
from shared.plans import APPLY_WINDOW_S, Plan, State, read_plan
from shared.seals import EVIDENCE_DOMAIN, RECEIPT_DOMAIN, plan_seal_holds, signature_holds
from worker.ops.believing import Believed

MAX_CHALLENGE_S: Final = 900
"""The longest life of a challenge that settings allow: a login may be that old when verified."""

ENDS: Final = {
    State.APPLIED: "apply.succeeded",
    State.FAILED: "apply.failed",
    State.OUTCOME_UNKNOWN: "apply.unknown",
}
_CALM: Final = {Written.WRITTEN, Written.UNCHANGED}
_INTERRUPTED: Final = "The worker was interrupted"
"""How an outcome begins that was read off the cluster later; object by object it may differ."""


class Document(BaseModel):
    """An evidence file, read strictly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: dict[str, object]
    digest: str
    seal: str
    receipt: SignedReceipt | None = None
    co_receipts: object = None
    """What Redis held as earlier receipts: only those that hold counted."""
    state: State
    outcome: Outcome | None = None
    signed_by: str | None = None
    signature: str | None = None

    @property
    def receipts(self) -> tuple[SignedReceipt, ...]:
        """Returns all readable receipts, the last one last."""
        listed = self.co_receipts if isinstance(self.co_receipts, list) else []
        read = [_receipt_in(item) for item in listed]
        return tuple(item for item in (*read, self.receipt) if item is not None)

    @property
    def rubbish(self) -> bool:
        """Says whether there is anything among the earlier receipts that is none."""
        listed = [] if self.co_receipts is None else self.co_receipts
        return not isinstance(listed, list) or None in map(_receipt_in, listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is wrong with a document: a stable code and a sentence."""

    code: str
    message: str


def read_document(value: JSON) -> Document | Flaw:
    """Returns the document in parsed JSON, or why it is none."""
    try:
        return Document.model_validate(value)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        return Flaw(code="evidence_unreadable", message=f"This is no evidence file ({places}).")


def plan_of(document: Document) -> Plan | Flaw:
    """Returns the plan in a document, or why its bytes are none."""
    try:
        plan = read_plan(canonical(document.plan))
    except ValueError:
        return Flaw(code="plan_changed", message="The plan is no canonical document.")
    if isinstance(plan, Refusal):
        return Flaw(code="plan_changed", message="The plan is not one that a planner wrote.")
    return plan


def flaws(value: JSON, records: Sequence[Record], believed: Believed) -> tuple[Flaw, ...]:
    """Returns what is wrong with an evidence document; `records` are its plan's, in order."""
    document = read_document(value)
    if isinstance(document, Flaw):
        return (document,)
    plan = plan_of(document)
    if isinstance(plan, Flaw):
        return (plan,)
    digest = plan_digest(canonical(document.plan))
    return (
        *_plan_flaws(document, plan, digest, believed),
        *_receipt_flaws(document, plan, digest, believed),
        *_outcome_flaws(document, plan),
        *_signature_flaws(document, value, believed),
        *_record_flaws(document, digest, records),
    )


def log_flaws(records: Sequence[Record]) -> tuple[Flaw, ...]:
    """Returns what one plan's records alone show: nothing is written before a proof is accepted."""
    events = [str(record["event"]) for record in records]
    if (
        "apply.started" in events
        and "proof.accepted" not in events[: events.index("apply.started")]
    ):
        text = "Its apply started, but no proof was accepted before."
        return (Flaw(code="write_without_approval", message=text),)
    return ()


def _plan_flaws(document: Document, plan: Plan, digest: str, believed: Believed) -> Iterator[Flaw]:
    if document.digest != digest:
        yield Flaw(code="plan_changed", message="The digest is not that of the plan.")
    if not plan_seal_holds(believed.seal, digest, plan.expires_at, document.seal):
        yield Flaw(code="seal_broken", message="No planner that is believed sealed this plan.")


def _receipt_flaws(
    document: Document, plan: Plan, digest: str, believed: Believed
) -> Iterator[Flaw]:
    if document.state in ENDS and document.receipt is None:
        yield Flaw(code="receipt_missing", message="It was applied without a receipt.")
    if document.rubbish:
        text = "Among its earlier receipts is one that is none; it did not count."
        yield Flaw(code="receipt_forged", message=text)
    people = [signed.receipt.approver for signed in document.receipts]
    if len(set(people)) != len(people):
        yield Flaw(code="receipt_twice", message="Two of its receipts are of the same person.")
    for signed in document.receipts:
        receipt, who = signed.receipt, signed.receipt.approver.sub
        if not signature_holds(
            believed.receipt, RECEIPT_DOMAIN, receipt.document(), signed.signature
        ):
            yield Flaw(
                code="receipt_forged",
                message=f"No applier that is believed signed the receipt of {who}.",
            )
        if (receipt.plan_id, receipt.plan_digest) != (plan.id, digest):
            yield Flaw(
                code="receipt_of_another_plan", message=f"The receipt of {who} is of another plan."
            )
        if not _times_fit(receipt, plan):
            yield Flaw(
                code="receipt_times",
                message=f"Times in the receipt of {who} do not fit the plan or each other.",
            )


def _receipt_in(value: object) -> SignedReceipt | None:
    try:
        return SignedReceipt.model_validate(value)
    except ValidationError:
        return None


def _times_fit(receipt: Receipt, plan: Plan) -> bool:
    window = min(receipt.verified_at + APPLY_WINDOW_S, plan.expires_at)
    oldest = receipt.verified_at - MAX_CHALLENGE_S - AUTH_TIME_SKEW_S
    return (
        plan.created_at <= receipt.verified_at < plan.expires_at
        and receipt.verified_at < receipt.apply_before <= window
        and oldest <= receipt.auth_time <= receipt.verified_at + LEEWAY_S
    )


def _outcome_flaws(document: Document, plan: Plan) -> Iterator[Flaw]:
    outcome = document.outcome
    if outcome is None:
        if document.state in ENDS:
            yield Flaw(code="outcome_contradicts", message="It ended, but has no outcome.")
        return
    planned = [(item.kind, item.name, item.action) for item in plan.objects]
    if [(item.kind, item.name, item.action) for item in outcome.objects] != planned:
        text = "The outcome is about other objects than the plan."
        yield Flaw(code="outcome_contradicts", message=text)
    calm = {item.result for item in outcome.objects} <= _CALM
    if calm != (document.state is State.APPLIED):
        text = f"The results of its objects do not make it {document.state.value}."
        yield Flaw(code="outcome_contradicts", message=text)


def _signature_flaws(document: Document, value: JSON, believed: Believed) -> Iterator[Flaw]:
    if not isinstance(value, dict) or document.signature is None:
        yield Flaw(code="evidence_unsigned", message="The file is not signed by an applier.")
        return
    unsigned = {name: part for name, part in value.items() if name != "signature"}
    if not signature_holds(
        believed.receipt, EVIDENCE_DOMAIN, canonical(unsigned), document.signature
    ):
        text = "Something in this file was changed since an applier signed it."
        yield Flaw(code="evidence_changed", message=text)


def _record_flaws(document: Document, digest: str, records: Sequence[Record]) -> Iterator[Flaw]:
    if any(record.get("digest", digest) != digest for record in records):
        text = "The audit log speaks of another digest for this plan."
        yield Flaw(code="audit_differs", message=text)
    end = ENDS.get(document.state)
    if end is None:
        return
    events = [str(record["event"]) for record in records]
    needed = ("proof.accepted", "apply.started", end)
    absent = [event for event in needed if event not in events]
    if absent:
        text = f"The audit log has no {', '.join(absent)} for it."
        yield Flaw(code="audit_missing", message=text)
    elif not (events.index("proof.accepted") < events.index("apply.started") < _last(events, end)):
        text = f"The audit log has {', '.join(needed)} in another order."
        yield Flaw(code="audit_order", message=text)
    for signed in document.receipts:
        if not any(_records_receipt(record, signed.receipt) for record in records):
            text = f"The audit log has no such proof of {signed.receipt.approver.sub}."
            yield Flaw(code="audit_differs", message=text)
    if document.outcome is not None:
        yield from _result_flaws(document.outcome, end, records)


def _result_flaws(outcome: Outcome, end: str, records: Sequence[Record]) -> Iterator[Flaw]:
    codes = {record.get("code") for record in records if record["event"] == end}
    if codes and outcome.code not in codes:
        text = f"The audit log has another reason for {end}."
        yield Flaw(code="audit_differs", message=text)
    if outcome.message.startswith(_INTERRUPTED):
        return
    said = {f"{item.kind}/{item.name}": item.result.value for item in outcome.objects}
    for record in records:
        if record["event"] == "apply.object" and said.get(_text(record, "object")) != _text(
            record, "result"
        ):
            text = f"The audit log has another result for {_text(record, 'object')}."
            yield Flaw(code="audit_differs", message=text)


def _records_receipt(record: Mapping[str, object], receipt: Receipt) -> bool:
    return record["event"] == "proof.accepted" and (
        record.get("proof"),
        record.get("iss"),
        record.get("sub"),
        record.get("key"),
        record.get("policy"),
        record.get("passkey"),
    ) == (
        receipt.proof_sha256,
        receipt.approver.iss,
        receipt.approver.sub,
        receipt.key_thumbprint,
        receipt.policy_sha256,
        receipt.passkey,
    )


def _last(events: Sequence[str], event: str) -> int:
    return len(events) - 1 - list(reversed(events)).index(event)


def _text(record: Mapping[str, object], name: str) -> str:
    return str(record.get(name, ""))
