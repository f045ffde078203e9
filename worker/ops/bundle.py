"""One change as one file that verifies alone: its evidence, the log around it, and the anchors.

A record can be checked only together with all that follow it up to an anchor, so the file holds
that whole piece of the log, with what else happened in between.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.audit import Head, Problem, Record, Value, follow, record_line
from shared.audit_anchors import Anchor, Comparison, anchor_line, checked_anchors
from shared.errors import BadConfiguration
from shared.manifests import JSON
from shared.seals import public_text
from worker.ops.believing import Believed, named_keys
from worker.ops.evidence import flaws, log_flaws
from worker.ops.logs import CheckedLog, piece

FORMAT: Final = "infragate/evidence-bundle/v1"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Piece(_Frozen):
    """A run of records of one log, the head before it, and the anchors that cover it."""

    after_seq: int
    after_hash: str
    records: tuple[dict[str, Value], ...]
    anchors: tuple[dict[str, Value], ...]


class PublicKeys(_Frozen):
    """Public keys as base64url."""

    seal: tuple[str, ...]
    receipt: tuple[str, ...]


class Bundle(_Frozen):
    """The file. `evidence` is null for a plan that was never applied."""

    format: str
    plan_id: str
    evidence: dict[str, object] | None
    logs: tuple[Piece, ...]
    keys: PublicKeys
    """Whom the exporter believed: a help for comparing, no reason to believe them."""

    @property
    def evidence_id(self) -> object:
        """Returns the id in the evidence's plan."""
        plan = (self.evidence or {}).get("plan")
        return plan.get("id") if isinstance(plan, dict) else None


def make_bundle(
    plan_id: str, evidence: JSON, logs: Sequence[CheckedLog], believed: Believed
) -> Bundle:
    """Returns the bundle of one plan from checked logs.

    Raises:
        AuditUnavailable: a log cannot be read again.
    """
    pieces = [_piece(log, plan_id) for log in logs]
    return Bundle(
        format=FORMAT,
        plan_id=plan_id,
        evidence=evidence if isinstance(evidence, dict) else None,
        logs=tuple(found for found in pieces if found is not None),
        keys=PublicKeys(
            seal=tuple(map(public_text, believed.seal)),
            receipt=tuple(map(public_text, believed.receipt)),
        ),
    )


def read_bundle(raw: bytes) -> Bundle | None:
    """Returns the bundle in a file, or None if it is none."""
    try:
        bundle = Bundle.model_validate_json(raw)
    except ValidationError:
        return None
    return bundle if bundle.format == FORMAT else None


def keys_in(bundle: Bundle) -> Believed:
    """Returns the keys that the file itself names.

    Raises:
        BadConfiguration: they are none.
    """
    return named_keys(bundle.keys.seal, bundle.keys.receipt)


def check_bundle(bundle: Bundle, believed: Believed) -> list[tuple[str, str, str]]:
    """Returns what is wrong with a file: where in it, a code, and a sentence."""
    found: list[tuple[str, str, str]] = []
    records: list[Record] = []
    for number, part in enumerate(bundle.logs, start=1):
        theirs, problems = _check_piece(part, bundle.plan_id, believed)
        records += theirs
        found += [
            (f"log {number} record {problem.line}", problem.code, problem.message)
            for problem in problems
        ]
    if len(bundle.logs) > 1:
        records.sort(key=lambda record: str(record["time"]))
    if bundle.evidence is None:
        wrong = log_flaws(records)
    else:
        wrong = flaws(bundle.evidence, records, believed)  # type: ignore[arg-type]  # was JSON
        if bundle.evidence_id != bundle.plan_id:
            found.append(("evidence", "evidence_of_another_plan", "It is of another plan."))
    return found + [("evidence", flaw.code, flaw.message) for flaw in wrong]


def _check_piece(
    part: Piece, plan_id: str, believed: Believed
) -> tuple[list[Record], list[Problem]]:
    """The records of the plan in one piece, and what is wrong with the piece."""
    raw = [anchor_line(anchor) for anchor in map(_anchor, part.anchors) if anchor is not None]
    anchors = checked_anchors(raw, believed.anchors)
    comparison = Comparison(anchors.anchors)
    problems = list(anchors.problems)
    records: list[Record] = []
    lines = [record_line(record) for record in part.records]
    for line in follow(lines, after=Head(seq=part.after_seq, hash=part.after_hash)):
        problems += [*line.problems, *comparison.pass_line(line)]
        if line.record is not None and line.record.get("plan") == plan_id:
            records.append(line.record)
    problems += comparison.missing(len(lines))
    if any(int(record["seq"]) > comparison.covered for record in records):
        text = "No believed anchor in the file covers all records of the plan."
        problems.append(Problem(line=len(lines), code="unanchored", message=text))
    return records, problems


def _piece(log: CheckedLog, plan_id: str) -> Piece | None:
    seqs = [int(record["seq"]) for record in log.records if record["plan"] == plan_id]
    if not seqs:
        return None
    covering = [anchor for anchor in log.anchors.anchors if anchor.seq >= seqs[-1]]
    anchor = min(covering, key=lambda anchor: anchor.seq, default=None)
    lines = piece(log.place, seqs[0], anchor.seq if anchor else seqs[-1])
    records = [line.record for line in lines if line.record is not None]
    if not records:
        raise BadConfiguration(f"{log.place.log} changed while it was read.")
    return Piece(
        after_seq=int(records[0]["seq"]) - 1,
        after_hash=str(records[0]["prev"]),
        records=tuple(records),
        anchors=() if anchor is None else (asdict(anchor),),
    )


def _anchor(value: dict[str, Value]) -> Anchor | None:
    try:
        return Anchor(**value)  # type: ignore[arg-type]  # its signature is checked next
    except TypeError:
        return None
