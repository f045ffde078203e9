"""The one task: decodes a call, runs its verb, answers the replica that asked. Decides nothing.

Whatever happens there is one last reply: an answer, a refusal or a fault. Arguments and answers
are in no log, and neither is the text of an unexpected exception.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from pydantic import ValidationError

from shared import request_ids
from shared.envelopes import Envelope
from shared.errors import Fault, RedisUnavailable, Refusal
from shared.logs import Log, trace_of
from shared.manifests import JSON
from shared.messages import (
    CALLS,
    ROLE_OF,
    TASK,
    Answer,
    Call,
    Failed,
    Progress,
    Refused,
    Role,
)
from shared.stores import given_up
from shared.stores.replies import push
from worker import errands
from worker.context import Context, Report, Verbs
from worker.errands import Errand
from worker.traced import processing

if TYPE_CHECKING:
    from celery import Celery

LastReply: TypeAlias = Answer | Refused | Failed

MAX_PROGRESS_TEXT: Final = 200
REPLY_AGAIN_S: Final = 0.3

_log = Log("worker.tasks")


def register(app: "Celery", context: Context, verbs: Verbs) -> None:
    """Registers the task with `app`; `verbs` are the ones that it can run."""

    @app.task(name=TASK, ignore_result=True, max_retries=0, shared=False)
    def call(envelope: Envelope, role: str) -> None:
        with request_ids.serving(envelope.request):
            perform(envelope, Role(role), context=context, verbs=verbs)


def perform(envelope: Envelope, role: Role, *, context: Context, verbs: Verbs) -> None:
    """Does one call and replies to who asked. `role` is that of the queue it came by.

    Never raises: a reply that cannot be sent is logged, and the caller's deadline passes.
    """
    started = time.monotonic()
    now = context.clock()
    waited_s = now - envelope.sent_at
    context.metrics.taken(role, waited_s)
    verb = _name_of(envelope.call)
    errand = _errand(envelope, role, context, left_s=envelope.deadline - now)
    with errands.on(errand), processing(context.tracer, envelope, role, verb, now=now) as span:
        with context.metrics.at_work():
            reply = _reply(envelope, role, context, verbs)
        _send(context, envelope.reply_to, reply)
        outcome, took_s = _outcome(reply), time.monotonic() - started
        span.note(outcome=outcome)
        if isinstance(reply, Failed):
            span.note(error=outcome)
        context.metrics.done(verb, outcome, took_s)
        _log.info(
            "call.done",
            call=envelope.id,
            verb=verb,
            outcome=outcome,
            queue_ms=max(0, round(waited_s * 1000)),
            kubernetes_ms=round(errand.asked_s * 1000),
            ms=round(took_s * 1000),
        )


def _errand(envelope: Envelope, role: Role, context: Context, *, left_s: float) -> Errand:
    """What limits this call; an apply is ended whoever waits, since half of one is worse."""

    def is_given_up() -> bool:
        try:
            return given_up.is_given_up(context.redis, envelope.id)
        except Fault:  # then nobody knows
            return False

    return Errand(
        latest=time.monotonic() + left_s, is_given_up=is_given_up, must_end=role is Role.APPLY
    )


def _reply(envelope: Envelope, role: Role, context: Context, verbs: Verbs) -> LastReply:
    call_id = envelope.id
    report = _reporter(context, call_id, envelope.reply_to)
    try:
        call = CALLS.validate_python(envelope.call)
        refusal = _misdirected(call, role, context)
        result = verbs[call.verb](call, context, report) if refusal is None else refusal
    except ValidationError:
        return _failed(call_id, "call_unreadable", "The worker does not understand this call.")
    except Fault as fault:
        return Failed(
            id=call_id, code=fault.code, message=str(fault), retry_after=fault.retry_after
        )
    except Exception as error:  # noqa: BLE001 - whatever a verb did wrong, the caller is told
        return _incident(call_id, error)
    if isinstance(result, Refusal):
        return Refused(id=call_id, code=result.code, message=result.message, details=result.details)
    return Answer(id=call_id, body=result)


def _outcome(reply: LastReply) -> str:
    return "answer" if isinstance(reply, Answer) else reply.code


def _misdirected(call: Call, role: Role, context: Context) -> Refusal | None:
    """A verb runs only when it came by its own role's queue and this process has the role."""
    if ROLE_OF[call.verb] is role and role in context.roles:
        return None
    return Refusal(
        code="verb_of_another_role", message=f"The queue for '{role.value}' does not carry this."
    )


def _incident(call_id: str, error: Exception) -> Failed:
    _log.error("call.incident", call=call_id, trace=trace_of(error))
    return _failed(call_id, Fault.code, "The worker failed; its log has more.")


def _failed(call_id: str, code: str, message: str) -> Failed:
    return Failed(id=call_id, code=code, message=message)


def _reporter(context: Context, call_id: str, reply_to: str) -> Report:
    def report(done: int, total: int, message: str) -> None:
        text = message[:MAX_PROGRESS_TEXT]
        try:
            push(
                context.redis, reply_to, Progress(id=call_id, done=done, total=total, message=text)
            )
        except Fault:
            _log.warning("progress.lost", call=call_id)

    return report


def _send(context: Context, reply_to: str, reply: LastReply) -> None:
    try:
        try:
            _pushed(context, reply_to, reply)
        except ValueError:  # too large to send
            text = "The answer is too large; ask for less."
            _pushed(context, reply_to, _failed(reply.id, "answer_too_large", text))
    except Fault as fault:
        _log.warning("reply.lost", call=reply.id, code=fault.code)


def _pushed(context: Context, reply_to: str, reply: LastReply) -> None:
    """Pushes a reply, again and again while somebody waits for it and Redis does not answer.

    Whoever waits takes the first of two alike.
    """
    while True:
        try:
            push(context.redis, reply_to, reply)
        except RedisUnavailable:
            if errands.current().patience_s() <= REPLY_AGAIN_S:
                raise
            time.sleep(REPLY_AGAIN_S)
        else:
            return


def _name_of(document: Mapping[str, JSON]) -> str:
    """The verb, for the log, if it is one."""
    verb = document.get("verb")
    return verb if isinstance(verb, str) and verb in ROLE_OF else "unknown"
