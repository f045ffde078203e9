"""One change told from the beginning to the end, from its audit records and its evidence. Pure."""

from collections.abc import Iterator, Sequence

from shared.audit import Record
from shared.digests import words
from shared.manifests import JSON
from shared.plans import Plan
from shared.stories import EVENTS, facts
from worker.ops.evidence import Document, Flaw, plan_of, read_document
from worker.ops.telling import clock_time


def story(plan_id: str, records: Sequence[Record], evidence: JSON) -> Iterator[str]:
    """Yields the lines of one plan's story; `evidence` is None where there is none."""
    yield f"plan {plan_id}"
    document = read_document(evidence) if evidence is not None else None
    plan = plan_of(document) if isinstance(document, Document) else None
    if isinstance(plan, Plan):
        yield from _opening(plan)
    digests = {str(record["digest"]) for record in records if "digest" in record}
    for digest in sorted(digests):
        yield f"  digest    {digest}"
        yield f"  words     {_words(digest)}"
    yield ""
    for record in records:
        yield from _told(record)
    if isinstance(document, Document):
        yield from _ending(document)
    elif isinstance(document, Flaw):
        yield f"The evidence file cannot be read: {document.message}"
    yield ""


def _opening(plan: Plan) -> Iterator[str]:
    yield f"  what      {plan.operation.value}: {plan.summary}"
    cluster, who = plan.cluster, plan.requester
    yield f"  where     namespace {plan.namespace}, cluster {cluster.name} ({cluster.id})"
    yield f"  risk      {plan.risk.level}"
    yield f"  for       {who.sub} ({who.iss}), client {who.client_id}, {who.assurance}"
    yield f'  reason    "{plan.reason}" (the agent\'s words, not verified)'
    yield f"  expires   {clock_time(plan.expires_at)}"


def _told(record: Record) -> Iterator[str]:
    event = str(record["event"])
    who = f" {record['sub']} ({record['iss']})" if {"sub", "iss"} <= record.keys() else ""
    time = str(record["time"])[:23].replace("T", " ")
    yield f"{time}Z  {event:<17}{who} {EVENTS.get(event, '')}".rstrip() + _facts(record)


def _facts(record: Record) -> str:
    return f" [{', '.join([*facts(record), 'record ' + str(record['seq'])])}]"


def _ending(document: Document) -> Iterator[str]:
    yield ""
    for signed in document.receipts:
        receipt = signed.receipt
        yield (
            f"receipt: {receipt.approver.sub} ({receipt.approver.iss}) signed in at "
            f"{clock_time(receipt.auth_time)}, verified at {clock_time(receipt.verified_at)}, "
            f"good until {clock_time(receipt.apply_before)}"
        )
    yield f"state: {document.state.value}"
    if document.outcome is None:
        return
    for item in document.outcome.objects:
        yield f"  {item.kind}/{item.name}: {item.action.value}: {item.result.value} {item.message}"
    if document.outcome.message:
        yield f"  {document.outcome.message}"


def _words(digest: str) -> str:
    try:
        return words(digest)
    except ValueError:
        return "(no digest)"
