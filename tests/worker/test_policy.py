"""The policy file is read strictly: a mistake in it stops the process."""

from pathlib import Path

import pytest

from shared.errors import BadConfiguration
from shared.guardrails.policy import Policies
from shared.plans import Identity, Operation
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
        ("approver: []", "approvers and guardrails"),
        ("[]", "approvers and guardrails"),
        ("approvers: {}", "approvers"),
        ("approvers: [{operations: [apply]}]", r"approvers\.0\.namespaces"),
        ("approvers: [{namespaces: [a], operation: [apply]}]", r"approvers\.0\.operation"),
        ("approvers: [{namespaces: [a], operations: [exec]}]", r"approvers\.0\.operations\.0"),
        ("approvers: [{namespaces: [a], required: 0}]", r"approvers\.0\.required"),
        ("approvers: [{namespaces: [a], subjects: [{iss: x}]}]", r"approvers\.0\.subjects\.0\.sub"),
        ("approvers: [{namespaces: [a], subjects: [{email: x}]}]", r"approvers\.0\.subjects\.0"),
        ("approvers: []\napprovers: []", "approvers"),
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
