"""What the documents list is what the code has, both ways; and their links lead somewhere."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api.catalog import ENTRIES
from api.metrics import Metrics as Gateway
from api.standing import Standing
from shared.guardrails.policy import Policy
from shared.settings import GatewaySettings, WorkerSettings
from shared.stores.overview import Overview
from worker.metrics import Metrics as Worker
from worker.queue_ages import QueueAges

ROOT = Path(__file__).parents[1]
SKILL = ROOT / "skills" / "infragate-mcp-gateway" / "SKILL.md"
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("skills/**/*.md"))
    if "node_modules" not in path.parts
)

_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
_EVENT = re.compile(
    r"""(?:_?log(?:ger)?\.(?:info|warning|error|exception))\(\s*(?:#[^\n]*\s*)?"([a-z_.]+)\""""
)

_CODE = re.compile(r"""code(?:: \w+)? ?= ?"(\w+)\"""")


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def section(document: str, title: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = title.split(" ", maxsplit=1)[0]
    after = document.split(f"\n{title}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", after, maxsplit=1)[0]


def rows(document: str) -> list[list[str]]:
    """The cells of all table rows whose first cell is code."""
    lines = [line for line in document.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def code_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def variables_of(field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    names = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return tuple(str(name) for name in names)


def shown(value: Any) -> str:
    """A default as the README writes it."""
    if value is PydanticUndefined or value is None or value == ():
        return "unset"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, float):
        value = f"{value:g}"
    return f"`{value}`"


def settings() -> dict[tuple[str, ...], tuple[str, str]]:
    """The variables of each setting with its default and who reads it."""
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for reader, kind in (("gateway", GatewaySettings), ("worker", WorkerSettings)):
        for field in kind.model_fields.values():
            names = variables_of(field)
            found[names] = (shown(field.default), "both" if names in found else reader)
    return found


def test_the_configuration_table_is_the_settings() -> None:
    table = {
        tuple(code_in(name)): (default, reader)
        for name, default, reader, *_ in rows(section(text("README.md"), "## Configuration"))
    }

    assert table == settings()


def test_the_tools_table_is_the_catalog() -> None:
    table = [code_in(row[0])[0] for row in rows(section(text("README.md"), "## Tools"))]

    assert table == [entry.name for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_tool_is_described_with_its_arguments(entry: Any) -> None:
    line = next(line for line in text("docs/tools.md").splitlines() if f"`{entry.name}" in line)

    wanted = set(entry.arguments) - {"reason"}  # said once for all requests
    assert {name for name in wanted if name not in line} == set()


def test_the_skill_names_every_tool_group_and_no_tool_that_does_not_exist() -> None:
    skill = SKILL.read_text("utf-8")
    named = set(re.findall(r"\b(?:get|request|apply)_[a-z0-9_]+", skill))

    assert re.match(r"---\nname: infragate-mcp-gateway\ndescription: [^\n]+\n---\n", skill)
    assert named == {entry.name for entry in ENTRIES} - {"get_k8s_resource"}


def test_the_guardrail_policy_is_described_field_by_field() -> None:
    page = section(text("docs/operations.md"), "## The policy file")

    assert [code_in(row[0])[0] for row in rows(page)] == [field.name for field in fields(Policy)]


@pytest.mark.parametrize("package", ["api", "worker", "shared", "dev"])
def test_every_module_has_its_line_in_the_architecture(package: str) -> None:
    listed = {
        code_in(row[0])[0]
        for row in rows(section(text("docs/architecture.md"), f"### `{package}/`"))
    }
    modules = {path.name for path in (ROOT / package).glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in (ROOT / package).glob("*/__init__.py")}

    assert listed == modules | folders


def test_every_event_that_is_logged_is_explained() -> None:
    page = section(text("docs/operations.md"), "## Logs")
    explained = {name for row in rows(page) for name in code_in(row[0])}
    sources = (
        path for package in ("api", "worker", "shared") for path in (ROOT / package).rglob("*.py")
    )
    logged = {event for path in sources for event in _EVENT.findall(path.read_text("utf-8"))}

    assert logged == explained


def test_every_metric_is_explained_and_every_explained_metric_exists() -> None:
    page = section(text("docs/operations.md"), "## Watching it")
    explained = {name for row in rows(page) for name in code_in(row[0]) if "_" in name}

    assert explained == metric_names()


def metric_names() -> set[str]:
    """What the processes serve under our own names, as queries spell it."""
    gateway, worker = Gateway(tools=["t"]), Worker()
    gateway.registry.register(Standing(lambda: Overview(workers=(), queues={}, plans=()), float))
    worker.registry.register(QueueAges(MagicMock(), {}, float))
    worker.watch_anchors(lambda: (0, 0.0))
    families = (*gateway.registry.collect(), *worker.registry.collect())
    ours = (family for family in families if family.name.startswith("infragate_"))
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in ours}


def test_every_recorded_event_is_explained() -> None:
    page = section(text("docs/operations.md"), "## Audit log and evidence")
    explained = {name for row in rows(page) for name in code_in(row[0])}
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "worker").rglob("*.py"))
    areas = "policy|plan|challenge|proof|apply|rollback|guardrail"
    recorded = set(re.findall(rf'"((?:{areas})\.(?!key)[a-z_]+)"', sources))

    assert explained == recorded | {"worker.started", "audit.torn_line", "audit.cut"}


REFUSING = (
    "api/arguments.py",
    "api/dispatch.py",
    "api/tools.py",
    "shared/documents.py",
    "shared/errors.py",
    "shared/questions.py",
    "shared/requests.py",
    "shared/selectors.py",
    "worker/intents.py",
    "worker/loading.py",
    "worker/reading",
    "worker/receipts.py",
    "worker/refusals.py",
    "worker/second_proof.py",
    "worker/settling.py",
    "worker/vault.py",
)
NOT_FOR_AGENTS = {"bad_configuration", "no_caller"}


@pytest.mark.parametrize("source", REFUSING)
def test_every_code_that_an_agent_may_be_refused_with_is_explained(source: str) -> None:
    page = section(text("docs/tools.md"), "## Refusals")
    explained = {name for row in rows(page) for name in code_in(row[0])}
    path = ROOT / source
    files = path.glob("*.py") if path.is_dir() else [path]
    codes = {code for file in files for code in _CODE.findall(file.read_text("utf-8"))}

    assert codes
    assert codes - NOT_FOR_AGENTS <= explained


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    content = page.read_text("utf-8")
    for target, anchor in _LINK.findall(content):
        if target.startswith(("http://", "https://")):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            assert anchor in _anchors(path.read_text("utf-8")), f"{target}#{anchor}"


def _anchors(content: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", content, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_make_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text("utf-8"), re.MULTILINE)

    assert set(named) <= targets
