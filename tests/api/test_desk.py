"""What the desk decides by itself, and what it leaves to the workers; every input is answered."""

from dataclasses import fields
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.desk import Applied, Requested
from shared.errors import Fault, Refusal
from shared.messages import PlanCall
from shared.plans import Operation, State
from shared.questions import QUESTIONS
from shared.results import Result
from tests.api.desk_stage import Office, Workers, caller

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
FEW = settings(max_examples=40)


def _read(office: Office, tool: str, **arguments: object) -> Result | Refusal:
    return anyio.run(office.desk.read, caller(), tool, arguments)


def _request(office: Office, **wanted: object) -> Requested | Refusal:
    return anyio.run(office.desk.request, caller(), wanted)


async def _silent(_done: float, _total: float, _message: str) -> None:
    pass


@pytest.mark.promise("refused-before-kubernetes")
@given(tool=st.sampled_from(sorted(QUESTIONS)), namespace=TEXT, name=TEXT)
@FEW
def test_no_worker_is_asked_about_a_namespace_that_is_not_served(
    tool: str, namespace: str, name: str
) -> None:
    office = Office()
    has_name = "name" in {field.name for field in fields(QUESTIONS[tool])}
    arguments = {"name": name} if has_name else {}

    answer = _read(office, tool, **arguments, namespace=namespace + "x")

    assert isinstance(answer, Refusal)
    assert office.workers.calls == []


@given(
    operation=st.sampled_from(Operation),
    namespace=st.just("demo") | TEXT,
    name=st.none() | st.just("web") | TEXT,
    manifest=st.none() | TEXT,
    replicas=st.none() | st.integers(),
    image=st.none() | TEXT,
    reason=st.text(max_size=600),
)
@FEW
def test_whatever_is_requested_is_answered(operation: Operation, **wanted: Any) -> None:
    office = Office(workers=Workers(does=lambda _call: {"no_change": []}))
    given_ones = {name: value for name, value in wanted.items() if value is not None}

    answer = _request(office, operation=operation, **given_ones)

    if isinstance(answer, Requested):
        (sent,) = office.workers.calls
        assert isinstance(sent, PlanCall)
        assert sent.namespace == "demo"
    else:
        assert answer.message
        assert office.workers.calls == []


@pytest.mark.promise("requester-is-the-token")
def test_a_requester_cannot_be_chosen_by_the_agent() -> None:
    office = Office(workers=Workers(does=lambda _call: {"no_change": []}))
    other = {"iss": "x", "sub": "root", "client_id": "c", "assurance": "verified"}

    _request(office, operation=Operation.RESTART, namespace="demo", name="web", requester=other)

    (sent,) = office.workers.calls
    assert isinstance(sent, PlanCall)
    assert (sent.requester.sub, sent.requester.assurance) == ("rob", "gateway-asserted")


def test_an_operation_that_does_not_exist_is_refused() -> None:
    answer = _request(Office(), operation="exec", namespace="demo")

    assert isinstance(answer, Refusal)
    assert answer.code == "invalid_arguments"


@pytest.mark.promise("plans-are-private")
def test_a_worker_cannot_hand_the_agent_another_users_plan() -> None:
    office = Office()
    theirs = office.planned(
        requester={"iss": "x", "sub": "eve", "client_id": "c", "assurance": "verified"}
    )
    office.workers.does = lambda _call: {"plan_id": theirs.id}

    answer = _request(office, operation=Operation.RESTART, namespace="demo", name="web")

    assert isinstance(answer, Refusal)
    assert answer.code == "no_such_plan"


@pytest.mark.parametrize("wait_s", [-1, 301])
def test_waiting_has_bounds(wait_s: int) -> None:
    office = Office()
    office.planned()

    async def main() -> Applied | Refusal:
        return await office.desk.apply(caller(), "plan-1", wait_s=wait_s, report=_silent)

    answer = anyio.run(main)

    assert isinstance(answer, Refusal)
    assert answer.message == "WaitSeconds must be between 0 and 300."
    assert office.shelf.looks == 0


@pytest.mark.parametrize(
    "body", [None, [], {}, {"state": "new"}, {"state": "applied", "outcome": 7}]
)
def test_a_worker_that_makes_no_sense_is_a_fault(body: Any) -> None:
    office = Office(workers=Workers(does=lambda _call: body))
    office.planned(State.APPROVED)

    async def main() -> Applied | Refusal:
        return await office.desk.apply(caller(), "plan-1", wait_s=0, report=_silent)

    with pytest.raises(Fault, match="nonsense"):
        anyio.run(main)


def test_the_address_of_a_plan_has_one_slash() -> None:
    assert Office().desk.url_of("p") == "http://127.0.0.1:3001/approvals/p"
