"""The rights that are shipped in `deploy/kubernetes/`: the page, the doctor, the sandbox agree."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.sandbox import rbac
from shared.messages import Role
from tests.test_docs import code_in, section
from worker.ops import rights
from worker.ops.rights import Right

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "kubernetes"
ACCOUNTS = {
    "infragate-reader": Role.READ,
    "infragate-planner": Role.PLAN,
    "infragate-applier": Role.APPLY,
}
SYSTEM = "infragate-system"
SERVED = ""

Obj = dict[str, Any]


def objects(*files: str) -> list[Obj]:
    texts = [(FOLDER / f"{name}.yaml").read_text("utf-8") for name in files]
    return [one for text in texts for one in yaml.safe_load_all(text)]


def granted(*files: str) -> dict[Role, dict[str, set[Right]]]:
    """What the bindings of these files give each role, by namespace; "" is whichever is served."""
    found: dict[Role, dict[str, set[Right]]] = defaultdict(lambda: defaultdict(set))
    everything = objects(*files)
    roles = {(one["kind"], *place(one)): one["rules"] for one in everything if "rules" in one}
    for one in everything:
        if "roleRef" not in one:
            continue
        name, namespace = place(one)
        assert one["roleRef"]["name"] == name
        kind = one["roleRef"]["kind"]
        for subject in one["subjects"]:
            assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", SYSTEM)
            role = ACCOUNTS[subject["name"]]
            found[role][f"{kind}:{namespace}"] |= spelled(roles[kind, name, namespace])
    return found


def place(one: Obj) -> tuple[str, str]:
    return one["metadata"]["name"], one["metadata"].get("namespace", SERVED)


def spelled(rules: list[Obj]) -> set[Right]:
    return {
        Right(verb, resource, group)
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }


def table() -> dict[str, set[Right]]:
    """The rights of each row's first cell, as the page lists them."""
    page = section((ROOT / "docs" / "operations.md").read_text("utf-8"), "### Rights")
    found: dict[str, set[Right]] = defaultdict(set)
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) != 4 or cells[0] == "role" or set(cells[0]) == {"-"}:
            continue
        who, groups, resources, verbs = cells
        for resource in resources.split(", "):
            for verb in verbs.split(":")[0].split(", "):
                group = code_in(groups)[0].strip('"')
                found[who].add(Right(verb.strip(), resource, group))
    return found


@pytest.mark.parametrize("role", Role)
def test_each_role_is_granted_in_a_served_namespace_what_the_doctor_asks_for(role: Role) -> None:
    given = granted("served-namespace")[role]

    assert given == {"Role:": rights.NEEDED[role]}
    assert not given["Role:"] & rights.forbidden((role,))


def test_only_the_applier_has_anything_in_the_systems_namespace() -> None:
    assert granted("accounts") == {Role.APPLY: {f"Role:{SYSTEM}": rights.CLAIMING}}


def test_what_is_optional_is_in_files_of_its_own() -> None:
    every = {role: {"ClusterRole:": rights.KNOWING} for role in Role}
    (rule,) = objects("cluster-id")[0]["rules"]

    assert granted("autoscalers") == {Role.PLAN: {"Role:": rights.FORESEEING}}
    assert granted("cluster-id") == every
    assert rule["resourceNames"] == ["kube-system"]


def test_the_page_lists_what_the_files_grant() -> None:
    rows = table()

    assert rows["reader"] == rights.READING
    assert rows["planner: the reader's and"] == rights.CHANGING
    assert rows["applier: the planner's and, in `infragate-system`,"] == rights.CLAIMING
    assert rows["planner, optional"] == rights.FORESEEING
    assert rows["all or none, cluster-wide, resourceName `kube-system`"] == rights.KNOWING
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("rules", "role"),
    [(rbac.reader_rules, Role.READ), (rbac.planner_rules, Role.PLAN)],
)
def test_the_sandboxs_identities_may_do_exactly_that(rules: Any, role: Role) -> None:
    optional = rights.FORESEEING if role is Role.PLAN else set()
    sandboxed = {
        Right(verb, resource, group)
        for rule in rules("mcp-nginx-demo")
        for verb in rule.verbs
        for resource in rule.resources
        for group in rule.groups
    }

    assert sandboxed == rights.NEEDED[role] | rights.KNOWING | optional


def test_each_account_is_made_once_and_mounts_no_token_by_itself() -> None:
    made = [one for one in objects("accounts") if one["kind"] == "ServiceAccount"]

    assert {place(one) for one in made} == {(name, SYSTEM) for name in ACCOUNTS}
    assert all(one["automountServiceAccountToken"] is False for one in made)


def test_the_policy_is_about_the_planners_account() -> None:
    policy = next(
        one for one in objects("admission-policy") if one["kind"] == "ValidatingAdmissionPolicy"
    )
    (condition,) = policy["spec"]["matchConditions"]

    assert re.findall(r'"([^"]+)"', condition["expression"]) == [
        f"system:serviceaccount:{SYSTEM}:infragate-planner"
    ]
    assert rbac.standard()["planner"].user in condition["expression"]
