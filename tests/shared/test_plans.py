"""The life of a plan: every move in the table, no other, and what nobody acted on in time."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.errors import Refusal
from shared.plans import (
    ENDED,
    MOVES,
    Mover,
    Note,
    Plan,
    SealedPlan,
    State,
    move_refusal,
    read_head,
    read_plan,
    state_at,
)
from tests.worker.worlds import a_plan

FORBIDDEN = [pair for pair in itertools.product(State, State) if pair not in MOVES]


@pytest.mark.parametrize(("move", "mover"), MOVES.items(), ids=str)
def test_a_move_of_the_table_is_open_to_its_mover_alone(
    move: tuple[State, State], mover: Mover
) -> None:
    assert move_refusal(*move, mover) is None
    for other in set(Mover) - {mover}:
        refusal = move_refusal(*move, other)
        assert refusal is not None
        assert refusal.code == "not_permitted"
        assert mover.value in refusal.message


@pytest.mark.parametrize(("source", "target"), FORBIDDEN, ids=str)
def test_a_move_outside_the_table_is_open_to_nobody(source: State, target: State) -> None:
    for mover in Mover:
        refusal = move_refusal(source, target, mover)
        assert refusal is not None
        assert refusal.code == f"plan_{source.value}"


def test_nothing_leaves_an_ended_state() -> None:
    assert (
        set(State)
        - {
            State.PENDING,
            State.APPROVED,
            State.APPLYING,
            State.OUTCOME_UNKNOWN,
        }
        == ENDED
    )


def test_only_a_person_makes_a_plan_approved_and_only_from_pending() -> None:
    into = {pair: mover for pair, mover in MOVES.items() if pair[1] is State.APPROVED}

    assert into == {(State.PENDING, State.APPROVED): Mover.APPROVER}


@pytest.mark.promise("states-closed")
def test_only_an_approved_plan_is_ever_written() -> None:
    assert [source for source, target in MOVES if target is State.APPLYING] == [State.APPROVED]


@given(
    state=st.sampled_from(State),
    now=st.integers(0, 100),
    expires_at=st.integers(0, 100),
    apply_before=st.none() | st.integers(0, 100),
)
@settings(max_examples=200)
def test_time_ends_what_waits_and_nothing_else(
    state: State, now: int, expires_at: int, apply_before: int | None
) -> None:
    later = state_at(state, now=now, expires_at=expires_at, apply_before=apply_before)

    if state is State.PENDING:
        assert later is (State.EXPIRED if now >= expires_at else state)
    elif state is State.APPROVED:
        too_late = now >= expires_at or apply_before is None or now >= apply_before
        assert later is (State.EXPIRED if too_late else state)
    else:
        assert later is state


def test_an_approval_without_a_deadline_has_none_left() -> None:
    assert state_at(State.APPROVED, now=1, expires_at=9, apply_before=None) is State.EXPIRED


def test_a_plan_is_read_back_from_its_bytes() -> None:
    plan = a_plan()

    assert read_plan(plan.document()) == plan


def test_the_head_of_a_plan_is_all_of_it_but_what_may_be_large() -> None:
    plan = a_plan()

    head = read_head(plan.document())

    assert head == plan.model_copy(update={"objects": (), "findings": (), "warnings": ()})


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\xff", b'{"version":2}', b'{"x":1}'])
def test_bytes_that_are_no_plan_have_no_head(raw: bytes) -> None:
    assert isinstance(read_head(raw), Refusal)


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda raw: raw + b" ", id="space after it"),
        pytest.param(lambda raw: json.dumps(json.loads(raw), indent=1).encode(), id="indented"),
        pytest.param(
            lambda raw: raw.replace(b'"cluster":', b'"cluster":{"x":1},"cluster":', 1),
            id="one key twice",
        ),
        pytest.param(lambda raw: raw.replace(b'"value":4', b'"value":4.0'), id="a float"),
    ],
)
def test_bytes_that_are_not_canonical_are_no_plan(bend: object) -> None:
    bent = bend(a_plan().document())  # type: ignore[operator]  # a function, see above

    refusal = read_plan(bent)

    assert isinstance(refusal, Refusal)
    assert refusal.code == "plan_unreadable"


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"\xff", b'{"version":2}'])
def test_bytes_that_are_no_plan_are_refused_without_being_repeated(raw: bytes) -> None:
    refusal = read_plan(raw)

    assert isinstance(refusal, Refusal)
    assert refusal.message == "The stored plan is damaged; request it anew."


def test_an_unknown_field_makes_a_document_no_plan() -> None:
    document = json.loads(a_plan().document()) | {"approved": True}

    assert isinstance(read_plan(json.dumps(document).encode()), Refusal)


def test_a_plan_is_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_plan().namespace = "kube-system"  # type: ignore[misc]  # that is the point


def test_a_sealed_plans_digest_is_computed_and_not_believed() -> None:
    small, large = a_plan(), a_plan(reason="another")

    digests = {SealedPlan(document=p.document(), seal="s").digest for p in (small, large)}

    assert len(digests) == 2


@pytest.mark.promise("sealed-is-shown")
def test_every_field_of_a_plan_is_in_the_bytes_that_are_sealed() -> None:
    note = Note(code="pods_kept", message="No Pod restarts.")
    full = a_plan().model_copy(update={"touched": (note,), "undoes": "plan-0"})

    assert set(json.loads(full.document())) == set(Plan.model_fields)


def test_what_a_plan_does_not_have_is_left_out_so_that_older_plans_keep_their_bytes() -> None:
    sealed = json.loads(a_plan().document())

    assert not sealed.keys() & {"touched", "undoes"}
    assert all("before" not in item for item in sealed["objects"])
