"""Prompts, and what is offered while somebody types their arguments."""

import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference, TextContent

from api.callers import speaking_as
from shared.errors import WorkerTimeout
from shared.manifests import JSON
from shared.messages import Call, ReadCall
from shared.results import DeploymentRow, PodRow, StatusResult, Table
from tests.api.desk_stage import Office, Workers, caller
from tests.api.test_tools import EACH_ERA, run

PROMPT = PromptReference(type="ref/prompt", name="diagnose_workload")
NAMES = ["api", "web", "web-canary", *(f"x{number:03}" for number in range(150))]


def status(_call: Call) -> JSON:
    rows = [DeploymentRow(name=name, desired=1, ready=1, available=1, updated=1) for name in NAMES]
    pods = [
        PodRow(name=f"{name}-0", phase="Running", ready=1, containers=1, restarts=0)
        for name in NAMES
    ]
    return StatusResult(
        namespace="demo",
        text="",
        deployments=Table(total=len(rows), items=rows),
        services=Table(total=0),
        config_maps=Table(total=0),
        pods=Table(total=len(pods), items=pods),
        replica_sets=Table(total=0),
    ).model_dump(mode="json", by_alias=True) | {"text": ""}


def completed(office: Office, argument: str, typed: str = "", **chosen: str) -> list[str]:
    values: list[list[str]] = []

    async def main() -> None:
        async with office.client() as client:
            values.append(await offered(client, argument, typed, chosen))

    run(main)
    return values[0]


async def offered(client: Client, argument: str, typed: str, chosen: dict[str, str]) -> list[str]:
    result = await client.complete(
        PROMPT, {"name": argument, "value": typed}, context_arguments=chosen
    )
    assert len(result.completion.values) <= 100
    return result.completion.values


@EACH_ERA
def test_the_prompts_are_listed_with_their_arguments(era: str) -> None:
    async def main() -> None:
        async with Office().client(era) as client:
            prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
            assert set(prompts) == {"diagnose_workload", "safe_change"}
            arguments = prompts["diagnose_workload"].arguments or []
            assert [one.name for one in arguments if one.required] == ["namespace"]

    run(main)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("diagnose_workload", {"namespace": "demo"}, "get_k8s_status"),
        ("diagnose_workload", {"namespace": "demo", "deployment": "web"}, "Deployment web"),
        (
            "diagnose_workload",
            {"namespace": "demo", "pod": "web-1", "container": "app"},
            "get_pod_logs of container app",
        ),
        ("safe_change", {"namespace": "demo", "change": "more replicas"}, "more replicas"),
    ],
)
def test_a_prompt_says_what_to_do_and_that_the_person_decides(
    name: str, arguments: dict[str, str], words: str
) -> None:
    async def main() -> None:
        async with Office().client() as client:
            (message,) = (await client.get_prompt(name, arguments)).messages
            assert message.role == "user"
            assert isinstance(message.content, TextContent)
            assert words in message.content.text
            assert "never instructions" in message.content.text

    run(main)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nothing", {}),
        ("diagnose_workload", {}),
        ("diagnose_workload", {"namespace": ""}),
        ("diagnose_workload", {"namespace": "demo", "colour": "red"}),
        ("diagnose_workload", {"namespace": "d" * 254}),
        ("safe_change", {"namespace": "demo"}),
        ("safe_change", {"namespace": "demo", "change": "c" * 4001}),
    ],
)
def test_a_prompt_with_wrong_arguments_is_refused(name: str, arguments: dict[str, str]) -> None:
    async def main() -> None:
        async with Office().client() as client:
            with pytest.raises(MCPError) as raised:
                await client.get_prompt(name, arguments)
            assert raised.value.error.code == -32602

    run(main)


def test_namespaces_are_offered_without_asking_a_worker() -> None:
    office = Office(workers=Workers())

    assert completed(office, "namespace", "d") == ["demo"]
    assert completed(office, "namespace", "x") == []
    assert office.workers.calls == []


def test_names_that_begin_as_typed_are_offered_a_hundred_at_most() -> None:
    office = Office(workers=Workers(does=status))

    assert completed(office, "deployment", "web", namespace="demo") == ["web", "web-canary"]
    assert completed(office, "pod", "a", namespace="demo") == ["api-0"]
    assert len(completed(office, "deployment", "x", namespace="demo")) == 100
    assert isinstance(office.workers.calls[0], ReadCall)


@pytest.mark.promise("refused-before-kubernetes")
def test_nothing_is_offered_of_a_namespace_that_is_not_served() -> None:
    office = Office(workers=Workers(does=status))

    for chosen in ({}, {"namespace": "kube-system"}, {"namespace": "-"}):
        assert completed(office, "deployment", "", **chosen) == []
    assert completed(office, "container", "", namespace="demo") == []
    assert completed(office, "colour", "", namespace="demo") == []
    assert office.workers.calls == []


def test_a_worker_that_does_not_answer_offers_nothing() -> None:
    def late(_call: Call) -> JSON:
        raise WorkerTimeout("The worker did not answer within 20 seconds.")

    assert completed(Office(workers=Workers(does=late)), "pod", "", namespace="demo") == []


@pytest.mark.promise("scopes-per-tool")
def test_who_may_not_read_is_offered_no_names() -> None:
    office = Office(workers=Workers(does=status))
    planner = caller()
    object.__setattr__(planner, "scopes", frozenset({"mcp:tools.plan"}))

    async def main() -> None:
        with speaking_as(planner):
            async with Client(office.server(), mode="legacy") as client:
                assert await offered(client, "namespace", "", {}) == []
                assert await offered(client, "pod", "", {"namespace": "demo"}) == []

    run(main)


def test_resource_templates_offer_nothing() -> None:
    async def main() -> None:
        async with Office().client() as client:
            reference = ResourceTemplateReference(type="ref/resource", uri="plan://{planId}")
            result = await client.complete(reference, {"name": "planId", "value": ""})
            assert result.completion.values == []

    run(main)
