"""The approval protocol's checks as pure functions: one wrong thing is one constant refusal."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.approvals import (
    AUTH_TIME_SKEW_S,
    LEEWAY_S,
    MAX_TOKEN_AGE_S,
    Accepted,
    Receipt,
    SignedReceipt,
    SignedStatement,
    Statement,
    challenge_refusal,
    check_id_token_claims,
    check_statement,
    read_signed_receipt,
    read_signed_receipts,
    read_signed_statement,
    receipt_refusal,
    signed_receipts_json,
)
from shared.approver_rules import (
    ApproverRule,
    approver_refusal,
)
from shared.errors import Refusal
from shared.plans import Identity, Operation
from tests.worker.worlds import ADA, CLIENT, ISSUER, NOW, ROB, a_plan

DIGEST = "sha256:" + "ab" * 32
STATEMENT = Statement(
    plan_id="plan-1",
    plan_digest=DIGEST,
    decision="approve",
    approver=ADA,
    challenge="Y2hhbGxlbmdl",
    challenge_iat=NOW,
    expires_at=NOW + 300,
    cluster_id="cluster-1",
)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": ADA.sub,
    "aud": CLIENT,
    "iat": NOW,
    "exp": NOW + 300,
    "auth_time": NOW,
    "nonce": STATEMENT.nonce(),
    "sid": "s1",
}
RECEIPT = Receipt(
    plan_id="plan-1",
    plan_digest=DIGEST,
    approver=ADA,
    auth_time=NOW,
    proof_sha256="0" * 64,
    key_thumbprint="t",
    policy_sha256="p",
    verified_at=NOW,
    apply_before=NOW + 900,
)
RULE = ApproverRule(namespaces=("demo",), subjects=(ADA,))


@pytest.mark.parametrize("document", [STATEMENT, RECEIPT], ids=["statement", "receipt"])
def test_what_was_checked_cannot_be_changed_afterwards(document: Statement | Receipt) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        document.plan_id = "another"  # type: ignore[misc]  # what is tried


def _code(claims: dict[str, Any], *, now: int = NOW) -> str | None:
    refusal = check_id_token_claims(claims, issuer=ISSUER, client_id=CLIENT, now=now)
    return refusal.code if refusal is not None else None


def _decided(statement: Statement = STATEMENT, **claims: object) -> Accepted | str:
    checked = check_statement(
        statement, CLAIMS | claims, plan_digest=DIGEST, cluster_id="cluster-1"
    )
    return checked.code if isinstance(checked, Refusal) else checked


def test_an_honest_login_is_accepted() -> None:
    assert _code(CLAIMS) is None
    assert _code(CLAIMS | {"aud": [CLIENT], "azp": CLIENT}) is None
    assert _decided() == Accepted(
        approver=ADA, auth_time=NOW, session="\0".join((ISSUER, "ada", str(NOW), "s1"))
    )


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"iss": ISSUER + "/"}, "proof_issuer"),
        ({"iss": None}, "proof_issuer"),
        ({"aud": "codex"}, "proof_audience"),
        ({"aud": [CLIENT, "codex"]}, "proof_audience"),
        ({"aud": [CLIENT, CLIENT]}, "proof_audience"),
        ({"aud": []}, "proof_audience"),
        ({"aud": None}, "proof_audience"),
        ({"azp": "codex"}, "proof_authorized_party"),
        ({"azp": None}, "proof_authorized_party"),
        ({"scope": "mcp:tools"}, "proof_not_an_id_token"),
        ({"client_id": CLIENT}, "proof_not_an_id_token"),
    ],
)
def test_a_login_for_something_else_is_refused(changed: dict[str, Any], code: str) -> None:
    assert _code(CLAIMS | changed) == code


@pytest.mark.parametrize("name", ["exp", "iat", "auth_time"])
@pytest.mark.parametrize("value", [None, "1800000000", 1800000000.0, True, [1]])
def test_a_time_that_is_no_integer_is_refused(name: str, value: object) -> None:
    assert _code(CLAIMS | {name: value}) == "proof_times"


@given(
    iat=st.integers(NOW - 400, NOW + 60),
    exp=st.integers(NOW - 60, NOW + 400),
    auth_time=st.integers(NOW - 400, NOW + 60),
)
@settings(max_examples=150)
def test_a_login_is_good_for_its_window_only(iat: int, exp: int, auth_time: int) -> None:
    good = (
        exp + LEEWAY_S > NOW
        and NOW - MAX_TOKEN_AGE_S <= iat <= NOW + LEEWAY_S
        and auth_time <= NOW + LEEWAY_S
    )

    assert (_code(CLAIMS | {"iat": iat, "exp": exp, "auth_time": auth_time}) is None) is good


@pytest.mark.parametrize(
    ("claim", "last", "first", "code"),
    [
        ("exp", NOW - LEEWAY_S + 1, NOW - LEEWAY_S, "proof_expired"),
        ("iat", NOW + LEEWAY_S, NOW + LEEWAY_S + 1, "proof_from_the_future"),
        ("auth_time", NOW + LEEWAY_S, NOW + LEEWAY_S + 1, "proof_from_the_future"),
        ("iat", NOW - MAX_TOKEN_AGE_S, NOW - MAX_TOKEN_AGE_S - 1, "proof_too_old"),
    ],
)
def test_a_time_of_a_login_is_good_to_the_second(
    claim: str, last: int, first: int, code: str
) -> None:
    """`last` is the last second that is good, `first` the first one that is not."""
    assert _code(CLAIMS | {claim: last}) is None
    assert _code(CLAIMS | {claim: first}) == code


@given(auth_time=st.integers(NOW - 30, NOW + 30))
@settings(max_examples=60)
def test_only_a_login_made_after_the_challenge_counts(auth_time: int) -> None:
    fresh = auth_time >= NOW - AUTH_TIME_SKEW_S

    decided = _decided(auth_time=auth_time)

    assert isinstance(decided, Accepted) is fresh
    assert fresh or decided == "proof_not_fresh"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"plan_digest": "sha256:" + "cd" * 32}, "statement_of_another_plan"),
        ({"cluster_id": "cluster-2"}, "statement_of_another_plan"),
        ({"plan_id": "plan-2"}, "proof_nonce"),
        ({"challenge": "b3RoZXI"}, "proof_nonce"),
        ({"approver": Identity(iss=ISSUER, sub="eve")}, "proof_nonce"),
        ({"expires_at": NOW + 301}, "proof_nonce"),
        ({"challenge_iat": NOW - 1}, "proof_nonce"),
    ],
)
def test_a_login_for_one_statement_proves_no_other(changed: dict[str, Any], code: str) -> None:
    assert _decided(STATEMENT.model_copy(update=changed)) == code


def test_a_challenge_is_live_until_its_time() -> None:
    late = challenge_refusal(STATEMENT, now=STATEMENT.expires_at)

    assert challenge_refusal(STATEMENT, now=STATEMENT.expires_at - 1) is None
    assert late is not None
    assert late.code == "challenge_expired"


@pytest.mark.parametrize("nonce", [None, "", 7, "ü", STATEMENT.nonce() + "A", ["x"]])
def test_a_login_without_the_nonce_of_the_statement_proves_nothing(nonce: object) -> None:
    assert _decided(nonce=nonce) == "proof_nonce"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_a_login_that_commits_to_another_decision_approves_nothing() -> None:
    """No statement that was read says anything else; the check holds without the type."""
    denial = STATEMENT.model_copy(update={"decision": "deny"})

    assert _decided(denial, nonce=denial.nonce()) == "proof_decision"


@pytest.mark.parametrize("claims", [{"sub": "eve"}, {"iss": "https://other"}, {"sub": None}])
def test_somebody_elses_login_proves_nothing(claims: dict[str, Any]) -> None:
    assert _decided(**claims) == "proof_of_somebody_else"


def test_a_receipt_is_good_for_its_plan_until_its_time() -> None:
    def code(digest: str, now: int) -> str | None:
        refusal = receipt_refusal(RECEIPT, plan_digest=digest, now=now)
        return refusal.code if refusal is not None else None

    assert code(DIGEST, NOW + 899) is None
    assert code(DIGEST, NOW + 900) == "approval_expired"
    assert code("sha256:" + "cd" * 32, NOW) == "receipt_of_another_plan"


@given(
    namespace=st.sampled_from(["demo", "other"]),
    operation=st.sampled_from(Operation),
    approver=st.sampled_from(
        [ADA, Identity(iss=ROB.iss, sub=ROB.sub), Identity(iss="x", sub="ada")]
    ),
    allowed=st.sets(st.sampled_from(Operation)),
    requester_may=st.booleans(),
)
@settings(max_examples=150)
def test_one_rule_lets_exactly_its_subjects_approve_exactly_what_it_covers(
    namespace: str,
    operation: Operation,
    approver: Identity,
    allowed: set[Operation],
    requester_may: bool,
) -> None:
    rob = Identity(iss=ROB.iss, sub=ROB.sub)
    rule = ApproverRule(
        namespaces=("demo",),
        operations=tuple(allowed),
        subjects=(ADA, rob),
        requester_may_approve=requester_may,
    )

    refusal = approver_refusal([rule], a_plan(namespace=namespace, operation=operation), approver)

    covered = namespace == "demo" and operation in allowed and approver in (ADA, rob)
    own = approver == rob
    if not covered:
        assert refusal is not None
        assert refusal.code == "not_an_approver"
    elif own and not requester_may:
        assert refusal is not None
        assert refusal.code == "four_eyes"
    else:
        assert refusal is None


def test_no_rules_let_nobody_approve() -> None:
    assert approver_refusal([], a_plan(), ADA) is not None


@pytest.mark.parametrize(
    "raw", ["", "null", "[]", "{}", '{"statement":{},"signature":""}', b"\xff"]
)
def test_what_cannot_be_read_is_refused(raw: str | bytes) -> None:
    statement, receipt = read_signed_statement(raw), read_signed_receipt(raw)

    assert isinstance(statement, Refusal)
    assert isinstance(receipt, Refusal)
    assert (statement.code, receipt.code) == ("statement_unreadable", "receipt_unreadable")


@pytest.mark.parametrize("raw", ["", "null", "{}", "[null]", '[{"signature":""}]', b"\xff"])
def test_earlier_receipts_that_cannot_be_read_are_refused(raw: str | bytes) -> None:
    receipts = read_signed_receipts(raw)

    assert isinstance(receipts, Refusal)
    assert receipts.code == "receipt_unreadable"


def test_earlier_receipts_are_read_as_they_were_stored() -> None:
    receipts = tuple(SignedReceipt(receipt=RECEIPT, signature=letter) for letter in "ab")

    assert read_signed_receipts(signed_receipts_json(receipts)) == receipts
    assert read_signed_receipts("[]") == ()


def test_a_statement_with_an_unknown_field_is_refused() -> None:
    signed = SignedStatement(statement=STATEMENT, signature="s").model_dump(mode="json")
    signed["statement"]["scope"] = "everything"

    with pytest.raises(ValueError, match="Extra inputs"):
        SignedStatement.model_validate(signed)
