"""A plan as lines for a terminal: all of it, and nothing in it steers, hides or passes for ours.

Every string from elsewhere goes through `shown`; what is ours stands at the left, what is the
plan's behind a label or a sign.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from api.changed_lines import change
from api.outline import outline
from api.terminal.believing import Opened
from shared.display import code_point, conceals, visible
from shared.plans import Action, Note, Plan, PlannedObject

LABEL: Final = 12
_EFFECTS: Final = {
    Action.CREATE: "create",
    Action.UPDATE: "change",
    Action.DELETE: "delete",
    Action.NO_OP: "no change to",
}


def shown(text: str) -> str:
    """Returns text as one line in which every character that hides, steers or deceives is seen."""
    return "".join(map(_in_one_line, visible(text)))


def guarded(line: str) -> str:
    """Returns a line of ours without anything that a terminal would obey: a second net."""
    return "".join(map(_in_one_line, line))


def plan_lines(opened: Opened, *, now: int) -> Iterator[str]:
    """Yields everything that a plan holds."""
    plan = opened.plan
    yield from _head(opened, now=now)
    yield from _section(f"RISK: {plan.risk.level.upper()}", _notes(plan.risk.reasons))
    yield from _section("FINDINGS", _notes(plan.findings))
    yield from _section("THE API SERVER WARNS", (f"  ! {shown(one)}" for one in plan.warnings))
    for number, planned in enumerate(plan.objects, start=1):
        yield from _object(planned, f"OBJECT {number} OF {len(plan.objects)}")
    yield from _asked(plan)
    yield from _section(
        "THE AGENT'S REASON (written by the agent, not verified)",
        (f"  > {shown(plan.reason)}",) if plan.reason else (),
    )
    yield from _identity(opened, now=now)


def decision_lines(opened: Opened) -> Iterator[str]:
    """Yields what stands beside the question, however much was shown before it."""
    plan = opened.plan
    yield ""
    yield _fact("decide", plan.summary)
    yield _fact("where", f"{plan.operation.value} in {plan.namespace} on {plan.cluster.name}")
    yield f"  {'risk':<{LABEL}} {plan.risk.level}"
    yield f"  {'objects':<{LABEL}} {len(plan.objects)}, each shown above in full"
    yield f"  {'words':<{LABEL}} {opened.words}"


def _head(opened: Opened, *, now: int) -> Iterator[str]:
    plan = opened.plan
    yield "PLAN, under a pinned planner's seal"
    yield _fact("what", plan.summary)
    yield _fact("operation", plan.operation.value)
    yield _fact("namespace", plan.namespace)
    yield _fact("cluster", plan.cluster.name)
    yield _fact("cluster id", plan.cluster.id)
    yield f"  {'words':<{LABEL}} {opened.words}"
    yield "  Your agent must name the same six words."
    yield f"  {'expires':<{LABEL}} {_moment(plan.expires_at, now=now)}"


def _object(planned: PlannedObject, title: str) -> Iterator[str]:
    yield ""
    yield title
    yield _fact(_EFFECTS[planned.action], f"{planned.kind} {planned.name}")
    yield _fact("api version", planned.api_version)
    yield _fact("only if uid", planned.uid or "none: there is no such object yet")
    yield _fact("now", planned.base_digest or "nothing")
    yield _fact("then", planned.predicted_digest or "nothing")
    for one in planned.changes:
        told = change(one, open_all=True)
        yield f"  {one.op} {shown(told.path)}"
        for block in told.blocks:
            yield from (f"    {line.sign} {shown(line.text)}" for line in block.lines)
    if not planned.changes:
        yield "  (no single field is listed)"
    yield f"  the exact request to Kubernetes: {planned.intent.verb}"
    yield from (f"    | {shown(line)}" for line in outline(planned.intent.body))


def _asked(plan: Plan) -> Iterator[str]:
    sure = {
        "verified": "the worker verified the requester's token",
        "gateway-asserted": "the gateway says so; the worker did not see the requester's token",
        "pages-asserted": "the approval pages say so; no agent asked",
    }
    yield ""
    yield "WHO ASKED"
    yield _fact("person", plan.requester.sub)
    yield _fact("at", plan.requester.iss)
    yield _fact("program", plan.requester.client_id)
    yield f"  {'how sure':<{LABEL}} {sure[plan.requester.assurance]}"
    if plan.undoes:
        yield _fact("undoes plan", plan.undoes)
    for manager in plan.managers:
        yield _fact("also owns", manager)


def _identity(opened: Opened, *, now: int) -> Iterator[str]:
    plan = opened.plan
    yield ""
    yield "THIS EXACT PLAN"
    yield f"  {'words':<{LABEL}} {opened.words}"
    yield f"  {'digest':<{LABEL}} {opened.digest}"
    yield _fact("plan", plan.id)
    yield _fact("cluster's CA", plan.cluster.ca_sha256)
    yield _fact("policy", plan.policy_sha256)
    yield f"  {'created':<{LABEL}} {_moment(plan.created_at, now=now)}"
    yield f"  {'expires':<{LABEL}} {_moment(plan.expires_at, now=now)}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    told = list(lines)
    yield ""
    yield title
    yield from told or ["  (none)"]


def _notes(notes: Iterable[Note]) -> Iterator[str]:
    for note in notes:
        yield f"  {note.severity}: {shown(note.message)} ({shown(note.code)})"


def _fact(label: str, text: str) -> str:
    return f"  {label:<{LABEL}} {shown(text)}"


def _moment(at: int, *, now: int) -> str:
    try:
        exact = datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"at an impossible time ({at} s)"
    minutes, late = divmod(abs(at - now), 60)[0], at <= now
    return f"{exact}, {minutes} min {'ago' if late else 'from now'}"


def _in_one_line(char: str) -> str:
    return code_point(char) if char in "\n\t" or conceals(char) else char
