"""The table of verbs: which function does what a call asks for. Nothing else is callable."""

from collections import Counter
from typing import Final

from shared.audit import AuditLog
from shared.errors import Refusal
from shared.manifests import JSON
from shared.messages import ReadCall
from shared.results import Hits
from worker import reading
from worker.applying import apply
from worker.approving import challenge, prove
from worker.context import Context, Report, Verbs
from worker.planning import make_plan
from worker.rechecking import recheck
from worker.rolling_back import plan_rollback
from worker.withdrawing import cancel, deny


def read(call: ReadCall, context: Context, _: Report) -> JSON | Refusal:
    """Answers a read tool, after recording what was cut out of the answer.

    Raises:
        ClusterFault: the cluster did not answer.
        AuditUnavailable: something was cut out and that cannot be recorded.
    """
    result = reading.answer(context.cluster, call.tool, call.arguments, allowed=context.namespaces)
    if isinstance(result, Refusal):
        return result
    context.metrics.redacted(result.hits.redactions)
    context.metrics.marked(result.hits.injections)
    _record(context.audit, call.tool, result.namespace, result.hits)
    return result.wire()


VERBS: Final[Verbs] = {
    "read": read,
    "plan": lambda call, context, _: make_plan(call, context),
    "rollback": lambda call, context, _: plan_rollback(call, context),
    "challenge": lambda call, context, _: challenge(call, context),
    "proof": lambda call, context, _: prove(call, context),
    "deny": lambda call, context, _: deny(call, context),
    "cancel": lambda call, context, _: cancel(call, context),
    "apply": apply,
    "recheck": lambda call, context, _: recheck(call, context),
}


def _record(audit: AuditLog, tool: str, namespace: str, hits: Hits) -> None:
    """Which rules hit and how often; never what they hit."""
    rules = Counter(hits.redactions) + Counter(hits.injections)
    if rules:
        shown = ",".join(f"{rule}={count}" for rule, count in sorted(rules.items()))
        audit.record("guardrail.hit", tool=tool, namespace=namespace, rules=shown)
