"""Whom the pages believe: seals, keys and statements."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api.sources import Pins
from shared.plans import State
from shared.seals import public_text
from shared.settings import GatewaySettings
from tests.api.stage import Stage, make_plan, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage


def test_in_development_the_planners_key_is_learnt_from_its_announcement() -> None:
    pins = Pins.from_settings(GatewaySettings())

    assert pins == Pins(learn=True)


@pytest.mark.promise("pinned-keys-win")
def test_with_pinned_keys_an_announced_key_is_not_believed() -> None:
    """Whoever owns Redis announces a planner of their own and seals a plan with it."""
    pinned = public_text(Ed25519PrivateKey.generate().public_key())
    with staged(pins=Pins(seal_keys=(pinned,), learn=True)) as stage:
        stage.sign_in()
        plan = stage.workers.add(make_plan())

        assert stage.browser.get(f"/approvals/{plan.id}").status_code == 500


def test_without_pins_and_without_learning_nothing_is_shown() -> None:
    with staged(pins=Pins()) as stage:
        stage.sign_in()
        plan = stage.workers.add(make_plan())

        assert stage.browser.get(f"/approvals/{plan.id}").status_code == 500


def test_a_pinned_key_works_without_any_worker_for_the_requester() -> None:
    key = Ed25519PrivateKey.generate()
    with staged(pins=Pins(seal_keys=(public_text(key.public_key()),))) as stage:
        stage.sign_in("dev-requester")
        plan = stage.workers.add(make_plan(), key=key)
        stage.workers.running = False

        page = stage.browser.get(f"/approvals/{plan.id}")

        stage.sign_in()
        unknown = stage.browser.get(f"/approvals/{plan.id}")

    assert page.status_code == 200
    assert "No worker of this cluster is running" in page.text
    assert unknown.status_code == 503


def test_a_proof_is_encrypted_to_the_pinned_key_only() -> None:
    """With a pin, a proof key that Redis announces gets nobody the ID token."""
    pinned = X25519PrivateKey.generate()
    seal_key = Ed25519PrivateKey.generate()
    pins = Pins(
        seal_keys=(public_text(seal_key.public_key()),),
        proof_key=public_text(pinned.public_key()),
    )
    with staged(pins=pins) as stage:
        stage.sign_in()
        plan = stage.workers.add(make_plan(), key=seal_key)
        announced, stage.workers.proof_key = stage.workers.proof_key, pinned

        assert stage.approve(plan).status_code == 303
        assert announced is not pinned


def test_a_seal_over_another_expiry_does_not_hold(stage: Stage) -> None:
    stage.sign_in()
    plan = stage.workers.add(make_plan())
    longer = stage.workers.store.load(plan.id)
    assert longer is not None
    stage.workers.add(make_plan(expires_at=plan.expires_at + 1))
    stage.workers.redis.hset(f"wk:plan:{plan.id}", "seal", longer.sealed.seal)

    assert stage.browser.get(f"/approvals/{plan.id}").status_code == 500


def test_a_receipt_for_another_plan_is_not_shown(stage: Stage) -> None:
    stage.sign_in()
    plan = stage.workers.add(make_plan())
    stage.approve(plan)
    stored = stage.workers.store.load(plan.id)
    assert stored is not None
    assert stored.receipt is not None
    other = stage.workers.add(make_plan(id="other"))
    stage.workers.record(other.id, State.APPROVED, receipt=stored.receipt)

    page = stage.browser.get(f"/approvals/{other.id}").text

    assert "By <strong>" not in page
    assert "Expired" in page
