"""How a plan and its outcome are told to the agent: redacted, compact, with what to do next. Pure.

Both faces of a result, structured and text, are made from the same redacted values.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from shared.diff_telling import (
    redacted,
    render_text,
)
from shared.diffs import (
    Change,
)
from shared.digests import words
from shared.manifests import JSON, Kind
from shared.outcomes import Outcome, Verdict
from shared.plans import Note, Plan, PlannedObject, State
from shared.untrusted import cleaned

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_LIST: Final[dict[str, Any]] = {"type": "array"}
_OBJECT: Final[dict[str, Any]] = {"type": "object"}

PLAN_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "planId": _TEXT,
        "status": _TEXT,
        "operation": _TEXT,
        "namespace": _TEXT,
        "objects": _LIST,
        "diff": _LIST,
        "warnings": _LIST,
        "findings": _LIST,
        "risk": _OBJECT,
        "digest": _TEXT,
        "words": _TEXT,
        "expiresAt": _TEXT,
        "approvalUrl": _TEXT,
        "next": _TEXT,
    },
    "required": ["status", "next"],
}
APPLY_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "planId": _TEXT,
        "status": _TEXT,
        "message": _TEXT,
        "objects": _LIST,
        "rollouts": _LIST,
        "findings": _LIST,
        "changedSince": _LIST,
        "approvalUrl": _TEXT,
        "expiresAt": _TEXT,
        "next": _TEXT,
    },
    "required": ["planId", "status", "next"],
}

_NEXT: Final = {
    State.PENDING: "Ask the person to open the approval URL, then call apply_approved_plan.",
    State.APPROVED: "Call apply_approved_plan.",
    State.APPLYING: "It is being applied; call apply_approved_plan again in a few seconds.",
    State.APPLIED: "Nothing; it was applied once and will not be applied again.",
    State.FAILED: "See what was written, mend the cause, then request a new plan.",
    State.OUTCOME_UNKNOWN: "A person must look at the cluster; do not request it again yet.",
    State.DENIED: "Do not repeat the request; ask the person what they would accept.",
    State.CANCELLED: "Request a new plan if it is still wanted.",
    State.EXPIRED: "Request a new plan if it is still wanted.",
    State.REVOKED: "Do not repeat the request; ask the person.",
    State.STALE: "Look at the cluster again and request a new plan.",
    State.SUPERSEDED: "Use the newer plan.",
}


def planned(plan: Plan, *, digest: str, state: State, url: str) -> dict[str, Any]:
    """Returns a fresh plan as structured content."""
    return {
        "planId": plan.id,
        "status": state.value,
        "operation": plan.operation.value,
        "namespace": plan.namespace,
        "summary": _clean(plan.summary),
        "objects": [
            {"kind": item.kind, "name": item.name, "action": item.action.value}
            for item in plan.objects
        ],
        "diff": [_change(item, change) for item in plan.objects for change in _redacted(item)],
        "warnings": [_clean(text) for text in plan.warnings],
        "findings": [_note(note) for note in plan.findings],
        "risk": {
            "level": plan.risk.level,
            "reasons": [_clean(reason.message) for reason in plan.risk.reasons],
        },
        "digest": digest,
        "words": words(digest),
        "expiresAt": timestamp(plan.expires_at),
        "approvalUrl": url,
        "next": _NEXT[state],
    }


def planned_text(plan: Plan, *, digest: str, url: str) -> str:
    """Returns a fresh plan as the text that the model reads."""
    head = f"Plan {plan.id} · {_clean(plan.summary)} · risk {plan.risk.level}"
    lines = [
        f"{head} · expires {timestamp(plan.expires_at)}",
        *(f"  {item.action.value} {item.kind}/{item.name}" for item in plan.objects),
    ]
    for item in plan.objects:
        lines.append(f"{item.kind}/{item.name}:")
        lines.append(render_text(_redacted(item)))
    lines += [f"risk: {_clean(reason.message)}" for reason in plan.risk.reasons]
    lines += [f"warning: {_clean(text)}" for text in plan.warnings]
    lines += [f"finding: {_clean(note.message)}" for note in plan.findings]
    lines += [f"digest words: {words(digest)}", f"Approval needed: {url}", _NEXT[State.PENDING]]
    return "\n".join(lines)


def unchanged(objects: Sequence[str]) -> dict[str, Any]:
    """Returns the answer to a request that would change nothing; `objects` are `Kind/name`."""
    named = [item.partition("/") for item in objects]
    return {
        "status": "no_change",
        "objects": [{"kind": kind, "name": name, "action": "no-op"} for kind, _, name in named],
        "next": "Nothing to do: the cluster already is as requested. No plan was made.",
    }


def status(plan: Plan, *, digest: str, state: State, url: str) -> dict[str, Any]:
    """Returns where a plan stands, for somebody who follows it."""
    return {
        **applied(plan, state=state, outcome=None, reason=None, url=url),
        "operation": plan.operation.value,
        "namespace": plan.namespace,
        "summary": _clean(plan.summary),
        "words": words(digest),
    }


def applied(
    plan: Plan, *, state: State, outcome: Outcome | None, reason: str | None, url: str
) -> dict[str, Any]:
    """Returns what became of a plan as structured content; absent parts are left out."""
    status = "approval_required" if state is State.PENDING else state.value
    result: dict[str, Any] = {"planId": plan.id, "status": status, "next": _NEXT[state]}
    if state is State.PENDING:
        result |= {"approvalUrl": url, "expiresAt": timestamp(plan.expires_at)}
    if reason:
        result["message"] = _clean(reason)
    if outcome is not None:
        result |= _outcome(outcome)
        if any(item.verdict is Verdict.PROGRESSING for item in outcome.rollouts):
            result["next"] = "The rollout goes on; call apply_approved_plan again to follow it."
        if any(item.verdict is Verdict.FAILED for item in outcome.rollouts):
            result["next"] = (
                "The rollout failed; see findings, then request a change that mends it."
            )
    return result


def applied_text(result: dict[str, Any]) -> str:
    """Returns the same as text, from the structured content itself."""
    lines = [f"Plan {result['planId']}: {result['status']}"]
    lines += [result[key] for key in ("message", "approvalUrl") if key in result]
    if "expiresAt" in result:
        lines.append(f"expires {result['expiresAt']}")
    lines += [_object_line(item) for item in result.get("objects", ())]
    lines += [
        f"rollout {item['deployment']}: {item['verdict']} · {item['message']}"
        for item in result.get("rollouts", ())
    ]
    lines += [f"finding: {item['message']}" for item in result.get("findings", ())]
    lines += [f"changed: {item}" for item in result.get("changedSince", ())]
    return "\n".join([*lines, result["next"]])


def timestamp(epoch: int) -> str:
    """Returns epoch seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _object_line(item: dict[str, str]) -> str:
    done = f"  {item['kind']}/{item['name']}: {item['action']} {item['result']}"
    return f"{done} {item['message']}".rstrip()


