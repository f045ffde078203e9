"""Rules of the policy: groups that a provider signed, how strong a login, how many people."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.approvals import (
    Accepted,
    groups_in,
)
from shared.approver_rules import (
    ApproverRule,
    GroupRef,
    Required,
    acr_refusal,
    approvals_needed,
    approver_refusal,
)
from shared.errors import Refusal
from shared.plans import Identity, Operation, Plan, RiskNote
from tests.worker.worlds import ADA, ISSUER, ROB, a_plan

EVE = Identity(iss=ISSUER, sub="eve")
OPS = GroupRef(iss=ISSUER, group="ops")
PLAN = a_plan()
OTHERS: tuple[dict[str, Any], ...] = ({"namespaces": ("other",)}, {"operations": ("delete",)})
"""What makes a rule speak of other plans than `PLAN`."""


def rule(**given: Any) -> ApproverRule:
    return ApproverRule(**({"namespaces": ("demo",)} | given))


def login(approver: Identity = ADA, *, groups: frozenset[str] = frozenset(), acr: str = "") -> Any:
    return Accepted(approver=approver, auth_time=0, session="", groups=groups, acr=acr)


def code(answer: Refusal | None) -> str | None:
    return None if answer is None else answer.code


def requested_by_ada() -> Plan:
    return a_plan(requester=ROB.model_copy(update={"sub": ADA.sub}))


# ── groups ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (frozenset({"ops"}), None),
        (frozenset({"ops", "dev"}), None),
        (frozenset({"dev"}), "not_an_approver"),
        (frozenset(), "not_an_approver"),
        (None, None),
    ],
)
def test_a_group_lets_those_approve_whom_the_provider_puts_in_it(
    groups: frozenset[str] | None, expected: str | None
) -> None:
    assert code(approver_refusal([rule(groups=(OPS,))], PLAN, ADA, groups=groups)) == expected


@pytest.mark.parametrize("groups", [frozenset({"ops"}), None])
def test_a_group_of_the_same_name_at_another_provider_is_another_group(
    groups: frozenset[str] | None,
) -> None:
    theirs = rule(groups=(GroupRef(iss="https://other", group="ops"),))

    assert code(approver_refusal([theirs], PLAN, ADA, groups=groups)) == "not_an_approver"


def test_only_a_list_of_texts_is_groups_and_not_a_huge_one() -> None:
    assert groups_in({"groups": ["ops", 7, None]}) == {"ops"}
    assert groups_in({"groups": [str(number) for number in range(1000)]}) != frozenset()
    assert groups_in({"groups": [str(number) for number in range(1001)]}) == frozenset()
    assert groups_in({"groups": "ops"}) == frozenset()
    assert groups_in({}) == frozenset()


# ── how strong a login ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("acr", "expected"), [("strong", None), ("weak", "proof_acr"), ("", "proof_acr")]
)
def test_a_rule_that_wants_a_strong_login_gets_one(acr: str, expected: str | None) -> None:
    strict = rule(subjects=(ADA,), acr=("strong", "stronger"))

    assert code(acr_refusal([strict], PLAN, login(acr=acr))) == expected


def test_a_rule_that_wants_none_takes_any() -> None:
    assert acr_refusal([rule(subjects=(ADA,))], PLAN, login(acr="weak")) is None


@pytest.mark.parametrize("other", [*OTHERS, {"subjects": (EVE,)}])
def test_a_lenient_rule_for_others_or_other_plans_lends_nothing(other: dict[str, Any]) -> None:
    strict = rule(subjects=(ADA,), acr=("strong",))
    lenient = rule(**({"subjects": (ADA,)} | other))

    assert code(acr_refusal([strict, lenient], PLAN, login(acr="weak"))) == "proof_acr"


def test_a_rule_with_four_eyes_does_not_lend_its_weak_login_to_the_requester() -> None:
    """Each rule alone refuses: one for the weak login, the other for the second pair of eyes."""
    strict = rule(subjects=(ADA,), acr=("strong",), requester_may_approve=True)
    lenient = rule(subjects=(ADA,))

    assert approver_refusal([strict, lenient], requested_by_ada(), ADA) is None
    assert code(acr_refusal([strict, lenient], requested_by_ada(), login())) == "proof_acr"
    assert acr_refusal([strict, lenient], requested_by_ada(), login(acr="strong")) is None


def test_four_eyes_hold_by_default_and_only_for_the_requester() -> None:
    plain = rule(subjects=(ADA, EVE))
    same_name = a_plan(requester=ROB.model_copy(update={"iss": "https://other", "sub": "ada"}))

    assert code(approver_refusal([plain], requested_by_ada(), ADA)) == "four_eyes"
    assert approver_refusal([plain], requested_by_ada(), EVE) is None
    assert approver_refusal([plain], same_name, ADA) is None


# ── how many ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("level", "needed"), [("low", 1), ("medium", 2), ("high", 3)])
def test_the_risk_says_how_many_must_approve(level: Any, needed: int) -> None:
    rules = [rule(required={"low": 1, "medium": 2, "high": 3})]

    assert approvals_needed(rules, a_plan(risk=RiskNote(level=level))) == needed


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_one_number_holds_for_every_risk_and_one_is_the_default(level: Any) -> None:
    plan = a_plan(risk=RiskNote(level=level))

    assert approvals_needed([rule(required=4)], plan) == 4
    assert approvals_needed([rule()], plan) == 1
    assert approvals_needed([], plan) == 1


def test_the_most_that_a_rule_for_the_plan_asks_for_is_needed() -> None:
    others = [rule(**({"required": 9} | other)) for other in OTHERS]

    assert approvals_needed([rule(required=2), rule(), *others], PLAN) == 2


@pytest.mark.parametrize("number", [0, 11, -1, "2x", None])
@pytest.mark.parametrize("level", ["low", "medium", "high", None])
def test_a_number_that_makes_no_sense_is_no_policy(number: Any, level: str | None) -> None:
    with pytest.raises(ValidationError):
        rule(required=number if level is None else {level: number})


def test_yes_is_no_number() -> None:
    with pytest.raises(ValidationError):
        rule(required=True)


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_ten_is_the_most_and_one_the_least(level: Any) -> None:
    assert Required(**{level: 10}).for_risk(level) == 10
    assert Required(**{level: 1}).for_risk(level) == 1


def test_a_rule_speaks_of_all_operations_unless_it_says_which() -> None:
    assert all(rule().covers(a_plan(operation=operation)) for operation in Operation)


def test_a_rule_cannot_be_changed_once_it_is_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(rule(), "requester_may_approve", True)  # noqa: B010 - mypy knows it is frozen
