"""An approvals service that lies: whatever it swaps is found out before or after the login."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api import remote
from api.terminal.believing import Opened, receipt_for
from api.terminal.carrier import Carried, Carrier
from api.terminal.deciding import End
from shared.approvals import SignedReceipt, SignedStatement, Statement
from shared.digests import words
from shared.errors import Refusal
from shared.messages import ChallengeCall, ProofCall
from shared.plans import Identity, Plan, SealedPlan, State
from shared.seals import (
    RECEIPT_DOMAIN,
    STATEMENT_DOMAIN,
    decrypt_proof,
    seal_plan,
    sign,
)
from tests.api.stage import ADA, BASE, ISSUER, NOW, make_plan
from tests.api.terminal.visit import Visit, visiting

pytestmark = pytest.mark.promise("terminal-trusts-no-page")

SHOWN = make_plan()
MEANT = make_plan(id="B" * 22, summary="nginx: replicas 2 → 0")


@pytest.fixture
def visit() -> Iterator[Visit]:
    with visiting() as visit:
        visit.stage.workers.add(SHOWN)
        visit.stage.workers.add(MEANT)
        yield visit


class Liar(Carrier):
    """Carries everything as it is, until told otherwise by a test."""

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit.stage.browser.http, BASE)
        self.document: bytes | None = None
        self.seal: str | None = None
        self.signed: SignedStatement | None = None
        self.receipts: tuple[SignedReceipt, ...] | None = None
        self.state: str | None = None
        self.swallows = False
        self.sent: list[tuple[SignedStatement, str]] = []

    def plan(self, plan_id: str) -> Carried | Refusal:
        carried = super().plan(plan_id)
        assert isinstance(carried, Carried), carried
        return replace(
            carried,
            document=carried.document if self.document is None else self.document,
            seal=carried.seal if self.seal is None else self.seal,
            receipts=carried.receipts if self.receipts is None else self.receipts,
            state=carried.state if self.state is None else self.state,
        )

    def challenge(self, plan_id: str, digest: str) -> SignedStatement | Refusal:
        return self.signed or super().challenge(plan_id, digest)

    def proof(
        self, plan_id: str, signed: SignedStatement, sealed: str
    ) -> Mapping[str, object] | Refusal:
        self.sent.append((signed, sealed))
        return {"state": "approved"} if self.swallows else super().proof(plan_id, signed, sealed)


@pytest.fixture
def liar(visit: Visit) -> Liar:
    liar = Liar(visit)
    visit.carrier = liar
    return liar


def digest_of(plan: Plan) -> str:
    return SealedPlan(document=plan.document(), seal="").digest


def statement(visit: Visit, **changes: object) -> SignedStatement:
    """A statement by the real applier, about the shown plan but for `changes`."""
    facts: dict[str, object] = {
        "plan_id": SHOWN.id,
        "plan_digest": digest_of(SHOWN),
        "decision": "approve",
        "approver": Identity(iss=ISSUER, sub=ADA),
        "challenge": "c" * 43,
        "challenge_iat": NOW,
        "expires_at": NOW + 300,
        "cluster_id": SHOWN.cluster.id,
    }
    made = Statement.model_validate(facts | changes)
    signature = sign(visit.stage.workers.receipt_key, STATEMENT_DOMAIN, made.document())
    return SignedStatement(statement=made, signature=signature)


def assert_found_out(visit: Visit, end: End, *, logins: int) -> None:
    assert end is End.DISTRUST, visit.said
    assert "tell whoever runs this InfraGate" in visit.said
    assert len(visit.opened) == logins
    assert visit.stage.workers.state(SHOWN) is State.PENDING
    assert visit.stage.workers.state(MEANT) is State.PENDING


def test_a_plan_that_was_changed_on_the_way_is_found_out(visit: Visit, liar: Liar) -> None:
    liar.document = make_plan(summary="nginx: replicas 2 → 3").document()

    end = visit.run(SHOWN, "approve")

    assert_found_out(visit, end, logins=1)
    assert "replicas" not in visit.said


@pytest.mark.parametrize("document", [b"", b"{}", SHOWN.document() + b" "])
def test_what_is_no_plan_is_found_out(document: bytes, visit: Visit, liar: Liar) -> None:
    liar.document = document

    assert_found_out(visit, visit.run(SHOWN, "approve"), logins=1)
    assert "(seal_broken)" in visit.said


def test_a_plan_that_somebody_else_sealed_is_found_out(visit: Visit, liar: Liar) -> None:
    liar.seal = seal_plan(Ed25519PrivateKey.generate(), digest_of(SHOWN), SHOWN.expires_at)

    assert_found_out(visit, visit.run(SHOWN, "approve"), logins=1)


def test_another_sealed_plan_under_the_asked_id_is_found_out(visit: Visit, liar: Liar) -> None:
    stored = visit.stage.workers.store.load(MEANT.id)
    assert stored is not None
    liar.document, liar.seal = stored.sealed.document, stored.sealed.seal

    end = visit.run(SHOWN, "approve")

    assert_found_out(visit, end, logins=1)
    assert "replicas 2 → 0" not in visit.said


def test_a_statement_that_the_applier_did_not_sign_is_found_out(visit: Visit, liar: Liar) -> None:
    honest = statement(visit)
    forged = sign(Ed25519PrivateKey.generate(), STATEMENT_DOMAIN, honest.statement.document())
    liar.signed = honest.model_copy(update={"signature": forged})

    assert_found_out(visit, visit.run(SHOWN, "approve"), logins=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"plan_id": MEANT.id, "plan_digest": digest_of(MEANT)},
        {"plan_digest": digest_of(MEANT)},
        {"plan_id": MEANT.id},
        {"cluster_id": "another-cluster"},
        {"approver": {"iss": ISSUER, "sub": "dev-approver-2"}},
        {"approver": {"iss": "https://other.example", "sub": ADA}},
    ],
)
def test_a_statement_about_another_plan_cluster_or_person_is_found_out(
    changes: dict[str, object], visit: Visit, liar: Liar
) -> None:
    liar.signed = statement(visit, **changes)

    assert_found_out(visit, visit.run(SHOWN, "approve"), logins=1)


@pytest.mark.parametrize(
    "changes", [{"challenge_iat": NOW - 900, "expires_at": NOW}, {"challenge_iat": NOW + 31}]
)
def test_a_statement_that_is_not_of_now_gets_no_login(
    changes: dict[str, object], visit: Visit, liar: Liar
) -> None:
    liar.signed = statement(visit, **changes)

    assert visit.run(SHOWN, "approve") is End.NOT_DONE
    assert "(challenge_expired)" in visit.said
    assert len(visit.opened) == 1


def test_an_appliers_clock_may_be_half_a_minute_ahead(visit: Visit, liar: Liar) -> None:
    liar.signed = statement(visit, challenge_iat=NOW + 30)

    visit.run(SHOWN, "approve")

    assert len(visit.opened) == 2


def test_the_login_is_readable_by_the_pinned_applier_alone_whatever_key_is_offered(
    visit: Visit, liar: Liar
) -> None:
    offered = X25519PrivateKey.generate()
    visit.stage.workers.proof_key = offered  # what the pages would learn from Redis
    liar.swallows = True
    pinned = X25519PrivateKey.generate()
    visit.pins = replace(visit.pins, proof=pinned.public_key())

    visit.run(SHOWN, "approve")

    ((signed, sealed),) = liar.sent
    document = signed.statement.document()
    assert decrypt_proof(offered, sealed, statement=document) is None
    assert decrypt_proof(pinned, sealed, statement=document) is not None


def test_words_and_digest_are_those_of_the_bytes_not_of_the_service(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie = {"digest": digest_of(MEANT), "words": words(digest_of(MEANT)), "plan": {"summary": "x"}}
    told = remote._carried
    monkeypatch.setattr(remote, "_carried", lambda found: told(found) | lie)

    visit.run(SHOWN, "nothing")

    assert digest_of(SHOWN) in visit.said
    assert words(digest_of(SHOWN)) in visit.said
    assert digest_of(MEANT) not in visit.said


def test_an_approval_that_never_arrived_is_found_out(visit: Visit, liar: Liar) -> None:
    liar.swallows = True

    end = visit.run(SHOWN, "approve")

    assert_found_out(visit, end, logins=2)
    assert "no receipt that a pinned applier signed" in visit.said


def test_a_receipt_of_another_login_is_found_out(visit: Visit, liar: Liar) -> None:
    assert visit.run(SHOWN, "approve") is End.DONE
    stored = visit.stage.workers.store.load(SHOWN.id)
    assert stored is not None
    assert stored.receipt is not None
    liar.receipts = (SignedReceipt.model_validate_json(stored.receipt),)
    liar.swallows = True
    visit.stage.workers.record(SHOWN.id, State.PENDING)
    visit.stage.clock.now += 1  # another login is another token

    end = visit.run(SHOWN, "approve")

    assert_found_out(visit, end, logins=2)


def test_a_receipt_of_this_login_is_returned_as_it_was_signed(visit: Visit, liar: Liar) -> None:
    visit.run(SHOWN, "approve")
    stored = visit.stage.workers.store.load(SHOWN.id)
    assert stored is not None
    signed = SignedReceipt.model_validate_json(stored.receipt or "")
    ((statement_sent, sealed),) = liar.sent
    document = statement_sent.statement.document()
    token = decrypt_proof(visit.stage.workers.proof_key, sealed, statement=document)
    shown = Opened(plan=SHOWN, digest=digest_of(SHOWN))

    found = receipt_for(
        token or "", shown, Identity(iss=ISSUER, sub=ADA), (signed,), pins=visit.pins
    )

    assert found == signed.receipt


def test_a_receipt_that_no_pinned_applier_signed_is_found_out(visit: Visit, liar: Liar) -> None:
    assert visit.run(SHOWN, "approve") is End.DONE
    stored = visit.stage.workers.store.load(SHOWN.id)
    assert stored is not None
    receipt = SignedReceipt.model_validate_json(stored.receipt or "")
    forged = sign(Ed25519PrivateKey.generate(), RECEIPT_DOMAIN, receipt.receipt.document())
    visit.stage.workers.record(SHOWN.id, State.PENDING)
    liar.receipts = (receipt.model_copy(update={"signature": forged}),)

    end = visit.run(SHOWN, "approve")

    assert end is End.DISTRUST


def test_what_the_service_says_steers_no_terminal(visit: Visit, liar: Liar) -> None:
    liar.state = "pending\x1b[2J\u202e\nApproved"

    visit.run(SHOWN)

    assert "pending<U+001B>[2J<U+202E><U+000A>Approved" in visit.said


def test_an_honest_service_is_believed_by_signature(visit: Visit, liar: Liar) -> None:
    end = visit.run(SHOWN, "approve")

    assert end is End.DONE, visit.said
    calls = visit.stage.workers.calls
    assert [type(call) for call in calls] == [ChallengeCall, ProofCall]
    assert visit.stage.workers.state(SHOWN) is State.APPROVED
    assert liar.sent
