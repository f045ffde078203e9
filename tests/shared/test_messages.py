"""What travels between gateway and workers survives the way, and nothing else is understood."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.approvals import SignedStatement
from shared.messages import (
    CALLS,
    REPLIES,
    ROLE_OF,
    Announcement,
    Answer,
    ApplyCall,
    Call,
    CancelCall,
    ChallengeCall,
    DenyCall,
    Failed,
    PlanCall,
    Progress,
    ProofCall,
    ReadCall,
    RecheckCall,
    Refused,
    Role,
    RollbackCall,
    queue,
    reply_json,
)
from shared.plans import MAX_REASON_LENGTH, Operation
from tests.shared.test_approvals import STATEMENT
from tests.worker.worlds import ADA, ROB

CALLED: list[Call] = [
    ReadCall(tool="get_k8s_status", arguments={"namespace": "demo", "limit": 5}),
    PlanCall(operation=Operation.SCALE, namespace="demo", name="web", replicas=2, requester=ROB),
    RollbackCall(plan_id="p", approver=ADA, groups=("ops",)),
    ChallengeCall(plan_id="p", approver=ADA),
    ProofCall(
        plan_id="p", signed=SignedStatement(statement=STATEMENT, signature="s"), sealed_token="t"
    ),
    DenyCall(plan_id="p", approver=ADA, reason="no"),
    CancelCall(plan_id="p", requester=ADA),
    ApplyCall(plan_id="p"),
    RecheckCall(plan_id="p"),
]
REPLIED = [
    Answer(id="1", body={"a": [1, None, "ü"]}),
    Refused(id="1", code="c", message="m", details={"field": "x"}),
    Failed(id="1", code="c", message="m", retry_after=5),
    Progress(id="1", done=1, total=2, message="m"),
]


@pytest.mark.parametrize("call", CALLED, ids=lambda it: it.verb)
def test_a_call_survives_the_way(call: Call) -> None:
    assert CALLS.validate_json(json.dumps(call.model_dump(mode="json"))) == call


@pytest.mark.parametrize("call", CALLED, ids=lambda it: it.verb)
def test_a_call_with_a_field_too_many_is_not_understood(call: Call) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        CALLS.validate_python({**call.model_dump(mode="json"), "chain": []})


@pytest.mark.parametrize("call", CALLED, ids=lambda it: it.verb)
def test_every_verb_has_the_role_that_does_it(call: Call) -> None:
    wanted = {"read": Role.READ, "plan": Role.PLAN, "rollback": Role.PLAN}.get(
        call.verb, Role.APPLY
    )

    assert ROLE_OF[call.verb] is wanted


def test_no_verb_is_without_a_test_here() -> None:
    kinds = get_args(get_args(Call)[0])

    assert {type(call) for call in CALLED} == set(kinds)
    assert {call.verb for call in CALLED} == set(ROLE_OF)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"verb": "approve", "plan_id": "p"},
        {"verb": "apply"},
        {"verb": "apply", "plan_id": 7},
        {"verb": "apply", "plan_id": "p", "force": True},
        {"verb": "plan", "operation": "exec", "namespace": "demo"},
    ],
)
def test_another_call_is_not_understood(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CALLS.validate_python(raw)


@pytest.mark.parametrize("kind", [PlanCall, DenyCall])
def test_a_reason_has_a_bound(kind: type[PlanCall] | type[DenyCall]) -> None:
    bound = kind.model_fields["reason"].metadata[0]

    assert bound.max_length == MAX_REASON_LENGTH


@pytest.mark.parametrize("reply", REPLIED, ids=lambda it: it.kind)
def test_a_reply_survives_the_way(reply: Answer | Refused | Failed | Progress) -> None:
    assert REPLIES.validate_json(reply_json(reply)) == reply


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(), st.lists
    )
)
@settings(max_examples=40)
def test_an_answer_of_any_shape_survives_the_way(body: Any) -> None:
    try:
        reply = Answer(id="1", body=body)
    except ValidationError:  # a lone surrogate is no JSON text
        return

    assert REPLIES.validate_json(reply_json(reply)) == reply


def test_a_reply_of_another_kind_is_not_understood() -> None:
    with pytest.raises(ValidationError):
        REPLIES.validate_json(b'{"kind":"receipt","id":"1"}')


def test_an_announcement_survives_the_way_and_bears_no_more() -> None:
    said = Announcement(
        worker="w",
        version="1",
        cluster="local",
        cluster_id="u",
        cluster_version="v1.36",
        simulated=True,
        namespaces=("demo",),
        roles=tuple(Role),
        started_at=1,
        seen_at=2,
    )

    assert Announcement.model_validate_json(said.model_dump_json()) == said
    with pytest.raises(ValidationError, match="Extra inputs"):
        Announcement.model_validate({**said.model_dump(), "kubeconfig": "x"})


def test_each_role_has_its_own_queue() -> None:
    assert [queue("local", role) for role in Role] == ["local.read", "local.plan", "local.apply"]
