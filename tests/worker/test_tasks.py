"""One call, one last reply; nothing of what was worked on in any log."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from shared.envelopes import Envelope
from shared.errors import ClusterTimeout, RedisUnavailable, Refusal
from shared.messages import Role
from shared.stores.replies import push
from tests.worker.context import context_for
from worker import errands
from worker.context import Context, Report, Verb
from worker.tasks import MAX_PROGRESS_TEXT, perform

pytestmark = pytest.mark.real_redis

READ = {"verb": "read", "tool": "get_k8s_status", "arguments": {"namespace": "a"}}
APPLY = {"verb": "apply", "plan_id": "p"}
CANARY = "canary-77aa"


@pytest.fixture
def context(redis_url: str, tmp_path: Path) -> Context:
    return context_for(redis_url, tmp_path)


def envelope(document: Any) -> Envelope:
    """A call that was sent 30 s ago by the context's clock."""
    return Envelope(
        id="c1", request="c" * 32, reply_to="r:me", sent_at=970.0, deadline=1_010.0, call=document
    )


def replies(context: Context, verb: Verb, document: Any, role: Role) -> list[dict[str, Any]]:
    """What reaches the caller when every verb is `verb`."""
    verbs = {"read": verb, "apply": verb}
    perform(envelope(document), role, context=context, verbs=verbs)
    return [json.loads(row) for row in context.redis.lrange("r:me", 0, -1)]


def test_the_result_of_the_verb_is_answered(context: Context) -> None:
    result = replies(context, lambda call, _, __: {"tool": call.tool}, READ, Role.READ)
    assert result == [{"kind": "answer", "id": "c1", "body": {"tool": "get_k8s_status"}}]


def test_a_refusal_is_answered_with_its_details(context: Context) -> None:
    refusal = Refusal(code="no", message="Not so.", details={"field": "x"})
    [reply] = replies(context, lambda *_: refusal, READ, Role.READ)
    assert reply == {
        "kind": "refusal",
        "id": "c1",
        "code": "no",
        "message": "Not so.",
        "details": {"field": "x"},
    }


def test_a_fault_is_answered_with_its_code_and_patience(context: Context) -> None:
    def verb(*_: object) -> None:
        raise ClusterTimeout("The API server did not answer.")

    [reply] = replies(context, verb, READ, Role.READ)
    assert (reply["kind"], reply["code"]) == ("fault", "cluster_timeout")
    assert reply["retry_after"] == 5