def _outcome(outcome: Outcome) -> dict[str, Any]:
    result: dict[str, Any] = {
        "objects": [
            {
                "kind": item.kind,
                "name": item.name,
                "action": item.action.value,
                "result": item.result.value,
                "message": _clean(item.message),
            }
            for item in outcome.objects
        ]
    }
    if outcome.message:
        result["message"] = _clean(outcome.message)
    if outcome.rollouts:
        result["rollouts"] = [
            {**item.model_dump(mode="json"), "message": _clean(item.message)}
            for item in outcome.rollouts
        ]
    if outcome.findings:
        result["findings"] = [_note(note) for note in outcome.findings]
    if outcome.changed_since:
        result["changedSince"] = [_clean(text) for text in outcome.changed_since]
    return result


def _redacted(item: PlannedObject) -> tuple[Change, ...]:
    changes = tuple(
        Change(path=change.path, op=change.op, old=change.old, new=change.new)
        for change in item.changes
    )
    return redacted(changes, Kind(item.kind), redact=_clean)


def _change(item: PlannedObject, change: Change) -> dict[str, JSON]:
    return {
        "object": f"{item.kind}/{item.name}",
        "path": change.path,
        "op": change.op,
        "old": change.old,
        "new": change.new,
    }


def _note(note: Note) -> dict[str, str]:
    return {"code": note.code, "severity": note.severity, "message": _clean(note.message)}


def _clean(text: str) -> str:
    return cleaned(text).text
