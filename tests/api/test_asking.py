"""Clients that can open pages are asked to, in both eras; nobody else, and never to approve."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp.client.context import ClientRequestContext
from mcp_types import (
    CallToolResult,
    ElicitationCapability,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
)

from api import asking
from shared.plans import State
from tests.api.contract import declared
from tests.api.desk_stage import Office, Shelf, Workers, text_of
from tests.api.test_tools import EACH_ERA, run
from tests.api.test_tools_apply import DONE, _said
from tests.worker.worlds import a_plan

URL = "http://127.0.0.1:3001/approvals/plan-1"

Act = Callable[[Shelf], str]


def applying(
    office: Office, era: str, act: Act, wait_s: int = 0
) -> tuple[CallToolResult, list[ElicitRequestURLParams]]:
    """The plan applied by a client whose person acts so when a page is to be opened."""
    asked: list[ElicitRequestURLParams] = []
    results: list[CallToolResult] = []

    async def person(
        context: ClientRequestContext,  # noqa: ARG001 - the SDK's name
        params: ElicitRequestParams,
    ) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        asked.append(params)
        return ElicitResult.model_validate({"action": act(office.shelf)})

    async def main() -> None:
        async with office.client(era, elicitation_callback=person) as client:
            arguments = {"planId": a_plan().id, "waitSeconds": wait_s}
            results.append(await client.call_tool("apply_approved_plan", arguments))

    run(main)
    return results[0], asked


async def nobody(
    context: ClientRequestContext,  # noqa: ARG001 - the SDK's names
    params: ElicitRequestParams,  # noqa: ARG001
) -> ElicitResult:
    """Is asked and never answers."""
    await anyio.sleep_forever()
    raise AssertionError


def approves(shelf: Shelf) -> str:
    shelf.put(a_plan(), State.APPROVED)
    return "accept"


@EACH_ERA
def test_a_person_is_sent_to_the_page_and_their_approval_is_applied(era: str) -> None:
    office = Office(workers=Workers(does=_said(State.APPLIED, DONE)))
    office.planned()

    result, asked = applying(office, era, approves)

    assert [params.url for params in asked] == [URL]
    assert "risk low" in asked[0].message
    assert declared("apply_approved_plan", result)["status"] == "applied"


@EACH_ERA
@pytest.mark.promise("agreeing-is-not-approving")
def test_agreeing_to_open_the_page_approves_nothing(era: str) -> None:
    office = Office()
    office.planned()

    result, asked = applying(office, era, lambda _shelf: "accept")

    assert len(asked) == 1
    told = declared("apply_approved_plan", result)
    assert told["status"] == "approval_required"
    assert told["approvalUrl"] == URL
    assert office.workers.calls == []


@EACH_ERA
@pytest.mark.timeout(20)
@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_who_does_not_agree_is_told_the_address_at_once(era: str, action: str) -> None:
    office = Office()
    office.planned()

    result, asked = applying(office, era, lambda _shelf: action, wait_s=300)

    assert len(asked) == 1
    assert URL in text_of(result)


@EACH_ERA
def test_who_agreed_is_waited_for(era: str) -> None:
    def on_look(shelf: Shelf) -> None:
        shelf.stir()
        if shelf.looks >= 4:
            shelf.put(a_plan(), State.APPROVED)

    office = Office(workers=Workers(does=_said(State.APPLIED, DONE)), shelf=Shelf(on_look=on_look))
    office.planned()

    result, _ = applying(office, era, lambda _shelf: "accept", wait_s=30)

    assert declared("apply_approved_plan", result)["status"] == "applied"


@EACH_ERA
def test_nobody_is_asked_about_a_plan_that_is_decided(era: str) -> None:
    office = Office(workers=Workers(does=_said(State.DENIED, reason="no")))
    office.planned(State.DENIED)

    result, asked = applying(office, era, approves)

    assert asked == []
    assert declared("apply_approved_plan", result)["status"] == "denied"


@EACH_ERA
def test_somebody_elses_plan_is_not_asked_about(era: str) -> None:
    office = Office()
    theirs = a_plan().requester.model_copy(update={"sub": "eve"})
    office.planned(requester=theirs)

    result, asked = applying(office, era, approves)

    assert asked == []
    assert result.is_error


def test_a_person_who_decides_without_answering_is_not_waited_for() -> None:
    """They opened the page by themselves; the question is then taken back."""

    def on_look(shelf: Shelf) -> None:
        shelf.stir()
        if shelf.looks >= 3:
            shelf.put(a_plan(), State.APPROVED)

    office = Office(workers=Workers(does=_said(State.APPLIED, DONE)), shelf=Shelf(on_look=on_look))
    office.planned()
    results: list[CallToolResult] = []

    async def main() -> None:
        async with office.client("legacy", elicitation_callback=nobody) as client:
            results.append(await client.call_tool("apply_approved_plan", {"planId": a_plan().id}))

    run(main)
    assert declared("apply_approved_plan", results[0])["status"] == "applied"


def test_nobody_there_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "AGREEMENT_S", 0.1)
    office = Office()
    office.planned()
    results: list[CallToolResult] = []

    async def main() -> None:
        async with office.client("legacy", elicitation_callback=nobody) as client:
            results.append(await client.call_tool("apply_approved_plan", {"planId": a_plan().id}))

    run(main)
    assert URL in text_of(results[0])


@pytest.mark.parametrize("declared_modes", [None, {}, {"form": {}}])
def test_only_who_declared_it_can_be_asked(declared_modes: dict[str, Any] | None) -> None:
    class Session:
        client_capabilities = None

    class Context:
        session = Session()

    if declared_modes is not None:
        capability = ElicitationCapability.model_validate(declared_modes)
        Session.client_capabilities = type("Caps", (), {"elicitation": capability})  # type: ignore[assignment]

    assert not asking.can_open_pages(Context())  # type: ignore[arg-type]  # all that is looked at
