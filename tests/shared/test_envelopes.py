"""Only one exact form of queued message is taken; Celery's own producer writes it too."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.envelopes import MAX_ENVELOPE_BYTES, Envelope, pack, unpack
from shared.errors import Refusal
from shared.messages import TASK

ENVELOPE = Envelope(
    id="id-1",
    request="0123456789abcdef" * 2,
    reply_to="r:replica-1",
    sent_at=1_799_999_990.5,
    deadline=1_800_000_000.25,
    call={"verb": "read"},
)

Message = dict[str, Any]


def message() -> Message:
    """A good message, for spoiling."""
    loaded: Message = json.loads(pack(ENVELOPE, queue="local.read"))
    return loaded


def code_of(raw: bytes) -> str:
    result = unpack(raw)
    assert isinstance(result, Refusal)
    return result.code


def body_of(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def test_what_is_packed_is_unpacked_unchanged() -> None:
    assert unpack(pack(ENVELOPE, queue="local.read")) == ENVELOPE


def test_the_message_is_what_celery_itself_would_send() -> None:
    app = Celery(broker="memory://", set_as_current=False)
    theirs = app.amqp.as_task_v2(
        "id-1",
        TASK,
        args=({"verb": "read"},),
        expires=datetime.fromtimestamp(ENVELOPE.deadline, UTC),
        reply_to="r:replica-1",
        argsrepr="…",
        kwargsrepr="…",
        origin="gateway",
        ignore_result=True,
        root_id=ENVELOPE.request,
    )
    ours = message()
    sent_at = datetime.fromtimestamp(ENVELOPE.sent_at, UTC).isoformat()
    assert ours["headers"] == {**theirs.headers, "sent_at": sent_at}
    assert json.loads(base64.b64decode(ours["body"])) == json.loads(json.dumps(theirs.body))
    assert {k: ours["properties"][k] for k in ("correlation_id", "reply_to")} == theirs.properties


def test_the_arguments_are_in_no_header() -> None:
    canary = replace(ENVELOPE, call={"manifest": "canary"})
    assert b"canary" not in pack(canary, queue="local.plan").replace(
        json.loads(pack(canary, queue="local.plan"))["body"].encode(), b""
    )


WORKFLOW: Message = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
NEXT: list[Message] = [
    {"task": TASK, "args": [{"verb": "apply"}], "options": {"queue": "local.apply"}}
]


def then(name: str, work: object) -> Message:
    """The third part of a body that wants more work done."""
    return {**WORKFLOW, name: work}


@pytest.mark.promise("queue-carries-one-call")
@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        ("headers.task", "celery.chord_unlock", "message_of_another_task"),
        ("headers.task", None, "message_of_another_task"),
        ("headers.eta", "2030-01-01T00:00:00+00:00", "message_scheduled"),
        ("headers.retries", 1, "message_retry"),
        ("headers.group", "g", "message_workflow"),
        ("headers.parent_id", "p", "message_workflow"),
        ("headers.shadow", "celery.backend_cleanup", "message_renamed"),
        ("headers.stamped_headers", ["monitor"], "message_stamped"),
        ("headers.stamps", {"monitor": "1"}, "message_stamped"),
        ("headers.replaced_task_nesting", 1, "message_workflow"),
        ("headers.chord", {"task": TASK}, "message_workflow"),
        ("headers.compression", "application/x-gzip", "message_unknown_header"),
        ("headers.expires", None, "message_no_deadline"),
        ("headers.expires", "soon", "message_no_deadline"),
        ("headers.expires", "2030-01-01T00:00:00", "message_no_deadline"),
        ("headers.expires", 5, "message_no_deadline"),
        ("headers.sent_at", None, "message_undated"),
        ("headers.sent_at", 1_800_000_000, "message_undated"),
        ("headers.sent_at", "2030-01-01T00:00:00", "message_undated"),
        ("headers.root_id", None, "message_unaddressed"),
        ("headers.root_id", "id-1", "message_unaddressed"),
        ("headers.root_id", "0" * 33, "message_unaddressed"),
        ("headers.root_id", "0" * 31 + "\n", "message_unaddressed"),
        ("headers.id", "../../etc", "message_unaddressed"),
        ("headers.id", "a" * 65, "message_unaddressed"),
        ("headers.id", ["x"], "message_unaddressed"),
        ("content-type", "application/x-python-serialize", "message_content_type"),
        ("content-type", "application/x-yaml", "message_content_type"),
        ("content-encoding", "binary", "message_content_type"),
        ("headers", None, "message_unreadable"),
        ("properties", [], "message_unreadable"),
        ("properties", {"reply_to": "wk:plan:1"}, "message_unaddressed"),
        ("properties", {"reply_to": "r:x"}, "message_content_type"),
        ("body", None, "message_unreadable"),
        ("body", "%%% not base64", "message_unreadable"),
        ("body", body_of("text"), "message_unreadable"),
        ("body", body_of([[], {}, WORKFLOW]), "message_unreadable"),
        ("body", body_of([[{}, {}], {}, WORKFLOW]), "message_unreadable"),
        ("body", body_of([["text"], {}, WORKFLOW]), "message_unreadable"),
        ("body", body_of([[{}], {"self": 1}, WORKFLOW]), "message_unreadable"),
        ("body", body_of([[{}], {}, then("chain", NEXT)]), "message_workflow"),
        ("body", body_of([[{}], {}, then("callbacks", NEXT)]), "message_workflow"),
        ("body", body_of([[{}], {}, then("errbacks", NEXT)]), "message_workflow"),
        ("body", body_of([[{}], {}, then("chord", NEXT[0])]), "message_workflow"),
        ("body", base64.b64encode(b"[[{}],{},NaN]").decode(), "message_unreadable"),
        ("body", base64.b64encode(b"\x80\x04\x95pickle").decode(), "message_unreadable"),
    ],
)
def test_a_message_that_asks_for_more_than_one_call_is_refused(
    place: str, value: object, code: str
) -> None:
    spoiled = message()
    *outer, name = place.split(".")
    (spoiled[outer[0]] if outer else spoiled)[name] = value
    assert code_of(json.dumps(spoiled).encode()) == code


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"{}", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000]
)
def test_what_is_no_message_at_all_is_refused(raw: bytes) -> None:
    assert code_of(raw).startswith("message_")


def test_a_message_above_the_size_limit_is_refused_unread() -> None:
    assert code_of(b" " * (MAX_ENVELOPE_BYTES + 1)) == "message_too_large"


def test_a_message_of_celerys_first_protocol_is_refused() -> None:
    old = {"task": TASK, "id": "1", "args": [{}], "kwargs": {}}
    assert code_of(json.dumps({**message(), "headers": {}, "body": body_of(old)}).encode()) == (
        "message_of_another_task"
    )


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=150)
@given(raw=st.binary(max_size=200))
def test_no_bytes_make_unpacking_raise(raw: bytes) -> None:
    assert isinstance(unpack(raw), Refusal)


@settings(max_examples=150)
@given(
    place=st.sampled_from(["headers", "properties", "body", "content-type"]),
    key=st.sampled_from(["task", "id", "expires", "eta", "reply_to", "body_encoding", "stamps"]),
    value=JSONS,
)
def test_no_value_in_any_place_makes_unpacking_raise(place: str, key: str, value: Any) -> None:
    spoiled = message()
    if isinstance(spoiled[place], dict):
        spoiled[place][key] = value
    else:
        spoiled[place] = value
    assert isinstance(unpack(json.dumps(spoiled).encode()), Envelope | Refusal)
