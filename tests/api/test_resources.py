"""What agents read and follow beside the tools, with real clients of both eras."""

import json
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp_types import (
    EmptyResult,
    SubscribeRequest,
    SubscribeRequestParams,
    TextResourceContents,
)

from shared.errors import RedisUnavailable
from shared.guardrails.in_words import in_words
from shared.guardrails.policy import Policy
from shared.plans import State
from tests.api.desk_stage import Office, Shelf, Workers, worker
from tests.api.test_tools import EACH_ERA, run
from tests.worker.worlds import NOW, a_plan

RULES = ("Images must come from registry.example.", "No more than 3 replicas.")


def read(office: Office, uri: str, era: str = "legacy") -> str:
    """The text of one resource."""
    texts: list[str] = []

    async def main() -> None:
        async with office.client(era) as client:
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            texts.append(content.text)

    run(main)
    return texts[0]


def refusal(office: Office, uri: str, era: str = "legacy") -> tuple[int, str]:
    """Code and message of a resource that cannot be read."""
    errors: list[MCPError] = []

    async def main() -> None:
        async with office.client(era) as client:
            with pytest.raises(MCPError) as raised:
                await client.read_resource(uri)
            errors.append(raised.value)

    run(main)
    return errors[0].error.code, errors[0].error.message


@EACH_ERA
def test_what_is_there_is_listed_in_a_few_words(era: str) -> None:
    async def main() -> None:
        async with Office().client(era) as client:
            listed = await client.list_resources()
            templates = await client.list_resource_templates()
            assert [one.uri for one in listed.resources] == ["infragate://policy"]
            assert [one.uri_template for one in templates.resource_templates] == ["plan://{planId}"]

    run(main)


@EACH_ERA
def test_the_rules_of_each_namespace_are_told_in_words(era: str) -> None:
    office = Office(workers=Workers(live=(worker(rules={"demo": RULES}),)))

    text = read(office, "infragate://policy", era)

    assert "## Namespace demo\n\n- Images must come from registry.example." in text
    assert "never a Secret" in text


def test_without_workers_only_what_always_holds_is_told() -> None:
    text = read(Office(workers=Workers(live=())), "infragate://policy")

    assert "A person" not in text
    assert "## Namespace" not in text


def test_a_policy_says_what_it_allows_and_what_it_widens() -> None:
    narrow = in_words(Policy())
    wide = in_words(
        Policy(
            registries=frozenset({"b.example", "a.example"}),
            require_digest=True,
            secrets=frozenset({"tls"}),
            require_limits=frozenset({"memory"}),
            metadata_prefixes=frozenset({"example.com"}),
            max_replicas=9,
        )
    )

    assert "Images must come from anywhere and have a digest or a tag, not latest." in narrow
    assert "Images must come from a.example, b.example and be named by digest." in wide
    assert "Every container must set a limit for memory." in wide
    assert "A Deployment may have at most 9 replicas." in wide
    assert any(each.endswith("start using no others, except tls.") for each in wide)
    assert any(each.endswith("are refused, except example.com.") for each in wide)
    assert len(wide) == len(narrow) + 1


@EACH_ERA
@pytest.mark.parametrize(
    ("state", "told"), [(State.PENDING, "approval_required"), (State.DENIED, "denied")]
)
def test_a_plan_says_where_it_stands(era: str, state: State, told: str) -> None:
    office = Office()
    plan = office.planned(state)

    shown = json.loads(read(office, f"plan://{plan.id}", era))

    assert (shown["planId"], shown["status"]) == (plan.id, told)
    assert ("approvalUrl" in shown) == (state is State.PENDING)
    assert len(shown["words"].split()) == 6
    assert office.workers.calls == []


def test_a_plan_whose_hour_is_over_is_expired() -> None:
    office = Office(now=NOW + 3600)
    plan = office.planned()

    assert json.loads(read(office, f"plan://{plan.id}"))["status"] == "expired"


@EACH_ERA
@pytest.mark.promise("plans-are-private")
def test_another_persons_plan_is_as_unknown_as_one_that_is_not_there(era: str) -> None:
    office = Office()
    theirs = office.planned(requester=a_plan().requester.model_copy(update={"sub": "eve"}))

    answers = {
        refusal(office, uri, era)
        for uri in (f"plan://{theirs.id}", "plan://unknown", "plan://", "file:///etc/passwd", "x")
    }

    assert answers == {(-32602 if era != "legacy" else -32002, "Resource not found")}


def test_without_redis_reading_a_plan_says_so() -> None:
    def gone(_shelf: Shelf) -> None:
        raise RedisUnavailable("Redis does not answer (ConnectionError).")

    code, message = refusal(Office(shelf=Shelf(on_look=gone)), "plan://plan-1")

    assert (code, message) == (-32603, "Redis does not answer (ConnectionError).")


def test_who_listens_hears_of_the_decision_and_of_nobody_elses() -> None:
    office = Office()
    plan = office.planned()
    theirs = office.planned(
        id="plan-2", requester=a_plan().requester.model_copy(update={"sub": "eve"})
    )
    heard: list[Any] = []

    def on_look(shelf: Shelf) -> None:
        shelf.stir()
        if shelf.looks == 4:
            shelf.put(theirs, State.DENIED)
        if shelf.looks == 5:
            shelf.put(plan, State.APPROVED)

    office.shelf.on_look = on_look
    uris = [f"plan://{plan.id}", f"plan://{theirs.id}", "plan://unknown"]

    async def main() -> None:
        async with (
            office.client("2026-07-28") as client,
            client.listen(resource_subscriptions=uris) as events,
        ):
            with anyio.fail_after(10):
                heard.append(await events.__anext__())

    run(main)
    assert [event.uri for event in heard] == [f"plan://{plan.id}"]


def test_a_client_without_a_session_cannot_subscribe_in_the_handshake_era() -> None:
    office = Office()
    plan = office.planned()

    async def main() -> None:
        async with office.client("legacy") as client:
            request = SubscribeRequest(params=SubscribeRequestParams(uri=f"plan://{plan.id}"))
            with pytest.raises(MCPError, match="need a session"):
                await client.session.send_request(request, EmptyResult)

    run(main)
