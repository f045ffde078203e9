"""The policy file is read strictly: a mistake in it stops the process."""

import json
from pathlib import Path
from typing import Literal

import pytest

from shared.errors import BadConfiguration
from shared.guardrails.policy import Policies
from shared.plans import Identity, Operation
from tests.worker.authenticator import Authenticator
from worker.policy import MAX_POLICY_BYTES, load_policy

GOOD = """
approvers:
  - namespaces: [mcp-nginx-demo]
    operations: [apply, scale]
    subjects: [{iss: "http://127.0.0.1:3011", sub: "dev-approver"}]
    requester_may_approve: true
guardrails:
  default: {max_replicas: 3}
"""


def policy(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_nobody_may_approve_and_guardrails_are_the_default() -> None:
    loaded = load_policy(None)
    assert loaded.approvers == ()
    assert loaded.guardrails == Policies()


def test_an_empty_file_lets_nobody_approve(tmp_path: Path) -> None:
    assert load_policy(policy(tmp_path, "")).approvers == ()


def test_approvers_and_guardrails_are_read(tmp_path: Path) -> None:
    loaded = load_policy(policy(tmp_path, GOOD))
    [rule] = loaded.approvers
    assert rule.namespaces == ("mcp-nginx-demo",)
    assert rule.operations == (Operation.APPLY, Operation.SCALE)
    assert rule.subjects == (Identity(iss="http://127.0.0.1:3011", sub="dev-approver"),)
    assert rule.requester_may_approve
    assert loaded.guardrails.default.max_replicas == 3


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    first = load_policy(policy(tmp_path, GOOD)).sha256
    assert first != load_policy(policy(tmp_path, GOOD + "\n")).sha256
    assert len(first) == 64


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("approver: []", "approvers, passkeys, guardrails only"),
        ("[]", "approvers, passkeys, guardrails only"),
        ("approvers: {}", "approvers"),
        ("approvers: [{operations: [apply]}]", r"approvers\.0\.namespaces"),
        ("approvers: [{namespaces: [a], operation: [apply]}]", r"approvers\.0\.operation"),
        ("approvers: [{namespaces: [a], operations: [exec]}]", r"approvers\.0\.operations\.0"),
        ("approvers: [{namespaces: [a], required: 0}]", r"approvers\.0\.required"),
        ("approvers: [{namespaces: [a], subjects: [{iss: x}]}]", r"approvers\.0\.subjects\.0\.sub"),
        ("approvers: [{namespaces: [a], subjects: [{email: x}]}]", r"approvers\.0\.subjects\.0"),
        ("approvers: []\napprovers: []", "approvers"),
        ("approvers: [{namespaces: [a], passkey: true}]", r"approvers\.0\.passkey"),
        ("approvers: [{namespaces: [a], passkey: optional}]", r"approvers\.0\.passkey"),
        ("approvers: [{namespaces: [a], passkey: {high: no}}]", r"approvers\.0\.passkey\.high"),
        ("approvers: [{namespaces: [a], passkey: {hi: required}}]", r"approvers\.0\.passkey\.hi"),
        ("passkeys: {}", "passkeys"),
        ("passkeys: [{iss: x, sub: y}]", r"passkeys\.0\.credential_id"),
        ("guardrails: {default: {max_replica: 3}}", "max_replica"),
        ("guardrails: {defaults: {}}", "guardrails"),
        ("a: &x 1\nb: *x", "policy.yaml"),
        ("approvers: []\n---\nguardrails: {}", "more than one document"),
        ("approvers: [", "policy.yaml"),
    ],
)
def test_a_mistake_is_named_by_file_and_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(BadConfiguration, match=place) as raised:
        load_policy(policy(tmp_path, text))
    assert "policy.yaml" in str(raised.value)


def test_a_demand_for_passkeys_is_for_all_risks_or_for_some(tmp_path: Path) -> None:
    text = "approvers: [{{namespaces: [a], passkey: {}}}]"
    [always] = load_policy(policy(tmp_path, text.format("required"))).approvers
    [high] = load_policy(policy(tmp_path, text.format("{high: required}"))).approvers
    [none] = load_policy(policy(tmp_path, "approvers: [{namespaces: [a]}]")).approvers

    levels: tuple[Literal["low", "medium", "high"], ...] = ("low", "medium", "high")
    assert [always.passkey.for_risk(level) for level in levels] == [True, True, True]
    assert [high.passkey.for_risk(level) for level in levels] == [False, False, True]
    assert [none.passkey.for_risk(level) for level in levels] == [False, False, False]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ({"sub": "eve"}, "credential_id in two"),
        ({"credential_id": "A" * 43, "rp_id": "example.com"}, "different rp_id"),
    ],
)
def test_passkeys_are_distinct_and_of_one_site(
    tmp_path: Path, second: dict[str, str], problem: str
) -> None:
    first = Authenticator().passkey(Identity(iss="https://id.example.com", sub="ada"))
    entries = [first.model_dump(), first.model_dump() | second]

    with pytest.raises(BadConfiguration, match=problem):
        load_policy(policy(tmp_path, json.dumps({"passkeys": entries})))


def test_a_person_has_at_most_sixteen_passkeys(tmp_path: Path) -> None:
    ada = Identity(iss="https://id.example.com", sub="ada")
    entries = [Authenticator().passkey(ada).model_dump() for _ in range(17)]

    with pytest.raises(BadConfiguration, match="more than 16"):
        load_policy(policy(tmp_path, json.dumps({"passkeys": entries})))
    assert len(load_policy(policy(tmp_path, json.dumps({"passkeys": entries[1:]}))).passkeys) == 16


def test_the_example_in_the_documentation_is_a_policy(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    example = page.split("## The policy file")[1].split("```yaml\n")[1].split("```")[0]

    loaded = load_policy(policy(tmp_path, example))

    assert [rule.passkey.for_risk("high") for rule in loaded.approvers] == [True]
    assert [one.rp_id for one in loaded.passkeys] == ["approvals.example.com"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"nowhere\.yaml"):
        load_policy(tmp_path / "nowhere.yaml")


def test_a_huge_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = policy(tmp_path, "#" * (MAX_POLICY_BYTES + 1))
    with pytest.raises(BadConfiguration, match="longer"):
        load_policy(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfiguration, match="UTF-8"):
        load_policy(path)