def test_an_unexpected_exception_is_an_incident_and_its_text_stays_inside(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    def verb(*_: object) -> None:
        raise RuntimeError(CANARY)

    with caplog.at_level(logging.INFO):
        [reply] = replies(context, verb, READ, Role.READ)
    assert reply["code"] == "internal_fault"
    logged = json.dumps([getattr(record, "fields", {}) for record in caplog.records])
    assert CANARY not in logged + json.dumps(reply)
    [incident] = [r.fields for r in caplog.records if r.msg == "call.incident"]  # type: ignore[attr-defined]  # set by `Log`
    assert "RuntimeError at test_tasks.py" in incident["trace"]


@pytest.mark.parametrize(
    "document",
    [{}, {"verb": "exec"}, {**READ, "extra": 1}, {"verb": "apply"}, {"verb": ["read"]}],
    ids=str,
)
def test_a_call_that_is_none_is_answered_so(context: Context, document: Any) -> None:
    [reply] = replies(context, lambda *_: "ran", document, Role.APPLY)
    assert reply["code"] == "call_unreadable"


def test_a_verb_that_came_by_another_roles_queue_does_not_run(context: Context) -> None:
    [reply] = replies(context, lambda *_: "ran", APPLY, Role.READ)
    assert reply["code"] == "verb_of_another_role"


def test_a_verb_of_a_role_that_is_not_here_does_not_run(redis_url: str, tmp_path: Path) -> None:
    reader = context_for(redis_url, tmp_path, roles=(Role.READ,))
    [reply] = replies(reader, lambda *_: "ran", APPLY, Role.APPLY)
    assert reply["code"] == "verb_of_another_role"


def test_progress_comes_before_the_answer_and_is_short(context: Context) -> None:
    def verb(_: object, __: Context, report: Report) -> str:
        report(1, 3, "x" * 1000)
        return "done"

    progress, answer = replies(context, verb, APPLY, Role.APPLY)
    assert (progress["kind"], progress["done"], progress["total"]) == ("progress", 1, 3)
    assert len(progress["message"]) == MAX_PROGRESS_TEXT
    assert answer["body"] == "done"


def test_too_large_an_answer_is_a_fault_that_says_so(context: Context) -> None:
    [reply] = replies(context, lambda *_: "x" * (5 * 1024 * 1024), READ, Role.READ)
    assert reply["code"] == "answer_too_large"


def test_a_reply_that_cannot_be_sent_is_logged_and_forgotten(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise RedisUnavailable("Redis does not answer (ConnectionError).")

    def verb(_: object, __: Context, report: Report) -> str:
        report(1, 2, "half")
        return "done"

    monkeypatch.setattr("worker.tasks.push", away)
    monkeypatch.setattr("worker.errands.Errand.patience_s", lambda _: 0.0)
    with caplog.at_level(logging.INFO):
        assert replies(context, verb, APPLY, Role.APPLY) == []
    assert [record.msg for record in caplog.records][-3:] == [
        "progress.lost",
        "reply.lost",
        "call.done",
    ]


def test_a_reply_that_finds_redis_away_is_sent_when_it_is_back(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    def at_first_away(*arguments: Any) -> None:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise RedisUnavailable("Redis does not answer (ConnectionError).")
        push(*arguments)

    monkeypatch.setattr("worker.tasks.push", at_first_away)

    [reply] = replies(context, lambda *_: "done", READ, Role.READ)
    assert reply["body"] == "done"


def test_arguments_and_answers_are_in_no_log(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    document = {**READ, "arguments": {"name": CANARY}}
    with caplog.at_level(logging.DEBUG):
        replies(context, lambda call, *_: call.arguments, document, Role.READ)
        replies(context, lambda *_: None, {"verb": CANARY}, Role.READ)
    assert CANARY not in "".join(str(vars(record)) for record in caplog.records)


def test_the_line_about_a_call_says_how_long_it_lay_in_the_queue(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        replies(context, lambda *_: None, READ, Role.READ)
    [done] = [r.fields for r in caplog.records if r.msg == "call.done"]  # type: ignore[attr-defined]  # set by `Log`
    assert done["queue_ms"] == 30_000


@pytest.mark.promise("leaving-stops-no-apply")
@pytest.mark.parametrize(
    ("document", "role", "outcome"),
    [(READ, Role.READ, "caller_left"), (APPLY, Role.APPLY, None)],
    ids=["a read", "an apply"],
)
def test_a_read_for_which_nobody_waits_stops_and_an_apply_is_ended(
    context: Context, document: Any, role: Role, outcome: str | None
) -> None:
    def verb(*_: object) -> str:
        errands.current().require_wanted()
        return "done"

    context.redis.set("gw:left:c1", "")
    [reply] = replies(context, verb, document, role)
    assert reply.get("code") == outcome


@pytest.mark.parametrize(
    ("document", "role", "limited"), [(READ, Role.READ, True), (APPLY, Role.APPLY, False)]
)
def test_the_deadline_goes_on_to_the_cluster_but_an_apply_knows_none(
    context: Context, document: Any, role: Role, limited: bool
) -> None:
    def verb(*_: object) -> str:
        return str(errands.current().seconds_left(60.0))

    [reply] = replies(context, verb, document, role)  # sent with ten seconds left
    assert (float(reply["body"]) < 60.0) is limited


def test_without_redis_a_read_goes_on(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> bool:
        raise RedisUnavailable("Redis does not answer.")

    def verb(*_: object) -> str:
        errands.current().require_wanted()
        return "done"

    monkeypatch.setattr("worker.tasks.given_up.is_given_up", away)
    [reply] = replies(context, verb, READ, Role.READ)
    assert reply["body"] == "done"
